"""Settings: what .env.example promises, and errors that name the variable."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.providers import EXAMPLES
from agent.settings import PROJECT, Settings, read_settings
from memory.errors import BadInput
from memory.index.embeddings import open_embedder
from memory.recall.rank import PRESETS

Problems = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> Problems:
    """The lines of the error for these variables, except the last, which says where to set them."""

    def read(**variables: str) -> list[str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(BadInput) as error:
            read_settings()
        *wrong, advice = str(error.value).splitlines()
        assert advice == "Set it in .env or the environment; .env.example explains each."
        assert error.value.__cause__ is None  # a traceback would show the values
        return wrong

    return read


def test_every_wrong_value_is_listed_with_its_variable_and_what_it_takes(problems: Problems) -> None:
    assert problems(
        RANKING="best",
        MEMORY_TOKENS="-1",
        MODEL_TIMEOUT="soon",
        EXTRACT_EVERY="2.5",
        LOG_LEVEL="loud",
        EMBEDDER="word2vec",
        CHROMA_URL="localhost:8000",
        OPENAI_BASE_URL="localhost",
        CHAT_MODEL="gpt-4",
    ) == [
        "OPENAI_BASE_URL is 'localhost': write an address such as http://127.0.0.1:8000/v1.",
        f"CHAT_MODEL is 'gpt-4': the model names no provider: {EXAMPLES}.",
        "MODEL_TIMEOUT is 'soon': must be a number.",
        "EXTRACT_EVERY is '2.5': must be a whole number.",
        "EMBEDDER is 'word2vec': write local, or openai:<name> such as openai:text-embedding-3-small.",
        "CHROMA_URL is 'localhost:8000': write http://host:8000 or https://host, and nothing after it.",
        "RANKING is 'best': write 'default' or 'simple'; single weights can follow, as in 'simple, recency=0.1'.",
        "MEMORY_TOKENS is '-1': must be at least 0.",
        "LOG_LEVEL is 'loud': must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'.",
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "1e308", "1" + "0" * 20, "9" * 5_000])
@pytest.mark.parametrize("name", ["MODEL_TIMEOUT", "EMBEDDED_IDLE_TIMEOUT", "EXTRACT_AFTER", "MEMORY_TOKENS"])
def test_an_absurd_number_is_refused_in_plain_words(problems: Problems, name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name} is ")
    assert ": must be " in problem or ": is too large" in problem


def test_a_data_directory_in_an_unknown_home_is_refused(problems: Problems) -> None:
    assert problems(DATA_DIR="~nobodyhere/x") == [
        "DATA_DIR is '~nobodyhere/x': the home directory ~nobodyhere does not exist: write the path in full."
    ]


@pytest.mark.parametrize(
    "url",
    ["what?", "postgresql+psycopg://u:sesame@h/x", "postgresql://u:ses@me@h/x", "postgresql://u:ses/me@h/x"],
)
def test_an_invalid_postgres_url_is_refused_and_not_shown(problems: Problems, url: str) -> None:
    (problem,) = problems(POSTGRES_URL=url)
    assert problem.startswith("POSTGRES_URL: it is no Postgres connection string: write postgresql://user:password@")
    assert "ses" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "what?",
        "http://h:6379",
        "redis://:ses/me@h:6379",
        "redis://:sesame@h:0",
        "redis://:ses@h:port",
        "redis://h?x=ses",
    ],
)
def test_an_invalid_redis_url_is_refused_and_not_shown(problems: Problems, url: str) -> None:
    form = "write redis://user:password@host:6379, or rediss:// for TLS, with %40 for an @ in the password"
    assert problems(INDEX="redis", REDIS_URL=url) == [f"REDIS_URL: {form}."]


def test_another_database_of_redis_is_refused(problems: Problems) -> None:
    (problem,) = problems(INDEX="redis", REDIS_URL="redis://:sesame@h:6379/1")
    assert problem == "REDIS_URL: Redis searches only its database 0: write nothing after the port."


@pytest.mark.parametrize("index", ["chroma", "pgvector"])
def test_aegras_queue_may_use_any_database_of_redis(monkeypatch: pytest.MonkeyPatch, index: str) -> None:
    monkeypatch.setenv("INDEX", index)
    monkeypatch.setenv("REDIS_URL", "rediss://h:6379/1?ssl_cert_reqs=none")
    assert read_settings().index == index


@pytest.mark.parametrize("port", ["0", "65536", "99999", "5432,k:99999", "9" * 5_000])
def test_an_invalid_port_is_refused(problems: Problems, port: str) -> None:
    (problem,) = problems(POSTGRES_URL=f"postgresql://u:sesame@h:{port}/x")
    assert problem.startswith("POSTGRES_URL: its port is not from 1 to 65535: write postgresql://")


def test_a_mistyped_parameter_of_the_postgres_url_is_named(problems: Problems) -> None:
    assert problems(POSTGRES_URL="postgresql://u:sesame@h/x?sslmod=require") == [
        'POSTGRES_URL: invalid URI query parameter: "sslmod".'
    ]
    assert problems(POSTGRES_URL="host=h sslmod=require") == ['POSTGRES_URL: invalid connection option "sslmod".']


@pytest.mark.parametrize("url", ["postgresql://u:a/b?sesame=d@h/x", "host=h password=a sesame=d"])
def test_a_piece_of_a_password_is_not_shown_as_a_parameter(problems: Problems, url: str) -> None:
    assert "sesame" not in problems(POSTGRES_URL=url)[0]


@pytest.mark.parametrize("url", ["postgresql://u:p%40ss@h:5432/x", "host=h dbname=x", "postgresql:///x?host=/a@b"])
def test_every_form_of_a_postgres_url_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POSTGRES_URL", url)
    assert read_settings().postgres_url == url


@pytest.mark.parametrize("url", ["http://u:p@h:8000", "http://h:8000/api", "http://h:port", "ftp://h", "http://"])
def test_an_invalid_chroma_url_is_refused(problems: Problems, url: str) -> None:
    (problem,) = problems(CHROMA_URL=url)
    assert "write http://host:8000 or https://host" in problem
    assert "u:p" not in problem


def test_choices_are_accepted_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOG_LEVEL": "info", "EXTRACT": "Batched", "STRUCTURED_OUTPUT": " JSON_Mode"}.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.log_level, settings.extract, settings.structured_output) == ("INFO", "batched", "json_mode")


def test_single_weights_of_the_ranking_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKING", "simple, recency=0.1, words = 0.3")
    assert read_settings().ranking == replace(PRESETS["simple"], recency=0.1, words=0.3)


@pytest.mark.parametrize("weight", ["speed=1", "recency", "recency=-1", "recency=nan", "recency=inf", "=", ""])
def test_a_wrong_weight_is_named(weight: str, problems: Problems) -> None:
    (problem,) = problems(RANKING=f"default,{weight}")
    assert f"{weight!r} is no weight: write one of similarity, words" in problem


def test_with_a_key_the_default_is_a_model_of_openai() -> None:
    assert Settings(openai_api_key="k").chat_model_name.startswith("openai:")
    assert Settings(openai_api_key="k", chat_model="openai:x").chat_model_name == "openai:x"


def test_an_openai_embedder_without_a_key_is_an_error(problems: Problems) -> None:
    (problem,) = problems(EMBEDDER="openai:text-embedding-3-small")
    assert "it needs a key: set OPENAI_API_KEY" in problem
    with pytest.raises(BadInput, match="it needs a key: set OPENAI_API_KEY"):
        open_embedder("openai:text-embedding-3-small")


def test_an_unknown_embedder_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(BadInput, match="write local, or openai:<name>"):
        open_embedder("word2vec")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("AUTH", "yes", "AUTH is 'yes': must be '', 'none', 'jwt' or 'api_key'."),
        ("JWT_SECRET", "q" * 31, "JWT_SECRET: it has 31 bytes, and must have at least 32: `openssl rand -hex 32`"),
        ("JWT_JWKS", "ftp://x/y", "JWT_JWKS is 'ftp://x/y': write the path of a file, or an address such as https:"),
        ("JWT_ALGORITHMS", "HS256, none", "'none' is none of HS256, HS384,"),
        ("JWT_LEEWAY", "601", "JWT_LEEWAY is '601': must be at most 600."),
        ("API_KEYS", "reports:" + "q" * 64, "API_KEYS: write name:hash for each key"),
        ("API_KEYS", "q" * 64, "API_KEYS: write name:hash for each key"),
        ("STUDIO", "on", "STUDIO is 'on': must be 'allow' or 'refuse'."),
        ("WEB_ORIGINS", "*", "'*' is no origin: write one such as https://app.example.com"),
        ("WEB_ORIGINS", "https://a.example, https://b.example/", "'https://b.example/' is no origin"),
        ("WEB_ORIGINS", "https://A.example", "'https://A.example' is no origin"),
    ],
)
def test_a_wrong_setting_of_a_server_is_explained(problems: Problems, name: str, value: str, problem: str) -> None:
    [found] = problems(**{name: value})
    assert problem in found


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_ORIGINS", " https://a.example ,http://localhost:3000, ")
    monkeypatch.setenv("JWT_AUDIENCE", "a")
    assert read_settings().web_origins == ("https://a.example", "http://localhost:3000")
    assert read_settings().jwt_audience == ("a",)


@pytest.mark.parametrize("size", [5, 15, 33])
def test_a_key_of_the_wrong_length_is_refused_and_never_shown(problems: Problems, size: int) -> None:
    assert problems(LANGGRAPH_AES_KEY="q" * size) == [
        f"LANGGRAPH_AES_KEY: it has {size} bytes, and must have 16, 24 or 32: `openssl rand -hex 16` makes one."
    ]


@pytest.mark.parametrize("key", ["k" * 16, "k" * 24, "ü" * 16])
def test_the_length_of_a_key_is_counted_in_bytes(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    shown = read_settings().langgraph_aes_key
    assert shown
    assert shown.get_secret_value() == key
    assert key not in repr(read_settings())


def test_a_data_directory_is_relative_to_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().data_dir == PROJECT / ".data"
    assert Settings(data_dir=Path("memories")).data_dir == PROJECT / "memories"
    assert Settings(data_dir=tmp_path).data_dir == tmp_path
    assert Settings(data_dir=Path("~/memories")).data_dir == Path.home() / "memories"
