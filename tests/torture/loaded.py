"""Loads what takes seconds to load, once, in the process that victims are forked from."""

import asyncio

import langchain_openai  # noqa: F401
import openai.resources.beta.beta  # noqa: F401

import tests.torture.victim  # noqa: F401
from memory.index.embeddings import open_embedder

asyncio.run(open_embedder("local").warm_up())
