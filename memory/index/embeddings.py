"""Text to vectors: the local model or OpenAI's, behind LangChain's `Embeddings`, with a cache for repeated texts."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memory.errors import BadInput, Unavailable, server_failure
from memory.facts.fact import Fact
from memory.index.protocol import Vectors, unit

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


class Embedder:
    """Texts to unit vectors, off the event loop, with an LRU cache."""

    def __init__(self, name: str, load: "Callable[[], Embeddings]", *, cache_size: int = 4096) -> None:
        """`load` returns the model; it is called once, in a thread, when the first vector is asked for."""
        self.name, self._load, self._cache_size = name, load, cache_size
        self._loading = asyncio.Lock()
        self._model: Embeddings | None = None
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text: shape (len(texts), dimension). Raises Unavailable if the model returns none."""
        found = {text: self._cache[text] for text in texts if text in self._cache}
        if missing := [text for text in dict.fromkeys(texts) if text not in found]:
            try:
                rows = await (await self.warm_up()).aembed_documents(missing)
                found |= zip(missing, unit(np.array(rows, np.float32)), strict=True)
            except Unavailable:
                raise
            except Exception as error:  # every provider has its own errors; the caller needs only one
                # Without its cause: a server logs the whole traceback, and a provider's error quotes what was sent.
                of_openai = {"key": "OPENAI_API_KEY", "address": "OPENAI_BASE_URL", "ability": "makes embeddings"}
                failure = server_failure(error, name=self.name, setting="EMBEDDER", **of_openai)
                if not failure or not self.name.startswith("openai:"):
                    failure = f"it gave no vectors ({type(error).__name__})."
                raise Unavailable(f"The embedder {self.name!r} failed: {failure}") from None
        for text in texts:
            self._cache[text] = found[text]
            self._cache.move_to_end(text)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, 0), np.float32)

    async def embed_facts(self, facts: Sequence[Fact]) -> Vectors:
        """One row per fact: the mean of its own vector and that of the fact with what was said just before it. Without
        the latter an answer such as "The second." is not found, and alone it drowns the answer's own words."""
        texts = [*(fact.searchable for fact in facts), *(fact.searchable_with_previous for fact in facts)]
        vectors = await self.embed(texts)
        return unit(vectors[: len(facts)] + vectors[len(facts) :])

    async def warm_up(self) -> "Embeddings":
        """The model, loaded if it is not yet."""
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(self._load)
            return self._model


def embedder_problem(name: str, *, has_key: bool) -> str | None:
    """What is wrong with an embedder's name, or None."""
    if name != "local" and not re.match("openai:.", name):
        return "write local, or openai:<name> such as openai:text-embedding-3-small"
    return None if has_key or name == "local" else "it needs a key: set OPENAI_API_KEY, or EMBEDDER=local"


def open_embedder(
    name: str, *, api_key: str | None = None, base_url: str | None = None, timeout: float = 60
) -> Embedder:
    """ "local" or "openai:<name>" to an embedder. Raises BadInput for another name, or for openai without a key."""
    if problem := embedder_problem(name, has_key=bool(api_key)):
        raise BadInput(f"EMBEDDER is {name!r}: {problem}.")
    if name == "local":
        return Embedder(name, _load_local)

    def load() -> "Embeddings":
        from langchain_openai import OpenAIEmbeddings
        from pydantic import SecretStr

        return OpenAIEmbeddings(
            model=name.removeprefix("openai:"),
            openai_api_key=SecretStr(api_key or ""),
            openai_api_base=base_url,
            check_embedding_ctx_length=False,  # otherwise it downloads a tokenizer
            request_timeout=timeout,
        )

    return Embedder(name, load)


@cache
def _load_local() -> "Embeddings":
    from memory.index.local_model import LocalEmbeddings

    return LocalEmbeddings()
