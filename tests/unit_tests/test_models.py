"""Chat models by name, of any provider, with errors that name the provider's package and variables."""

import re
import sys
from typing import Any, cast

import httpx
import httpx2  # the HTTP client of the openai package
import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIAuthenticationError, OpenAITimeoutError
from openai import APIError
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from agent.chat_models.ask import expected_to_begin_thinking
from agent.chat_models.by_name import open_model
from agent.chat_models.openai_model import OpenAIChatModel
from agent.providers import EXAMPLES, PROVIDERS, Provider, model_failure, model_problem
from agent.settings import Settings
from agent.terminal.chat import turn_failure
from memory.errors import BadInput, Unavailable, code_of

REQUEST = httpx.Request("POST", "http://127.0.0.1/v1")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, *(key for provider in PROVIDERS.values() for key in provider.keys)):
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose package is not installed, and one whose package is."""
    monkeypatch.setitem(PROVIDERS, "nowhere", Provider("langchain-nowhere", ("NOWHERE_API_KEY",)))
    monkeypatch.setitem(PROVIDERS, "installed", Provider("langchain-core", ("FIRST_KEY", "SECOND_KEY"), "SOME_HOST"))
    monkeypatch.setitem(PROVIDERS, "keyless", Provider("langchain-core", address="SOME_HOST"))


def test_an_openai_model_opens_with_our_address_timeout_and_retries() -> None:
    settings = Settings(openai_api_key=SecretStr("k"), openai_base_url="http://127.0.0.1:9/v1", model_timeout=7.5)
    for name in ("openai:gpt-4.1-mini", "OpenAI: gpt-4.1-mini"):
        model = cast(ChatOpenAI, open_model(name, settings))
        assert (model.model_name, model.openai_api_base, model.request_timeout) == (
            "gpt-4.1-mini", "http://127.0.0.1:9/v1", 7.5,
        )  # fmt: skip
        assert (model.max_retries, model.use_responses_api) == (2, False)
        assert model.stream_chunk_timeout == 7.5  # signs of life without a token do not count


@pytest.mark.parametrize(
    ("name", "address", "begins"),
    [
        ("gpt-4.1-mini", None, False),
        ("gpt-4.1-mini", "https://api.openai.com/v1", False),
        ("gpt-4.1-mini", "http://127.0.0.1:9/v1", None),
        ("qwen3-thinking", None, True),
    ],
)
def test_a_reply_may_begin_with_thinking_on_a_server_of_ones_own(
    name: str, address: str | None, begins: bool | None
) -> None:
    settings = Settings(openai_api_key=SecretStr("k"), openai_base_url=address)
    assert expected_to_begin_thinking(open_model(f"openai:{name}", settings)) is begins


@pytest.mark.parametrize("name", ["gpt-4", "openai:", ":gpt-4", "", "Offline"])
def test_a_name_without_a_provider_is_an_error_with_examples(name: str) -> None:
    with pytest.raises(BadInput, match=re.escape(f"names no provider: {EXAMPLES}.")):
        open_model(name, Settings(openai_api_key=SecretStr("k")))


def test_an_unknown_provider_is_an_error_with_examples() -> None:
    with pytest.raises(BadInput, match=re.escape(f"'foo:bar' names an unknown provider, 'foo': {EXAMPLES}.")):
        open_model("foo:bar", Settings())


def test_a_missing_package_is_named_with_the_command_that_adds_it(nowhere: None) -> None:
    needs = "The model 'nowhere:x' needs a package that is not installed: `make add PACKAGE=langchain-nowhere` adds it."
    with pytest.raises(BadInput) as error:
        open_model("nowhere:x", Settings())
    assert str(error.value) == needs


def test_a_missing_package_of_a_provider_that_only_langchain_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_baseten", None)
    problem = model_problem("baseten:x", openai_key=False)
    assert problem == "needs a package that is not installed: `make add PACKAGE=langchain-baseten` adds it"


def test_a_missing_key_names_that_providers_variable(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"'installed:x' needs a key: set FIRST_KEY in \.env or the environment"):
        open_model("installed:x", Settings(openai_api_key=SecretStr("k")))
    with pytest.raises(BadInput, match="'openai:x' needs a key: set OPENAI_API_KEY"):
        open_model("openai:x", Settings())
    monkeypatch.setenv("SECOND_KEY", "k")
    assert model_problem("installed:x", openai_key=False) is None
    assert model_problem("keyless:x", openai_key=False) is None


def test_an_address_that_a_providers_package_ignores_is_refused(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROVIDERS["google_genai"].unread == "GOOGLE_GEMINI_BASE_URL"
    monkeypatch.setitem(PROVIDERS, "deaf", Provider("langchain-core", unread="DEAF_URL"))
    assert model_problem("deaf:x", openai_key=False) is None
    monkeypatch.setenv("DEAF_URL", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match="cannot use the address in DEAF_URL: langchain-core ignores it, leave it out"):
        open_model("deaf:x", Settings())


@pytest.mark.parametrize("name", ["x" * 3_000, f"{'x' * 3_000}:y", f"openai:{'x' * 3_000}"], ids=["bare", "p", "m"])
def test_a_long_name_is_shortened_in_errors(name: str) -> None:
    with pytest.raises(BadInput) as error:
        open_model(name, Settings())
    assert len(str(error.value)) < 400
    assert len(model_failure(status_error(404), name, "CHAT_MODEL") or "") < 200


@pytest.mark.parametrize("rest", ["", "\nMore.", "x" * 3_000], ids=["short", "two lines", "long"])
def test_a_packages_own_error_is_one_short_line_that_ends_with_one_dot(
    monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"No region: see the guide for more information.{rest}")

    monkeypatch.setattr("langchain.chat_models.init_chat_model", refuse)
    with pytest.raises(BadInput) as error:
        open_model("bedrock:x", Settings())
    message = str(error.value)
    assert message.startswith("The model 'bedrock:x' cannot be opened: RuntimeError: No region: see the guide")
    assert (message[-1], message[-2].isalpha(), len(message) < 400) == (".", True, True)


def status_error(status: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("secret words", request=REQUEST, response=httpx.Response(status, request=REQUEST))


class ResponseError(Exception):
    """Like the exception of the ollama package."""

    def __init__(self, status_code: int) -> None:
        super().__init__("secret words")
        self.status_code = status_code


class ClientError(Exception):
    """Like the exception of the google-genai package."""

    def __init__(self, code: int) -> None:
        super().__init__("secret words")
        self.code = code


OPENAI_REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")
UNAUTHORIZED = httpx2.Response(401, request=OPENAI_REQUEST)


@pytest.mark.parametrize(
    ("error", "name", "sentence"),
    [
        (
            OpenAIAuthenticationError("secret words", response=UNAUTHORIZED, body=None),
            "openai:x",
            "refused the key: check OPENAI_API_KEY.",
        ),
        (status_error(401), "mistralai:x", "refused the key: check MISTRAL_API_KEY."),
        (status_error(403), "anthropic:x", "refused the key: check ANTHROPIC_API_KEY."),
        (status_error(401), "cohere:x", "refused the key: check the key of cohere."),
        (ResponseError(401), "ollama:x", "refused access: check OLLAMA_HOST."),
        (ResponseError(400), "ollama:x", "check OLLAMA_HOST, and that 'ollama:x' is a chat model."),
        (ResponseError(404), "ollama:x", "does not know 'ollama:x': check EXTRACTION_MODEL and OLLAMA_HOST."),
        (ResponseError(404), "cohere:x", "does not know 'cohere:x': check EXTRACTION_MODEL."),
        (ClientError(429), "google_genai:x", "is asked too often"),
        (ClientError(503), "google_genai:x", "has an internal error"),
        (status_error(400), "google_genai:x", "does not accept the request: check GOOGLE_API_KEY, and that 'google_"),
        (OpenAITimeoutError(OPENAI_REQUEST), "openai:x", "did not answer in time (MODEL_TIMEOUT)"),
        (httpx.ReadTimeout("secret words"), "ollama:x", "did not answer in time (MODEL_TIMEOUT)"),
        (openai.APIConnectionError(request=OPENAI_REQUEST), "openai:x", "cannot be reached: check OPENAI_BASE_URL"),
        (httpx.ConnectError("secret words"), "google_genai:x", "cannot be reached: check the network."),
        (httpx.ConnectError("secret words"), "mistralai:x", "cannot be reached: check MISTRAL_BASE_URL"),
        (ConnectionError("secret words"), "ollama:x", "cannot be reached: check OLLAMA_HOST"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_failure_of_a_models_server_names_that_providers_variables(
    error: Exception, name: str, sentence: str
) -> None:
    message = model_failure(error, name, "EXTRACTION_MODEL")
    assert message
    assert sentence in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "insufficient_quota", "type": "x"}, "insufficient_quota"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "secret words"}}, "overloaded_error"),
        ({"code": "the secret words", "type": "invalid_request_error"}, ""),
        ({"code": "x" * 61}, ""),
        ({"code": 404}, ""),
        ("secret", ""),
        (None, ""),
    ],
)
def test_only_a_short_identifier_is_taken_for_a_providers_code(body: object, code: str) -> None:
    error = openai.APIStatusError("secret words", response=UNAUTHORIZED, body=body)
    assert code_of(error) == code
    answered = f"the model's server answered 401{f' ({code})' if code else ''}: it refused the key"
    message = model_failure(error, "openai:x", "CHAT_MODEL") or ""
    assert message.startswith(answered) or code == "insufficient_quota"
    assert "secret" not in message


def test_an_error_that_is_not_from_a_model_has_no_explanation() -> None:
    assert model_failure(ValueError("secret words"), "openai:x", "CHAT_MODEL") is None


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionRefusedError(), httpx.ConnectError("secret words")])
def test_other_errors_of_a_turn_are_not_reported_as_model_errors(error: Exception) -> None:
    shown = turn_failure(error)
    assert type(error).__name__ in shown
    assert "model" not in shown


def test_the_server_shows_clients_why_a_part_is_unavailable() -> None:
    assert issubclass(Unavailable, RuntimeError)  # it hides the texts of most other errors


def result_of(**answer: Any) -> ChatResult:
    model = OpenAIChatModel(model="x", api_key=SecretStr("k"))
    return model._create_chat_result(ChatCompletion.construct(**answer))


@pytest.mark.parametrize(("error", "code"), [({"message": "secret words", "code": 502}, " (502)"), (None, "")])
def test_an_answer_without_a_reply_is_an_error_of_the_server(error: dict[str, object] | None, code: str) -> None:
    with pytest.raises(APIError) as raised:
        result_of(choices=None, error=error)
    said = f"the model's server ended the reply with an error{code}: ask again, or check OPENAI_BASE_URL."
    assert model_failure(raised.value, "openai:x", "CHAT_MODEL") == said


def test_a_message_without_a_role_is_the_assistants() -> None:
    result = result_of(choices=[{"index": 0, "finish_reason": "stop", "message": {"content": "Hello."}}])
    assert isinstance(result.generations[0].message, AIMessage)
