"""The command that learns from whatever waits in a user's threads: after a crash, or a model that was away for long."""

from agent.terminal import output
from agent.terminal.app import FAILED, JsonOption, UserOption, command, explained, memory_of, opened, saver_of, user_of


@command
async def catch_up(as_json: JsonOption = False, user: UserOption = None) -> int:
    """Learn from messages that no facts were taken from yet.

    The exit code is 1 while some are left.
    """
    user_id = user_of(user)
    async with opened() as services:
        from agent.extraction_schedule import catch_up_thread
        from agent.persistence import memory_parts
        from memory.errors import AgentMemoryError
        from memory.facts.changes import Changes
        from memory.threads.threads import list_threads

        parts, saver = await memory_parts(services), saver_of(services)
        memory = memory_of(parts, user_id)
        threads = await list_threads(services.pool, user_id, limit=None)
        total, failed = Changes(), 0
        with output.bar("remembering") as progress:
            for number, thread in enumerate(reversed(threads), 1):  # what was said first is learnt first
                try:
                    total += await catch_up_thread(parts, saver, memory, thread.id)
                except AgentMemoryError as error:
                    output.error(f"thread {thread.id}: {explained(error)}")
                    failed += 1
                progress(number, len(threads))
    history = sum(bool(fact.retired_reason) for fact in total.added)
    counts = {
        "added": len(total.added) - history,
        "history": history,
        "reinforced": len(total.reinforced),
        "retired": len(total.retired),
    }
    if as_json:
        output.document({"threads": len(threads), "failed": failed, **counts})
    else:
        shown = {"history": "added as history"}
        if learnt := [f"{number} {shown.get(what, what)}" for what, number in counts.items() if number]:
            output.line(", ".join(learnt))
        elif not failed:
            output.note("nothing new to remember")
        output.note(f"{failed} of {len(threads)} threads are left: run it again" if failed else "nothing is left")
    return FAILED if failed else 0
