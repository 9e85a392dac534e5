"""One user's memory: what the agent's nodes and tools, the terminal and your own code read and write."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from memory.errors import BadInput, expect, expect_count
from memory.extraction.extract import StructuredOutputMethod
from memory.extraction.utterances import utterances_of
from memory.facts.changes import Changes, Held
from memory.facts.fact import Category, Fact, Source, check_user_id, in_utc, is_storable, utc_now
from memory.facts.portable import dump, load
from memory.facts.profile import Profile, profile_of
from memory.facts.roll_back import FactEvent, RollBack, Taught, plan_roll_back, provenance
from memory.facts.slots import attribute_name, subject_name
from memory.facts.timeline import AsOf, Version, as_of, chain, versions
from memory.items.item import delete_items
from memory.learn import writes
from memory.learn.learner import Learner
from memory.learn.verbatim import Memory, check_restored, facts_of_texts
from memory.ledger.ledger import GivenUp
from memory.ledger.receipts import Receipt, receipts_of, write_receipt
from memory.ledger.rows import stored_id
from memory.logs import Event
from memory.parts import Parts
from memory.recall.cache import yield_to_loop
from memory.recall.rank import Hit
from memory.recall.search import FactTest, Recalled, Searcher
from memory.threads.threads import background_thread, delete_threads

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import MessageLikeRepresentation

log = logging.getLogger(__name__)

UPDATE_SHARE = 2  # how much longer than a search an update of the index may take after an extraction: a client may wait


class UserMemory:
    """The memory of one user, fixed for the life of the object: no method takes another user's id."""

    def __init__(
        self, parts: Parts, user_id: str, model: "BaseChatModel | None" = None, method: StructuredOutputMethod = "auto",
        timeout: float | None = None,
    ) -> None:  # fmt: skip
        """`model`, with its structured-output `method` and a timeout in seconds for each extraction, is needed only to
        learn. Raises BadInput for a bad user id."""
        self.user_id = check_user_id(user_id)
        self._parts, self._ledger = parts, parts.ledger
        self.learner = Learner(
            user_id,
            parts.ledger,
            lambda texts: self._searcher.near(texts),
            lambda pairs: self._searcher.cosines(pairs),
            partial(parts.update_index, timeout=UPDATE_SHARE * parts.options.timeout),
            model,
            method,
            parts.held_days,
            timeout,
        )

    @property
    def _searcher(self) -> Searcher:
        return self._parts.searcher(self.user_id)

    def with_model(self, model: "BaseChatModel", method: StructuredOutputMethod, timeout: float) -> "UserMemory":
        """The same memory, with a model to learn with."""
        return UserMemory(self._parts, self.user_id, model, method, timeout)

    async def current(self) -> list[Fact]:
        """The facts that hold now, oldest first."""
        return await self._ledger.current(self.user_id, utc_now())

    async def all(self) -> list[Fact]:
        """Every fact, current or not, in the order of recording."""
        return await self._ledger.all(self.user_id)

    async def recall(self, query: str, limit: int = 10, *, explain: bool = False) -> Recalled:
        """What matters for `query`: the profile, up to `limit` facts, and past ones if it asks about the past."""
        expect(str, query=query)
        expect_count(limit=limit)
        return await self._searcher.recall(query, limit, explain=explain)

    async def search(
        self, query: str, limit: int = 10, *, past: bool = False, only: FactTest | None = None, explain: bool = False
    ) -> list[Hit]:
        """Up to `limit` facts that answer `query`, best first, for which `only` returns True. With `past`, facts
        that held once and no longer do, which leaves out retracted ones. With `explain`, the `why` of each hit tells
        what each signal contributed."""
        expect(str, query=query)
        expect_count(limit=limit)
        return await self._searcher.search(query, limit, past=past, only=only, explain=explain)

    async def context(self, query: str, token_budget: int = 1_500, zone: tzinfo = UTC) -> str:
        """The block of a prompt with what matters for `query`, dated in `zone`; "" if nothing does."""
        expect_count(token_budget=token_budget)
        expect(tzinfo, zone=zone)
        return (await self.recall(query)).block(token_budget, zone)

    async def profile(self) -> Profile:
        """What is known, by kind, the newest first."""
        return profile_of(await self.current())

    async def history(self, of: str | tuple[str, str]) -> list[Version]:
        """The versions of a fact (by its id) or of a slot (subject, attribute), newest first; [] if it is unknown."""
        expect(str | tuple, of=of)
        facts = await self.all()
        if isinstance(of, str):
            return versions(chain(facts, of))
        subject, attribute = of if len(of) == 2 else ("", "")
        expect(str, subject=subject, attribute=attribute)
        slot = (subject_name(subject), attribute_name(attribute))
        return versions(fact for fact in facts if fact.slot == slot)

    async def provenance(self, fact_id: str) -> list[FactEvent]:
        """The messages that a fact was said in, again and again, and that retired it, oldest first; [] if it is
        unknown."""
        expect(str, fact_id=fact_id)
        facts = await self.all()
        fact = next((fact for fact in facts if fact.id == fact_id), None)
        return provenance(facts, await self._ledger.reinforcements(self.user_id), fact) if fact else []

    async def as_of(self, when: datetime) -> AsOf:
        """What held at `when`, and what was believed then. Raises BadInput if `when` has no time zone."""
        return as_of(await self.all(), _checked(when))

    async def observe(
        self,
        content: "str | Sequence[MessageLikeRepresentation]",
        *,
        at: datetime | None = None,
        zone: tzinfo = UTC,
        thread_id: str = "",
    ) -> Changes:
        """Learn from raw conversation: a text the user wrote, or messages, of which only the human ones count. `at` is
        when it was said, unless a message says so itself; the default is now, in the user's time zone `zone`, in which
        "today" counts. The same words, moment and thread are the same message, which is learned from once. Raises
        ExtractionFailed; what was learned until then stays."""
        expect(tzinfo, zone=zone)
        expect(str, thread_id=thread_id)
        now = utc_now()
        said_at = min(_checked(at), now) if at is not None else now.astimezone(zone)
        seed = self._parts.pool.cipher.seed("")  # the same for all users, to whom an exported memory may be moved
        return await self.learner.extract_and_learn(utterances_of(content, said_at, thread_id, seed))

    async def remember(
        self, text: str, *, at: datetime | None = None, subject: str = "user", source: Source | None = None
    ) -> int:
        """Keep one text as it is, without a model call (see `remember_all`)."""
        return await self.remember_all([Memory(text, at, subject, source)])

    async def remember_all(self, memories: Iterable[Memory]) -> int:
        """Keep texts as they are, thousands at once, without a model call, all or none. Returns how many are new. The
        same words about one subject, said again, replace the earlier ones. Raises BadInput."""
        expect(Iterable, memories=memories)
        now, facts, seed = utc_now(), dict[str, Fact](), self._parts.pool.cipher.seed(self.user_id)
        for number, fact in enumerate(facts_of_texts(seed, memories, now)):
            facts[fact.id] = fact
            await yield_to_loop(number)
        changes = await writes.restore(self._ledger, self.user_id, [*facts.values()], {}, [], now)
        return await self._changed("remembered", len(changes.added), changes.ids)

    async def given_up(self) -> list[GivenUp]:
        """The messages that no facts could be taken from, the latest last."""
        return await self._ledger.given_up(self.user_id)

    async def held(self) -> list[Held]:
        """What is doubtful and waits for the user, the oldest first. It is neither known nor recalled meanwhile."""
        return await self._ledger.held(self.user_id)

    async def keep_held(self, ids: Collection[str]) -> Changes:
        """Believe what is held back under these ids, as if it had not been doubtful: all of it, or nothing. Raises
        BadInput for an id that is not there."""
        expect(list | tuple | set, ids=ids)
        changes = await writes.keep_held(self._ledger, self.user_id, ids, utc_now())
        if changes.retired:
            await self.has_told_of(changes.retired)
        await self._changed("kept held", len(changes.added), changes.ids)
        return changes

    async def drop_held(self, ids: Collection[str]) -> list[Held]:
        """Delete what is held back under these ids, all or nothing. Returns it. Raises BadInput for an id that is not
        there."""
        expect(list | tuple | set, ids=ids)
        async with self._ledger.transaction(self.user_id) as transaction:
            dropped = await transaction.take_held(ids)
        log.info(Event("dropped held", user=self.user_id, items=len(dropped)))
        return dropped

    async def export(self) -> AsyncIterator[str]:
        """All that is known or held back, with history and provenance, as JSON lines (see `memory.facts.portable`)."""
        repeats = await self._ledger.reinforcements(self.user_id)
        extracted = await self._ledger.extracted_messages(self.user_id)
        for line in dump(await self.all(), repeats, extracted, await self.held()):
            yield line

    async def import_(self, lines: Iterable[str]) -> int:
        """Write exported lines back, all or none. Returns how many facts are new. Raises BadInput with the line."""
        expect(Iterable, lines=lines)
        facts, repeats, extracted, held = load(lines)
        await asyncio.to_thread(check_restored, [*facts, *(item.with_all_quotes for item in held)])
        changes = await writes.restore(
            self._ledger, self.user_id, facts, repeats, extracted, utc_now(), held, self._parts.held_days
        )
        return await self._changed("imported", len(changes.added), changes.ids)

    async def roll_back(
        self, *, thread: str | None = None, since: datetime | None = None, dry_run: bool = False
    ) -> RollBack:
        """Undo what the messages of a thread have taught, or everything that was learned since a moment: facts, repeats
        and retirements (see `memory.facts.roll_back`), and delete what is held back of them. No fact is deleted, and no
        message is learned from again. With `dry_run` nothing is written. Returns what is undone and
        restored. Raises BadInput."""
        expect(str | None, thread=thread)
        if (thread is None) == (since is None):
            raise BadInput("roll_back() takes one of thread and since.")
        taught = Taught(stored_id(thread), in_utc(_checked(since)) if since else None)
        if dry_run:
            repeats = await self._ledger.reinforcements(self.user_id)
            return plan_roll_back(await self.all(), repeats, taught, utc_now(), await self.held())
        change = await writes.roll_back(self._ledger, self.user_id, taught, utc_now())
        facts = (*change.undone, *change.replaced, *change.restored)
        await self._changed("rolled back", len(change.undone), [fact.id for fact in facts])
        return change

    async def has_told_of(self, facts: Iterable[Fact]) -> None:
        """Note that the user was told that these facts, which are among `Recalled.untold`, were retired."""
        await self._ledger.delete_untold(self.user_id, [fact.id for fact in facts])

    async def forget(
        self, *, fact: str | None = None, category: Category | None = None, thread: str | None = None, by: str = ""
    ) -> int:
        """Delete for good one fact by its id, a category, or a thread with its messages. Returns how many facts. A
        receipt is kept, which names who asked for it: `by`, or the user. A turn that is under way saves and learns
        nothing of what is forgotten."""
        expect(str | None, fact=fact, category=category, thread=thread)
        expect(str, by=by)
        if [fact, category, thread].count(None) != 2:
            raise BadInput("forget() takes one of fact, category and thread.")
        threads = [] if thread is None else [thread]
        threads += [background_thread(self.user_id, known) for known in threads if is_storable(known)]
        async with self._ledger.transaction(self.user_id) as transaction:
            gone, held = await transaction.erase(ids=[fact] if fact else (), category=category, threads=threads)
        counts = {"facts": len(gone), **({"held": held} if held else {})}
        if thread is not None:
            counts["threads"] = await delete_threads(self._parts.pool, self.user_id, [thread])
        what = "category" if category else "fact" if thread is None else "thread"
        return await self._forgotten(what, by, counts, gone)

    async def forget_everything(self, *, by: str = "") -> int:
        """Delete the user's facts, history, threads, checkpoints, tasks and ordinary items of the store (see
        `memory.items.item.delete_items`). Returns how many facts were deleted. `by` as for `forget`."""
        expect(str, by=by)
        async with self._ledger.transaction(self.user_id) as transaction:
            facts, held = await transaction.erase_user()
        counts = {"facts": facts, **({"held": held} if held else {})}
        counts["threads"] = await delete_threads(self._parts.pool, self.user_id)
        counts["items"] = await delete_items(self._parts.pool, self.user_id)
        return await self._forgotten("everything", by, counts)

    async def receipts(self) -> list[Receipt]:
        """What was forgotten of this user, by whom and when, with counts and without any content; the latest last."""
        return await receipts_of(self._parts.pool, self.user_id)

    async def _forgotten(self, what: str, by: str, counts: dict[str, int], ids: Sequence[str] | None = None) -> int:
        self._parts.cache.forget(self.user_id)
        await self._changed(f"forgot {what}", counts["facts"], ids)
        if any(counts.values()):
            await write_receipt(self._parts.pool, self.user_id, what, by, counts, self._parts.receipt_days)
        return counts["facts"]

    async def _changed(self, what: str, facts: int, ids: Sequence[str] | None = None) -> int:
        log.info(Event(what, user=self.user_id, facts=facts))
        await self._parts.update_index(self.user_id, ids)
        return facts


def _checked(moment: datetime) -> datetime:
    expect(datetime, moment=moment)
    shown = moment.isoformat()
    if moment.tzinfo is None:
        raise BadInput(f"The moment {shown} has no time zone: add one, such as {shown}+00:00.")
    try:
        in_utc(moment)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"The moment {shown} is out of range: {error}.") from error
    return moment
