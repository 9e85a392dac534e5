"""The chat, used by a person or a script. It is a process of its own where that matters, and otherwise in this one."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.commands import Run
from tests.conversation import candidate, found
from tests.openai_server import ScriptedOpenAI, Status, Text
from tests.processes import chat, free_port
from tests.screen import terminal


@pytest.fixture
def offline(environment: dict[str, str], offline_model: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of a fresh clone, with the shared servers of this session."""
    fresh = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "CHAT_MODEL": "", "LOG_LEVEL": "WARNING"}
    for name, value in fresh.items():
        monkeypatch.setenv(name, value)
    return environment | fresh


def transcript(text: str) -> list[tuple[list[str], list[str]]]:
    """The sessions of a transcript: typed lines, printed lines."""
    sessions: list[tuple[list[str], list[str]]] = []
    for line in text.strip().splitlines():
        if line == "$ make chat":
            sessions.append(([], []))
        elif line.startswith("> "):
            sessions[-1][0].append(line.removeprefix("> "))
        elif line:
            sessions[-1][1].append(line)
    return sessions


def replay(text: str, run: Run) -> None:
    """Type the lines of a transcript, and compare the output exactly."""
    for typed, answered in transcript(text):
        result = run(typed="\n".join(typed) + "\n")
        assert (result.out.splitlines(), result.code) == (answered, 0), result.err


TRANSCRIPTS = {
    "a preference": """
$ make chat
> I prefer dark mode in all my apps
Noted: you prefer dark mode in all apps.
learned: prefers dark mode in all apps
> /memories
- Prefers dark mode in all apps  (preference, TODAY)
""",
    "a project names what it is made of": """
$ make chat
> I'm building a FastAPI backend with PostgreSQL
Noted: you are building a FastAPI backend with PostgreSQL.
learned: is building a FastAPI backend with PostgreSQL
> /new
new thread
> What am I building?
You are building a FastAPI backend with PostgreSQL.
""",
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_the_chat_prints_what_the_transcripts_show(name: str, offline: dict[str, str], run: Run) -> None:
    replay(TRANSCRIPTS[name].replace("TODAY", time.strftime("%Y-%m-%d", time.gmtime())), run)


def test_a_second_job_is_added_and_an_idiom_is_not(offline: dict[str, str], run: Run) -> None:
    typed = "I work at Acme.\nI also work at Globex.\nI work for peanuts.\nI left Acme early today.\n/memories\n"
    printed = run(typed=typed).out.splitlines()
    assert printed.count("I didn't take that in; a real model would.") == 2
    assert [line.split("  ")[0] for line in printed[-2:]] == ["- Works at Acme", "- Works at Globex"]
    assert not any("retired" in line for line in printed)


def test_threads_are_listed_and_continued_only_by_their_user(offline: dict[str, str], run: Run, user: str) -> None:
    run(typed="I like tea.\n")
    listed = run(typed="/threads\n").out
    assert "I like tea." in listed
    thread = listed.split()[0]
    resumed = run(typed=f"/resume {thread[:6]}\nHello\n/threads\n").out
    assert resumed.count("I like tea.") == 1
    assert f"* {thread}" in resumed
    assert run(typed="/threads\n", as_user=user + "2").out.strip() == "no threads yet"
    stolen = run("--thread", thread, typed="What did I say?\n", as_user=user + "2")
    assert (stolen.code, stolen.out) == (2, "")
    assert f"No thread '{thread}' of yours" in stolen.err


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"CHAT_MODEL": "openai:gpt-4.1-mini"}, 2, "the model needs a key: set OPENAI_API_KEY in .env"),
        ({"CHAT_MODEL": "gpt"}, 2, "CHAT_MODEL is 'gpt': the model names no provider: write <provider>:<name>"),
        ({"EXTRACTION_MODEL": "foo:bar"}, 2, "EXTRACTION_MODEL is 'foo:bar': the model names an unknown provider"),
        ({"EMBEDDER": "big", "RANKING": "best"}, 2, "EMBEDDER is 'big': write local"),
        ({"EMBEDDER": "big", "RANKING": "best"}, 2, "RANKING is 'best'"),
        ({"POSTGRES_URL": "what?"}, 2, "POSTGRES_URL: it is no Postgres connection string"),
        ({"CHROMA_URL": "localhost"}, 2, "CHROMA_URL is 'localhost': write http://"),
        ({"POSTGRES_URL": "{postgres}&dbname=nowhere"}, 1, 'database "nowhere" does not exist. Check POSTGRES_URL'),
        ({"POSTGRES_URL": "postgresql://u:sesame@127.0.0.1:{port}/x"}, 1, "Postgres does not answer"),
        ({"CHROMA_URL": "http://127.0.0.1:{port}"}, 1, "Chroma does not answer at http://127.0.0.1:{port}"),
        ({"POSTGRES_URL": "", "DATA_DIR": "/proc/nowhere"}, 1, "/proc/nowhere"),
    ],
    ids=lambda value: str(value),
)
def test_a_wrong_setting_or_a_missing_server_is_one_clear_error(
    offline: dict[str, str], run: Run, variables: dict[str, str], code: int, words: str
) -> None:
    port = str(free_port())
    postgres = offline["POSTGRES_URL"]
    filled = {n: value.replace("{port}", port).replace("{postgres}", postgres) for n, value in variables.items()}
    result = run(typed="Hello\n", **filled)
    assert result.code == code, result.err
    assert words.replace("{port}", port) in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert "Value error" not in result.err
    assert "sesame" not in result.err
    assert result.out == ""


def test_a_blank_line_is_skipped_and_a_huge_one_is_an_error(offline: dict[str, str], run: Run) -> None:
    result = run(typed=f"\n I like tea.\n \t\n{'x' * 1_000_000}\n/{'y' * 100_000}\nWhat do I like?\n")
    problems = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert ["1,000,000 characters" in problems[0], "Unknown command '/yyy" in problems[1]] == [True, True]
    assert (len(problems), len(problems[1]) < 200) == (2, True)
    assert result.out.splitlines()[-1] == "You like tea."
    assert result.code == 1


def test_blank_lines_alone_are_no_error(offline: dict[str, str], run: Run) -> None:
    result = run(typed="\n\n")
    assert (result.code, result.out) == (0, "")
    assert "error" not in result.err


@pytest.mark.parametrize("user_id", ["", "  ", "x" * 1_001])
def test_an_invalid_user_id_is_refused(offline: dict[str, str], run: Run, user_id: str) -> None:
    result = run(typed="Hello\n", as_user=user_id)
    assert (result.code, result.out) == (2, "")
    assert "user id" in result.err


def test_a_failed_reply_is_reported_and_the_message_is_kept(run: Run, openai: ScriptedOpenAI) -> None:
    openai.reply(*[Status(500, retry_after=0.01)] * 6, Text("I am back."))  # also asked again without tools
    openai.extraction(found(candidate("Likes tea", "I like tea", "likes")))
    result = run(typed="I like tea.\nHello?\n")
    reason = "the model's server answered 500: it has an internal error. Your message is kept; go on, or ask again."
    assert f"error: No reply: {reason}" in result.err
    assert result.out.splitlines() == ["I am back.", "learned: likes tea"]
    assert result.code == 1


def test_input_that_is_not_utf_8_is_read_and_logs_hold_ids_but_no_messages(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    openai.reply(Text("Zanzibar it is."))
    openai.extraction(found(candidate("Likes Zanzibar", "Zanzibar", "likes"), {"broken": "Zanzibar"}))
    typed = b"Zanzibar caf\xe9\nHello\n"
    result = chat(typed, {**environment, "LOG_LEVEL": "DEBUG"}, tmp_path, "--user", user)
    assert result.returncode == 0, result.stderr
    assert any(user in line and "thread=" in line for line in result.stderr.splitlines())
    assert "Zanzibar" not in result.stderr


def test_ctrl_c_during_a_reply_leaves_the_thread_usable(
    environment: dict[str, str], openai: ScriptedOpenAI, tmp_path: Path, user: str
) -> None:
    openai.reply(Text("One two three four. " * 200, delay=0.05), Text("Here I am."))
    with terminal(environment, tmp_path, "--user", user) as screen:
        screen.wait_for("/help lists the commands")
        screen.type("Count\r")
        screen.wait_for("One two three")
        os.kill(screen.program.pid, signal.SIGINT)
        screen.wait_for("\x1b[2mstopped; the thread")  # a person sees colours
        os.kill(screen.program.pid, signal.SIGINT)
        screen.wait_for("/quit or Ctrl-D leaves")
        screen.type("Are you there?\r")
        screen.wait_for("Here I am.")
        replies = [request for request in openai.requests if request.kind == "reply"]
        assert [m["content"] for m in replies[-1].messages[1:]] == ["Count", "Are you there?"]
        screen.type("/quit\r")
        assert screen.program.wait(60) == 0


def test_a_script_sees_no_colours(offline: dict[str, str], run: Run) -> None:
    assert "\x1b" not in run(typed="I like milk.\n").out
