"""Text to vectors: the local model or OpenAI's, behind LangChain's `Embeddings`, with a cache for repeated texts."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memory.errors import BadInput, Unavailable, server_failure
from memory.facts.fact import Fact
from memory.index.breaker import Breaker
from memory.index.daemon import start_in_thread
from memory.index.protocol import Vectors, unit

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


TIMEOUT, TIMEOUT_PER_TEXT = 10.0, 0.3  # seconds until a model that is loaded is given up; a slow one may have retries
FEW = 64  # texts of a call that somebody waits for; those with more are not refused after failures, nor count as such
THREADS = 4  # calls at a time of a model that has no async method; one that hangs keeps its thread


class Embedder:
    """Texts to unit vectors, off the event loop, with an LRU cache. A model that hangs is not called for some time."""

    def __init__(self, name: str, load: "Callable[[], Embeddings]", *, cache_size: int = 4096) -> None:
        """`load` returns the model; it is called once, in a thread, when the first vector is asked for."""
        self.name, self._load, self._cache_size = name, load, cache_size
        self.dimension = 0  # that the model's vectors have to have, or 0 until its first answer
        self._loading: asyncio.Future[Embeddings] | None = None
        self._threads = asyncio.Semaphore(THREADS)
        self._breaker = Breaker(f"The embedder {name!r}")
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text: shape (len(texts), dimension). Raises Unavailable if the model returns none."""
        found = {text: self._cache[text] for text in texts if text in self._cache}
        if missing := [text for text in dict.fromkeys(texts) if text not in found]:
            try:
                with self._breaker.call() if len(missing) <= FEW else nullcontext():
                    rows = await self._rows(await self.warm_up(), missing)
                found |= zip(missing, self._checked(np.array(rows, np.float32)), strict=True)
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

    def _checked(self, rows: NDArray[np.float32]) -> Vectors:
        """The rows as unit vectors. Raises Unavailable if they have another dimension than those before."""
        dimension = rows.shape[1]
        if self.dimension not in (0, dimension):
            problem = f"now gives vectors of {dimension} dimensions, and the facts have {self.dimension}"
            raise Unavailable(f"The embedder {self.name!r} {problem}: run `python -m agent reindex`.")
        self.dimension = dimension
        return unit(rows)

    async def embed_facts(self, facts: Sequence[Fact]) -> Vectors:
        """One row per fact: the mean of its own vector and that of the fact with what was said just before it. Without
        the latter an answer such as "The second." is not found, and alone it drowns the answer's own words."""
        texts = [*(fact.searchable for fact in facts), *(fact.searchable_with_previous for fact in facts)]
        vectors = await self.embed(texts)
        return unit(vectors[: len(facts)] + vectors[len(facts) :])

    async def warm_up(self) -> "Embeddings":
        """The model, loaded if it is not yet. If the caller is cancelled, the load goes on for later callers."""
        if self._loading is None or (self._loading.done() and (self._loading.cancelled() or self._loading.exception())):
            self._loading = start_in_thread(self._load)
        return await asyncio.shield(self._loading)

    async def _rows(self, model: "Embeddings", texts: list[str]) -> list[list[float]]:
        """The model's vectors. Raises TimeoutError, and whatever the model raises."""
        from langchain_core.embeddings import Embeddings

        async with asyncio.timeout(TIMEOUT + TIMEOUT_PER_TEXT * len(texts)):
            if getattr(model.aembed_documents, "__func__", None) is not Embeddings.aembed_documents:
                return await model.aembed_documents(texts)
            await self._threads.acquire()
            call = start_in_thread(partial(model.embed_documents, texts))
            call.add_done_callback(lambda _: self._threads.release())
            return await asyncio.shield(call)


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
