"""Thinking is taken out of whole answers, and of pieces of any size."""

import pytest

from memory.thinking import ThinkingFilter, UnopenedEnd, without_thinking

THOUGHTFUL = [
    ("Hello <b>you</b>", "Hello <b>you</b>"),
    ("<think>a</think>b\n<THINKING>c</THINKING> d", "b\n d"),
    ("[THINK]a[/THINK]b", "b"),
    ("a\n<think>b", "a"),
    ("<think>never ends", ""),
    ("Hello.<think>a</think>", "Hello."),
    ("<think>a</thinking>b", "b"),
    ('<think id="1">a</think><think >b</think >c', "c"),
    ("<thought>a</thought><reflection>b</reflection><antThinking>c</antThinking><seed:think>d</seed:think>e", "e"),
    ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|>", "b"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>", "b"),
    ("Hello.<|end|>", "Hello."),
    ("Hello.\n<think>a</think>", "Hello."),
    ("<thought_process>a</thought_process>b", "b"),
    ("<|channel|>analysis<|message|>a<|end|><|channel|>final <|constrain|>json<|message|>b", "b"),
    ("<|channel>thought\na<channel|>b", "b"),
    ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>", "b"),
    ("◁think▷a◁/think▷b", "b"),
    ("<|inner_prefix|>a<|inner_suffix|>b", "b"),
    ("<mm:think>a</mm:think>b\n<inner_thoughts>c</inner_thoughts>d", "b\nd"),
    ("<|im_start|>assistant\n<think>a</think>b<|im_end|>", "b"),
    # the tokens of gpt-oss are lost
    ("analysisThe user says hi. We greet.assistantfinalHello.", "Hello."),
    ("analysis\nThey say hi.\nassistantfinal\n\nHello.", "Hello."),
    ("analysis of the data: fine.",) * 2,
    ("The assistantfinal channel.",) * 2,
    # in a fence
    ("```thinking\na\n```\nb", "b"),
    ("```\n<think>\na\n</think>\n```\nb", "b"),
    ("\n```xml\n<think>a</think>\n```\n```python\nb\n```", "```python\nb\n```"),
    ("```\n<think>a</think>\nb\n```", "b"),
    ("```\nb\n<think>\n```",) * 2,
    ("```html\n<think>a</think>\n```\nThat is one.",) * 2,
    # inside of each other, and mentioned inside
    ("<think>a<think>b</think>c</think>d", "d"),
    ("<think>a<think>b</think>\nc\n</think>\nd", "d"),
    ("<think>They ask about <think> tags.</think>\n\nWell.", "Well."),
    ("<think>Close it with `</think>`, then go on.</think>Well.", "Well."),
    # the opening tag is in the prompt
    ("a\nb\n</think>\n\nc", "c"),
    ("a</think>b", "b"),
    ('Say "Hello"</think>Hello', "Hello"),
    # mentioned only
    ("The tag `<think>` begins it, `</think>` ends it.",) * 2,
    ("The `</think>` tag ends it.",) * 2,
    ("The <think> tag is used by models. It is closed later.",) * 2,
    ("Put it between <think> and </think>, or write <think>...</think>.",) * 2,
    ("The <think> tag begins it. Then </think> ends it.",) * 2,
    ("Models write <think> first.",) * 2,
    ("Hello <think>hm</think>Ann.", "Hello Ann."),
    ("It comes in **<thought>** form, or (<think>).",) * 2,
    ("In HTML:\n```html\n<think>fine</think>\n```\nDone.",) * 2,
    ("A <thought experiment> and a <b",) * 2,
    ("It ends with `<|end|>`.",) * 2,
]


@pytest.mark.parametrize(("text", "rest"), THOUGHTFUL)
def test_thinking_is_taken_out_of_a_text(text: str, rest: str) -> None:
    assert without_thinking(text) == rest


def given_out(text: str, size: int, *, begins: bool = False) -> list[str]:
    """What the filter gives out for a text that comes in pieces of this size."""
    reader = ThinkingFilter(begins)
    parts = [part for at in range(0, len(text), size) for part in reader.feed(text[at : at + size])]
    return parts + reader.finish()


AMBIGUOUS = ("Put it between <think> and </think>,", "The <think> tag begins it. Then </think>")
"""How texts begin whose mention of a closing tag looks like the end of thinking without a beginning."""


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize(("text", "rest"), THOUGHTFUL)
def test_it_is_taken_out_of_pieces_as_it_is_of_the_whole(text: str, rest: str, begins: bool) -> None:
    """Also where the answer may begin with thinking, and does not."""
    for size in (1, 2, 3, 7):
        parts = given_out(text, size, begins=begins and not text.startswith(AMBIGUOUS))
        ends = [at for at, part in enumerate(parts, 1) if isinstance(part, UnopenedEnd)]
        assert "".join(parts[max(ends, default=0) :]).strip() == rest


@pytest.mark.parametrize("text", ["<think>a<think>X</think>X</think>b", "<think>a<think>b</think>\nX\n</think>\nb"])
def test_thinking_in_thinking_is_not_given_out_meanwhile(text: str) -> None:
    for size in (1, 3, 100):
        parts = given_out(text, size)
        assert "".join(parts).strip() == "b"


def test_ordinary_text_is_not_held_back() -> None:
    pieces = ["Hello", ", Ada", ".\n\n", "Two < three", "; [x](y)", "."]
    reader = ThinkingFilter()
    assert [reader.feed(piece) for piece in pieces] == [[piece] for piece in pieces]
    assert reader.finish() == []


def test_thinking_without_a_beginning_may_hold_thoughts_and_mentions() -> None:
    for text in ("a\n<think>X</think>\nX</think>b", "X <think> tags.</think>b", "X<|end|><|channel|>final<|message|>b"):
        for size in (1, 3, 100):
            assert "".join(given_out(text, size, begins=True)) == "b"
