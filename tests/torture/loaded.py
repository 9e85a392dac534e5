"""Loads what takes seconds to load, once, in the process that victims are forked from."""

import asyncio

import anyio._backends._asyncio  # noqa: F401
import chromadb.api.async_fastapi  # noqa: F401
import httpx
import langchain_openai  # noqa: F401
import langgraph.store.postgres.aio  # noqa: F401
import openai
import openai.resources.beta.beta

import agent.chat_models.openai_model  # noqa: F401
import tests.torture.victim  # noqa: F401
from memory.index.embeddings import open_embedder

# The first client imports what it connects with.
httpx.AsyncClient()
openai.AsyncOpenAI(api_key="none")
asyncio.run(open_embedder("local").warm_up())
