"""The embeddings of the scripted server, and an embedder's errors when they fail."""

import base64
import functools
import struct
import traceback
from collections.abc import AsyncIterator

import openai
import pytest
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from memory.errors import Unavailable
from memory.index.embeddings import open_embedder
from tests.openai_server import ScriptedOpenAI, Status


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI() as server:
        yield server


def embedder(server: ScriptedOpenAI, dimensions: int | None = None) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        openai_api_base=server.url,
        openai_api_key=SecretStr("test"),
        model="scripted",
        dimensions=dimensions,
        check_embedding_ctx_length=False,
    )


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_texts_that_share_words_have_near_vectors(server: ScriptedOpenAI) -> None:
    texts = ["Lives in Austin", "She lives in Austin, Texas", "Prefers dark mode", "..."]
    vectors = await embedder(server).aembed_documents(texts)
    assert {len(vector) for vector in vectors} == {1536}
    assert [cosine(vector, vector) for vector in vectors] == pytest.approx([1.0] * 4, abs=1e-6)
    assert cosine(vectors[0], vectors[1]) > 0.7 > 0.1 > cosine(vectors[0], vectors[2])
    assert await embedder(server).aembed_query("Lives in Austin") == vectors[0]
    assert (server.calls("embedding"), server.calls()) == (2, 2)


async def test_vectors_have_the_dimensions_and_the_encoding_asked_for(server: ScriptedOpenAI) -> None:
    vector = await embedder(server, dimensions=64).aembed_query("Lives in Austin")
    assert len(vector) == 64
    assert server.requests[0].body["encoding_format"] == "base64"
    async with openai.AsyncOpenAI(base_url=server.url, api_key="test") as client:
        ask = functools.partial(client.embeddings.with_raw_response.create, model="scripted", dimensions=64)
        packed = (await ask(input="Lives in Austin", encoding_format="base64")).http_response.json()
        plain = (await ask(input="Lives in Austin", encoding_format="float")).http_response.json()
    assert struct.unpack("<64f", base64.b64decode(packed["data"][0]["embedding"])) == tuple(vector)
    assert plain["data"][0]["embedding"] == pytest.approx(vector, abs=1e-6)


async def test_an_embedding_can_fail_by_script_and_an_empty_text_always_fails(server: ScriptedOpenAI) -> None:
    server.embedding(Status(500, retry_after=0.01))
    assert len(await embedder(server).aembed_query("Lives in Austin")) == 1536
    assert server.calls("embedding") == 2
    with pytest.raises(openai.BadRequestError, match="not empty"):
        await embedder(server).aembed_documents(["Lives in Austin", ""])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Status(401, "Zanzibar"), "the model's server answered 401: it refused the key: check OPENAI_API_KEY."),
        (
            Status(404, "Zanzibar"),
            "the model's server answered 404: it does not know 'openai:x': check EMBEDDER and OPENAI_BASE_URL.",
        ),
        (Status(400, "Zanzibar"), "check OPENAI_API_KEY, and that 'openai:x' makes embeddings."),
    ],
    ids=["key", "model", "request"],
)
async def test_an_embedder_that_is_refused_says_what_to_check_and_quotes_no_answer(
    server: ScriptedOpenAI, answer: Status, sentence: str
) -> None:
    server.embedding(answer)
    with pytest.raises(Unavailable) as error:
        await open_embedder("openai:x", api_key="k", base_url=server.url).embed(["tea"])
    assert str(error.value).startswith("The embedder 'openai:x' failed: the model's server ")
    assert str(error.value).endswith(sentence)
    assert "Zanzibar" not in "".join(traceback.format_exception(error.value))
