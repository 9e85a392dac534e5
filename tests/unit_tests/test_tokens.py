"""Who a token or a key names, and which are refused."""

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_encode

from agent.server.tokens import PAUSE, REREAD, KeySet, Tokens, Unauthorized, service_of, text_headers
from agent.settings import Settings
from memory.errors import BadInput, Unavailable
from tests.users import SIGNED, jwk, refused, token

RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65_537, 2_048)


def tokens(**settings: Any) -> Tokens:
    return Tokens(Settings.model_validate({"jwt_secret": None, **settings}))


SECRET = tokens(**{name.lower(): value for name, value in SIGNED.items()})


def signed(key: Any, algorithm: str, key_id: str | None = None) -> str:
    headers = {"kid": key_id} if key_id else None
    return jwt.encode({"sub": "ana", "exp": int(time.time()) + 60}, key, algorithm, headers)


def as_secret(public: bytes) -> str:
    """A token that is signed with the public key as if it were a secret; PyJWT refuses to make one."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "1"}, {"sub": "ana", "exp": 2**31})]
    said = b".".join(base64url_encode(part) for part in parts)
    return (said + b"." + base64url_encode(hmac.digest(public, said, "sha256"))).decode()


def write(path: Path, *keys: dict[str, Any]) -> str:
    path.write_text(json.dumps({"keys": keys}))
    return str(path)


async def test_a_token_names_the_user_in_its_sub() -> None:
    for user in ("ana", "ü@x.com", "a b", "x" * 1_000):
        assert await SECRET.user(token(sub=user)) == user
    assert await SECRET.user(token(aud=["others", "more tests"])) == "ana"
    assert await SECRET.user(SECRET.sign("bob", 60)) == "bob"


@pytest.mark.parametrize("name", [*refused()])
async def test_a_wrong_token_is_refused_without_being_repeated(name: str) -> None:
    sent = refused()[name]
    with pytest.raises(Unauthorized) as error:
        await SECRET.user(sent)
    assert len(str(error.value)) < 100
    assert not sent or sent not in str(error.value)
    assert error.value.__cause__ is None


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.binary(max_size=100))
def test_any_text_is_refused(text: str, body: bytes) -> None:
    for sent in (text, base64url_encode(body).decode() + "." + text):
        with pytest.raises(Unauthorized):
            asyncio.run(SECRET.user(sent))


async def test_what_is_wrong_is_said_and_the_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    for claims, reason in (
        ({"exp": now - 60}, "expired"),
        ({"nbf": now + 60}, "not valid yet"),
        ({"aud": "others"}, "another audience"),
        ({"iss": "https://other.example"}, "another issuer"),
    ):
        with pytest.raises(Unauthorized, match=reason):
            await SECRET.user(token(**claims))
    assert await SECRET.user(token(exp=now - 5, nbf=now + 5)) == "ana"
    strict = tokens(**{name.lower(): value for name, value in SIGNED.items()}, jwt_leeway=0)
    with pytest.raises(Unauthorized, match="expired"):
        await strict.user(token(exp=now - 5))


async def test_keys_are_read_from_a_file_and_chosen_by_their_id(tmp_path: Path) -> None:
    place = write(tmp_path / "keys.json", jwk(RSA, kid="1"), jwk(EC, kid="2"))
    issuer = tokens(jwt_jwks=place)
    assert await issuer.user(signed(RSA, "RS256", "1")) == "ana"
    assert await issuer.user(signed(EC, "ES256", "2")) == "ana"
    one = tokens(jwt_jwks=write(tmp_path / "one.json", jwk(RSA)))
    assert await one.user(signed(RSA, "RS256")) == "ana"
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        signed(OTHER, "RS256", "1"),
        signed(RSA, "RS256", "2"),
        signed(RSA, "RS256", "3"),
        signed(RSA, "RS256"),
        signed(OTHER, "RS256"),
        as_secret(public),
        jwt.encode({"sub": "ana"}, "", "none", {"kid": "1"}),
        signed(RSA, "RS512", "1"),
    ]
    for sent in forged:
        with pytest.raises(Unauthorized):
            await issuer.user(sent)
    with pytest.raises(BadInput, match="issuer of JWT_JWKS"):
        issuer.sign("ana", 60)


async def test_keys_are_kept_and_read_again_when_it_is_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now, place = [0.0], tmp_path / "keys.json"
    keys = KeySet(write(place, jwk(RSA, kid="1")), clock=lambda: now[0])
    assert (await keys.key("1")).key_id == "1"
    write(place, jwk(RSA, kid="1"), jwk(EC, kid="2"))
    with pytest.raises(Unauthorized):
        await keys.key("2")
    now[0] += PAUSE
    assert (await keys.key("2")).key_id == "2"  # rotated: an unknown id is looked for, but not each time
    place.unlink()
    now[0] += REREAD
    assert (await keys.key("1")).key_id == "1"  # an issuer that is down for a while
    [warning] = caplog.messages
    assert warning.startswith("the keys of JWT_JWKS cannot be read cause=FileNotFoundError")
    write(place, jwk(EC, kid="2"))
    now[0] += REREAD
    with pytest.raises(Unauthorized):
        await keys.key("1")


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "x"}]}', "\x00"])
async def test_without_any_key_the_server_is_unavailable(tmp_path: Path, text: str | None) -> None:
    place = tmp_path / "keys.json"
    if text is not None:
        place.write_text(text)
    with pytest.raises(Unavailable, match="try again later"):
        await KeySet(str(place)).key("1")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "JWT_SECRET or JWT_JWKS"),
        ({"jwt_secret": "x" * 32, "jwt_jwks": "keys.json"}, "one of the two"),
        ({"jwt_secret": "x" * 32, "jwt_algorithms": "HS256, RS256"}, "JWT_ALGORITHMS has RS256: JWT_SECRET is for HS"),
        ({"jwt_jwks": "keys.json", "jwt_algorithms": "HS256"}, "JWT_ALGORITHMS has HS256: JWT_JWKS is for the others"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        tokens(**settings)


def test_a_service_has_a_key_of_which_only_the_hash_is_known() -> None:
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in (("reports", "one"), ("billing", "zwö"))}
    api_keys = tuple(f"{name}:{digest}" for name, digest in hashes.items())
    assert (service_of("one", api_keys), service_of("zwö", api_keys)) == ("reports", "billing")
    for wrong in ("", "two", "reports", hashes["reports"], api_keys[0], "one "):
        with pytest.raises(Unauthorized, match="unknown"):
            service_of(wrong, api_keys)


def test_headers_are_read_as_bytes_and_as_text() -> None:
    assert text_headers({b"Authorization": b"\xff\xc3\xa9"}) == {"authorization": "ÿÃ©"}
    assert text_headers({"X-API-Key": "a"}) == {"x-api-key": "a"}
