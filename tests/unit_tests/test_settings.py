"""Settings: what .env.example promises, and errors that name the variable."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.models import open_model
from agent.settings import Settings, read_settings
from memory.embeddings import open_embedder
from memory.errors import BadInput
from memory.rank import PRESETS

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    read_settings.cache_clear()


def example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_env_example_names_every_variable_and_no_other() -> None:
    assert list(example()) == [name.upper() for name in Settings.model_fields]


def test_env_example_shows_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    assert read_settings() == Settings(_env_file=None)


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("EMBEDDER=openai:a\nCHAT_MODEL=openai:b\n")
    monkeypatch.setenv("EMBEDDER", "local")
    assert (read_settings().embedder, read_settings().chat_model) == ("local", "openai:b")


def test_a_wrong_value_is_named_with_its_variable_and_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKING", "best")
    monkeypatch.setenv("MEMORY_TOKENS", "-1")
    with pytest.raises(BadInput) as error:
        read_settings()
    assert "RANKING is 'best'" in str(error.value)
    assert "write 'default' or 'guide'" in str(error.value)
    assert "MEMORY_TOKENS is '-1'" in str(error.value)


def test_single_weights_of_the_ranking_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKING", "guide, recency=0.1, words = 0.3")
    assert read_settings().ranking == replace(PRESETS["guide"], recency=0.1, words=0.3)


@pytest.mark.parametrize("weight", ["speed=1", "recency", "recency=-1", "recency=nan", "recency=inf", "=", ""])
def test_a_wrong_weight_is_named(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKING", f"default,{weight}")
    with pytest.raises(BadInput, match=re.escape(f"{weight!r} is no weight: write one of similarity, words")):
        read_settings()


def test_a_key_brings_a_real_model_and_no_key_the_offline_one() -> None:
    assert Settings().chat_model_name == "offline"
    assert Settings(openai_api_key="k").chat_model_name.startswith("openai:")
    assert Settings(openai_api_key="k", chat_model="offline").chat_model_name == "offline"


@pytest.mark.parametrize("name", ["gpt-4", "openai:", "anthropic:claude", "", "Offline"])
def test_an_unknown_model_is_an_error_that_says_what_to_write(name: str) -> None:
    with pytest.raises(BadInput, match=r"write openai:<name>.*or offline"):
        open_model(name, Settings(openai_api_key="k"))


def test_an_openai_model_without_a_key_is_an_error_and_never_another_model() -> None:
    with pytest.raises(BadInput, match="set OPENAI_API_KEY"):
        open_model("openai:gpt-4.1-mini", Settings())
    with pytest.raises(BadInput, match="OPENAI_API_KEY is empty"):
        open_embedder("openai:text-embedding-3-small")


def test_an_unknown_embedder_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(BadInput, match="write local, or openai:<name>"):
        open_embedder("word2vec")


@pytest.mark.parametrize("size", [5, 15, 33])
def test_a_key_of_the_wrong_length_is_an_error_that_says_which_fit_and_never_shows_it(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    key = "q" * size
    monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    with pytest.raises(
        BadInput, match=f"LANGGRAPH_AES_KEY is secret: .*{size} bytes, and must have 16, 24 or 32"
    ) as error:
        read_settings()
    assert key not in str(error.value)


@pytest.mark.parametrize("key", ["k" * 16, "k" * 24, "ü" * 16])
def test_a_key_is_as_long_as_its_bytes(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    shown = read_settings().langgraph_aes_key
    assert shown
    assert shown.get_secret_value() == key
    assert key not in repr(read_settings())
