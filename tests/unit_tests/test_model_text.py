"""What real models answer to an extraction: the first whole object is read, whatever stands around it."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call

from memory.extraction.extract import read_extraction
from memory.model_text import literals_in, values_in

FACT = {"text": "Lives in Austin", "quote": "I live in Austin", "message": 1, "subject": "user", "attribute": "home"}
ANSWER: dict[str, Any] = {"facts": [FACT], "retracted": []}
WHOLE = json.dumps(ANSWER)
NOTHING = '{"facts": [], "retracted": []}'


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        f"Here are the facts:\n\n```json\n{json.dumps(ANSWER, indent=2)}\n```\nLet me know if you need more.",
        f"<think>The user lives in Austin. {NOTHING}?</think>\n{WHOLE}",
        f"The user lives in Austin, {NOTHING} is wrong.\n</think>\n\n{WHOLE}",
        f"{WHOLE}\n{NOTHING}",
        f'{{"thought": "easy"}} {WHOLE}',
        f'{{"messages": [{{"number": 1, "text": "I live in Rome"}}], "known": []}}\n{WHOLE}',
        f"Use {{braces}}: {WHOLE}",
        WHOLE.replace("}]", "},]").replace("[]}", "[],}"),
        json.dumps({"facts": [FACT]}),
        json.dumps({"name": "Extraction", "arguments": ANSWER}),
        json.dumps({"name": "Extraction", "arguments": WHOLE}),
        WHOLE.replace("Lives in Austin", "Lives in\nAustin"),
        [{"type": "thinking", "thinking": NOTHING}, {"type": "text", "text": WHOLE}],
        [{"type": "reasoning", "reasoning": NOTHING}, WHOLE[:9], WHOLE[9:]],
        f"Hm, {NOTHING}?</think>{WHOLE}",
        f"analysisHm, {NOTHING}?assistantfinal{WHOLE}",
        f"```think\n{NOTHING}\n```\n```json\n{WHOLE}\n```",
        f"<|channel|>analysis<|message|>Hm, {NOTHING}?<|end|><|start|>assistant<|channel|>final<|message|>{WHOLE}",
        json.dumps([FACT]),
        f"Here they are:\n{json.dumps([FACT])}",
        json.dumps({"Facts": [FACT], "Retracted": []}),
        str(ANSWER),
        str(ANSWER | {"ok": True, "more": None}),
        WHOLE.replace('"retracted"', '"more": None, "retracted"'),
    ],
    ids=lambda content: str(content)[:30],
)
def test_the_first_whole_object_of_an_answer_is_read(content: str | list[str | dict[str, Any]]) -> None:
    [fact] = read_extraction(AIMessage(content)).facts
    assert " ".join(fact.text.split()) == "Lives in Austin"


@pytest.mark.parametrize(
    "answer",
    [
        AIMessage("", tool_calls=[tool_call(name="Extraction", args=ANSWER, id="1")]),
        AIMessage("", tool_calls=[tool_call(name="Extraction", args={"arguments": WHOLE}, id="1")]),
        AIMessage("", invalid_tool_calls=[invalid_tool_call(name="x", args=f"```{WHOLE}```", id="1", error=None)]),
        AIMessage("", additional_kwargs={"reasoning_content": f"I would say: {WHOLE}"}),
    ],
    ids=["arguments", "arguments as a string", "arguments in a fence", "thinking alone"],
)
def test_an_answer_that_is_not_in_the_text_is_read(answer: AIMessage) -> None:
    assert read_extraction(answer).facts[0].text == "Lives in Austin"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "I cannot help with that.",
        WHOLE[:-20],
        WHOLE[:-2],
        str(ANSWER)[:-2],
        json.dumps([FACT, FACT])[:-1],
        f"- [ ] {json.dumps(FACT)}",
        f"<think>{WHOLE}",
        f"<think>{WHOLE}</think> Nothing.",
        '{"facts": "many"}',
        '{"properties": {"facts": {"type": "array"}, "retracted": {"type": "array"}}}',
        '{"a":' * 100_000,
        "{" * 100_000,
    ],
    ids=lambda content: str(content)[:30],
)
def test_an_answer_without_a_whole_object_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match="no object with the facts"):
        read_extraction(AIMessage(content))


@pytest.mark.parametrize(
    "ending", [{"finish_reason": "length"}, {"stop_reason": "max_tokens"}, {"done_reason": "length"}]
)
def test_a_call_that_was_cut_off_is_refused(ending: dict[str, str]) -> None:
    """A client completes the arguments of a streamed call, so that only the reason for its end shows it."""
    call = tool_call(name="Extraction", args={"facts": [FACT]}, id="1")
    answer = AIMessage("", tool_calls=[call], response_metadata=ending)
    with pytest.raises(ValueError, match="no object with the facts"):
        read_extraction(answer)


def test_objects_inside_of_others_are_not_listed() -> None:
    assert [*values_in('[{"e": 2}] a {"b": {"c": 1}} {d} {"f": [{"g": 3}')] == [[{"e": 2}], {"b": {"c": 1}}, {"g": 3}]
    literals = "x {'a': [1, None, true,], \"b\": \"it's\nok\", 'c': '\\/'} [y] [] {'d': "
    assert [*literals_in(literals)] == [{"a": [1, None, True], "b": "it's\nok", "c": "/"}, []]


def test_the_list_of_an_object_that_was_cut_off_is_not_read() -> None:
    assert [*values_in('{"facts": [{"a": 1}], "retr')] == [{"a": 1}]
