"""Users of a server with AUTH=jwt, as its clients, and tokens that it refuses."""

import hashlib
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from agent.server.tokens import LONGEST

SERVICE_KEY = "the key of a service"
SIGNED = {
    "AUTH": "jwt",
    "JWT_SECRET": "a secret of more than sixty-four characters, that only these tests and their servers know",
    "JWT_AUDIENCE": "tests, more tests",
    "JWT_ISSUER": "https://issuer.example",
    "API_KEYS": f"reports:{hashlib.sha256(SERVICE_KEY.encode()).hexdigest()}",
}
"""The settings of such a server."""


def token(secret: str = SIGNED["JWT_SECRET"], algorithm: str = "HS256", **claims: Any) -> str:
    """A token for an hour, with these claims in place of, or without those that are None of, valid ones."""
    now = int(time.time())
    valid = {"sub": "ana", "aud": "tests", "iss": SIGNED["JWT_ISSUER"], "iat": now, "exp": now + 3_600}
    given = {name: value for name, value in (valid | claims).items() if value is not None}
    return jwt.encode(given, secret, algorithm)


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **more: str) -> dict[str, Any]:
    """The public key, as an issuer publishes it."""
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    public: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return public | more


def client_of(url: str, user: str, **headers: str) -> LangGraphClient:
    """A client that is authenticated as this user."""
    return get_client(url=url, api_key=None, headers=bearer(user) | headers)


def bearer(user: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token(sub=user)}"}


def refused() -> dict[str, str]:
    """Names of what is wrong -> tokens."""
    now, valid = int(time.time()), token()
    head, body, signature = valid.split(".")
    return {
        "empty": "",
        "not a token": "not-a-token",
        "not ASCII": "пароль.é.🦊",
        "a million characters": "a" * 1_000_000,
        "too long": token(more="a" * LONGEST),
        "expired": token(exp=now - 60),
        "not valid yet": token(nbf=now + 600),
        "issued in the future": token(iat=now + 600),
        "another secret": token("another secret of more than 32 characters"),
        "no algorithm": token("", "none"),
        "another algorithm": token(algorithm="HS512"),
        "another audience": token(aud="others"),
        "no audience": token(aud=None),
        "another issuer": token(iss="https://other.example"),
        "no issuer": token(iss=None),
        "no end": token(exp=None),
        "no user": token(sub=None),
        "an empty user": token(sub=" "),
        "a user with a NUL": token(sub="a\x00b"),
        "another body": f"{head}.{body[:-4]}AAAA.{signature}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "deep JSON": "W1tb" * 2_000 + f".{body}.{signature}",
    }
