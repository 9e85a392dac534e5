"""The embeddings of the scripted server, and an embedder's errors when they fail."""

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


async def test_an_embedding_can_fail_by_script_and_an_empty_text_always_fails(server: ScriptedOpenAI) -> None:
    key = SecretStr("test")
    model = OpenAIEmbeddings(openai_api_base=server.url, openai_api_key=key, check_embedding_ctx_length=False)
    server.embedding(Status(500, retry_after=0.01))
    assert len(await model.aembed_query("Lives in Austin")) == 1536
    assert server.calls("embedding") == 2
    with pytest.raises(openai.BadRequestError, match="not empty"):
        await model.aembed_documents(["Lives in Austin", ""])


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
