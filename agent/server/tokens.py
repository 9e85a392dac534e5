"""Who a request comes from: a user, by a JSON Web Token, or a service, by an API key."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import jwt

from agent.settings import PROJECT, Settings
from memory.errors import BadInput, Unavailable, cause_of
from memory.facts.fact import check_user_id

log = logging.getLogger(__name__)

LONGEST = 8_192  # characters of a token
REREAD = 300  # seconds after which the keys of an issuer are read again
PAUSE = 10  # seconds between two readings, whatever key ids tokens name
ANSWER = 5  # seconds that reading the keys may take
WRONG: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is from another issuer",
}


class Unauthorized(Exception):
    """The request does not say who it comes from. The text says why, and repeats nothing that was sent."""


class KeySet:
    """The public keys of an issuer, from a file or an address. They are kept, and read again from time to time."""

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._keys: list[jwt.PyJWK] = []
        self._read_at = clock() - REREAD
        self._reading = asyncio.Lock()

    async def key(self, key_id: object) -> jwt.PyJWK:
        """The key with this id; without an id, the only one. Raises Unauthorized, or Unavailable if there are none."""
        age = self._clock() - self._read_at
        if age >= REREAD or (age >= PAUSE and self._find(key_id) is None):
            await self._read(self._read_at)
        if not self._keys:
            raise Unavailable("The keys that sign tokens cannot be read: try again later.")
        if key := self._find(key_id):
            return key
        raise Unauthorized("The token is refused: it is signed with an unknown key.")

    def _find(self, key_id: object) -> jwt.PyJWK | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    async def _read(self, read_at: float) -> None:
        """Read the keys, unless another request has done so since. If that fails, the ones before stay."""
        async with self._reading:
            if self._read_at != read_at:
                return
            try:
                self._keys = jwt.PyJWKSet.from_json(await self._text()).keys
            except Exception as error:  # an answer may be anything
                log.warning("the keys of JWT_JWKS cannot be read cause=%s", cause_of(error))
            self._read_at = self._clock()

    async def _text(self) -> str:
        if "://" not in self._place:
            return await asyncio.to_thread(_read_file, self._place)
        async with asyncio.timeout(ANSWER), httpx.AsyncClient() as client:
            return (await client.get(self._place)).raise_for_status().text


class Tokens:
    """The tokens that users send."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadInput if the settings do not say how tokens are signed."""
        secret, keys = settings.jwt_secret, settings.jwt_jwks
        if bool(secret) == bool(keys):
            raise BadInput("AUTH=jwt needs JWT_SECRET or JWT_JWKS, one of the two: .env.example explains them.")
        self.algorithms = settings.jwt_algorithms or (("HS256",) if secret else ("RS256", "ES256"))
        if wrong := [name for name in self.algorithms if name.startswith("HS") != bool(secret)]:
            others = "HS256, HS384 and HS512" if secret else "the others"
            raise BadInput(f"JWT_ALGORITHMS has {wrong[0]}: {'JWT_SECRET' if secret else 'JWT_JWKS'} is for {others}.")
        self._secret = secret.get_secret_value() if secret else ""
        self._keys = KeySet(keys) if keys else None
        self._audience, self._issuer = settings.jwt_audience or None, settings.jwt_issuer or None
        self._leeway = settings.jwt_leeway

    async def user(self, token: str) -> str:
        """The user in the token's `sub`. Raises Unauthorized, or Unavailable if the issuer's keys cannot be read."""
        if len(token) > LONGEST:
            raise Unauthorized(f"The token is refused: it has more than {LONGEST:,} characters.")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self.algorithms:
                raise jwt.InvalidAlgorithmError
            key = await self._keys.key(header.get("kid")) if self._keys else self._secret
            claims = jwt.decode(
                token,
                key,
                algorithms=self.algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "sub"]},
            )
            return check_user_id(claims["sub"])
        except jwt.PyJWTError as error:
            raise Unauthorized(f"The token is refused: {WRONG.get(type(error), 'it cannot be verified')}.") from None
        except (ValueError, RecursionError):  # also a BadInput: what is signed may still be no user id
            raise Unauthorized("The token is refused: it cannot be read.") from None

    def sign(self, user_id: str, seconds: int) -> str:
        """A token for tests and first steps. Raises BadInput without JWT_SECRET, or for an invalid user id."""
        if not self._secret:
            raise BadInput("Tokens come from the issuer of JWT_JWKS. To sign some here, set JWT_SECRET in its place.")
        now = int(time.time())
        claims: dict[str, object] = {"sub": check_user_id(user_id), "iat": now, "exp": now + seconds}
        claims |= {"aud": self._audience[0]} if self._audience else {}
        claims |= {"iss": self._issuer} if self._issuer else {}
        return jwt.encode(claims, self._secret, self.algorithms[0])


def _read_file(path: str) -> str:
    """A relative path is relative to the project folder."""
    return (PROJECT / Path(path).expanduser()).read_text()


def service_of(key: str, api_keys: tuple[str, ...]) -> str:
    """The service whose key this is, in a time that does not depend on how much of it is right. Raises Unauthorized."""
    found, digest = "", hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    for entry in api_keys:
        name, _, expected = entry.partition(":")
        if hmac.compare_digest(digest, expected):
            found = name
    if not found:
        raise Unauthorized("The API key is refused: it is unknown.")
    return found


def text_headers(headers: Mapping[bytes, bytes] | Mapping[str, str]) -> dict[str, str]:
    """The headers as text, with names in lower case. LangGraph's server gives bytes, Aegra gives text."""
    return {_text(name).lower(): _text(value) for name, value in headers.items()}


def _text(part: bytes | str) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else part
