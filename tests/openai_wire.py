"""The server side of OpenAI's HTTP protocol: classifies requests, and encodes answers as bodies or streams.

`tests/openai_server.py` serves scripted answers with it.
"""

import base64
import hashlib
import json
import math
import re
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind = Literal["reply", "extraction", "embedding", "unknown"]
"""`extraction` is a chat completion with structured output, `reply` is any other one."""

JsonObject: TypeAlias = Mapping[str, Any]  # its shape depends on the client


@dataclass(frozen=True)
class Text:
    """The model says this, token by token if the request asks for a stream."""

    text: str
    delay: float = 0.0
    """Seconds between two tokens of a stream."""
    cut: bool = False
    """Break the connection after the last token, before the end of the answer."""
    hang: bool = False
    """Leave the connection open after the answer, without the line that ends a stream."""
    finish: str = "stop"
    """The finish reason; "" ends a stream without one, as a proxy may that loses its connection."""
    error: str = ""
    """A code with which the server ends the stream as an error."""
    refusal: str = ""
    """The text of OpenAI's field `refusal`."""


@dataclass(frozen=True)
class ToolCalls:
    """The model calls tools, each given as (name, arguments). Arguments given as a string are sent unchanged."""

    calls: Sequence[tuple[str, JsonObject | str]]
    text: str = ""
    finish: str = "tool_calls"
    strict: bool = True
    """False: as servers that only resemble OpenAI's, without ids, and with the arguments as an object."""


@dataclass(frozen=True)
class Json:
    """Structured output in the requested form: as content, or as the arguments of the forced tool.

    For an endpoint other than chat, the whole body.
    """

    value: JsonObject


@dataclass(frozen=True)
class Malformed:
    """Structured output that is not JSON, or, with another `text`, that does not fit the schema."""

    text: str = '{"facts": ['


@dataclass(frozen=True)
class Vectors:
    """Embeddings: unit vectors of hashed words, so that texts that share words are near each other."""

    dimensions: int = 1536  # unless the request asks for others


@dataclass(frozen=True)
class Status:
    """An HTTP error in OpenAI's format."""

    status: int
    message: str = "The script says so."
    code: str | None = None
    retry_after: float | None = None
    """Seconds that the client is told to wait; None for the client's own back-off."""


@dataclass(frozen=True)
class Hang:
    """No answer until the client disconnects or the server stops."""


@dataclass(frozen=True)
class After:
    """The answer, sent after the test has set the event."""

    event: threading.Event
    answer: "Answer"


@dataclass(eq=False)
class Request:
    """A request of a client and its outcome. Times are seconds of `time.monotonic()`."""

    number: int
    """1 for the first request to this server."""
    kind: Kind
    path: str
    headers: Mapping[str, str]
    body: JsonObject
    at: float = field(default_factory=time.monotonic)
    status: int | None = None
    answered: float | None = None
    """When the first byte of the answer was sent."""
    finished: float | None = None
    """When the last byte was sent; None if the answer has not ended."""
    disconnected: bool = False
    """Whether the client disconnected before the end of the answer."""

    @property
    def messages(self) -> list[JsonObject]:
        return list(self.body.get("messages") or ())


Final: TypeAlias = Text | ToolCalls | Json | Malformed | Vectors | Status | Hang
Answer: TypeAlias = Final | After | Callable[[Request], "Answer"]
"""An item of a script. A function is called on the server's event loop, so it must not block."""


def kind_of(endpoint: str, body: JsonObject) -> Kind:
    match endpoint:
        case "POST /v1/chat/completions":
            return "extraction" if response_format(body) != "text" or forced_tool(body) else "reply"
        case "POST /v1/embeddings":
            return "embedding"
    return "unknown"


def response_format(body: JsonObject) -> str:
    return str((body.get("response_format") or {"type": "text"})["type"])


def forced_tool(body: JsonObject) -> str | None:
    """The name of the function that `tool_choice` requires."""
    choice = body.get("tool_choice")
    return str(choice["function"]["name"]) if isinstance(choice, dict) and "function" in choice else None


def refusal(request: Request, key: str | None) -> Status | None:
    """The error with which OpenAI would refuse the request, or None."""
    if key is not None and request.headers.get("authorization") != f"Bearer {key}":
        return Status(401, "Incorrect API key provided.", "invalid_api_key")
    match request.kind:
        case "unknown":
            return Status(404, f"Unknown request URL: {request.path}.", "unknown_url")
        case "embedding" if not all(isinstance(text, str) and text for text in embedded_texts(request.body)):
            return Status(400, "'$.input' is invalid: give texts that are not empty.")
        case "reply" | "extraction" if problem := problem_in(request.messages, response_format(request.body)):
            return Status(400, problem)
    return None


def problem_in(messages: Sequence[JsonObject], format_: str) -> str | None:
    """Tool calls and their results must stay together (a careless trim separates them); JSON mode needs "json"."""
    if format_ == "json_object" and "json" not in json.dumps(messages).lower():
        return "'messages' must contain the word 'json' to use a response format of 'json_object'."
    open_calls: set[str] = set()
    for message in (*messages, {"role": "end"}):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return "A message with role 'tool' must answer a preceding message with 'tool_calls'."
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            return f"These tool_call_ids did not have response messages: {sorted(open_calls)}."
        else:
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
    return None


def wire(request: Request, answer: Final) -> Sequence[str]:
    """The body of the answer: one part, or the parts of a stream."""
    match answer:
        case Text(text, cut=cut, finish=finish, refusal=refusal, error=error):
            parts = completion(request, text, cut=cut, finish=finish, refusal=refusal, error=error)
            return [part.removesuffix("data: [DONE]\n\n") if answer.hang else part for part in parts]
        case ToolCalls(calls, text, finish, strict):
            sent = [(name, given if isinstance(given, str) else json.dumps(given)) for name, given in calls]
            return completion(request, text, sent, finish=finish, strict=strict)
        case Json(value) if request.kind == "embedding":
            return [json.dumps(value)]
        case Json() | Malformed():
            output = answer.text if isinstance(answer, Malformed) else json.dumps(answer.value)
            tool = forced_tool(request.body)
            if tool:
                return completion(request, "", [(tool, output)], finish="tool_calls")
            return completion(request, output)
        case Vectors(dimensions):
            return [json.dumps(embeddings(request.body, dimensions))]
        case Status(status, message, code):
            kind = "server_error" if status >= 500 else "invalid_request_error"
            return [json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})]
        case Hang():
            raise AssertionError("a request that hangs gets no answer")


def completion(
    request: Request,
    text: str,
    calls: Sequence[tuple[str, str]] = (),
    *,
    cut: bool = False,
    finish: str = "stop",
    refusal: str = "",
    error: str = "",
    strict: bool = True,
) -> Sequence[str]:
    """A chat completion, whole or as a stream of chunks; `calls` are (tool, arguments as JSON)."""
    tools: list[dict[str, Any]] = [
        {"id": f"call_{request.number}_{index}", "type": "function", "function": {"name": name, "arguments": given}}
        for index, (name, given) in enumerate(calls)
    ]
    for tool in () if strict else tools:
        del tool["id"]
        tool["function"]["arguments"] = json.loads(tool["function"]["arguments"])
    asked, said = len(tokens(json.dumps(request.messages))), len(tokens(f"{text} {calls}"))
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}

    def envelope(kind: str, choices: Sequence[JsonObject], **more: JsonObject) -> str:
        head = {"id": f"chatcmpl-{request.number}", "object": kind, "created": int(time.time())}
        return json.dumps({**head, "model": request.body.get("model"), "choices": choices, **more})

    def chunk(delta: JsonObject, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {envelope('chat.completion.chunk', [choice])}\n\n"

    if not request.body.get("stream"):
        message = {"role": "assistant", "content": text or None} | ({"tool_calls": tools} if tools else {})
        message |= {"refusal": refusal} if refusal else {}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return [envelope("chat.completion", [choice], usage=usage)]

    parts = [chunk({"content": token}) for token in tokens(text)]
    for index, tool in enumerate(tools):
        if not strict:
            parts.append(chunk({"tool_calls": [{**tool, "index": index}]}))
            continue
        opened = {**tool, "index": index, "function": {**tool["function"], "arguments": ""}}
        parts.append(chunk({"tool_calls": [opened]}))
        for token in tokens(tool["function"]["arguments"]):
            parts.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": token}}]}))
    parts += [chunk({"refusal": token}) for token in tokens(refusal)]
    parts = parts or [""]
    parts[0] = chunk({"role": "assistant", "content": ""}) + parts[0]
    if error:
        parts[-1] += f"data: {json.dumps({'error': {'message': 'zanzibar', 'code': error}})}\n\n"
    elif not cut:
        parts[-1] += chunk({}, finish) if finish else ""
        if (request.body.get("stream_options") or {}).get("include_usage"):
            parts[-1] += f"data: {envelope('chat.completion.chunk', [], usage=usage)}\n\n"
        parts[-1] += "data: [DONE]\n\n"
    return parts


def tokens(text: str) -> list[str]:
    """Words with the space before them. Joined, they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def embedded_texts(body: JsonObject) -> Sequence[str]:
    given = body.get("input", "")
    return given if isinstance(given, list) else [given]


def embeddings(body: JsonObject, dimensions: int) -> JsonObject:
    """The answer of /embeddings; the client asks for little-endian float32 in base64 by default."""
    vectors: list[JsonObject] = []
    for index, text in enumerate(embedded_texts(body)):
        vector = hashed_words(text, body.get("dimensions") or dimensions)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        shown = packed if body.get("encoding_format") == "base64" else vector
        vectors.append({"object": "embedding", "index": index, "embedding": shown})
    asked = sum(len(tokens(text)) for text in embedded_texts(body))
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return {"object": "list", "model": body.get("model"), "data": vectors, "usage": usage}


def hashed_words(text: str, dimensions: int) -> Sequence[float]:
    """A unit vector in which each word's hash selects a dimension: the same in every process."""
    counts = [0] * dimensions
    for word in re.findall(r"\w+", text.casefold()) or [text]:
        counts[int.from_bytes(hashlib.sha256(word.encode()).digest(), "big") % dimensions] += 1
    length = math.hypot(*counts)
    return [count / length for count in counts]
