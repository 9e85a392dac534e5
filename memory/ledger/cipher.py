"""Encryption of what facts say, with LANGGRAPH_AES_KEY: AES-GCM, which takes about a microsecond for a fact.

A row names the key that it is encrypted with by its id; one without a key is in the clear.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from memory.errors import BadInput, Unavailable
from memory.language.text import same_words

NONCE = 12  # bytes before the encrypted data
OVERHEAD = NONCE + 16  # bytes by which encrypted data is longer, with the tag at its end
KEY_ID = 8  # characters


class Cipher:
    """Encrypts with one key, or not at all. Everything is bound to its user: in another user's row it is refused."""

    def __init__(self, key: SecretStr | None = None, *old: SecretStr) -> None:
        """`old` are keys with which something may still be encrypted."""
        derived = [_derived(secret.get_secret_value().encode()) for secret in (key, *old) if secret]
        self._aes = {key_id: AESGCM(secret) for key_id, secret, _ in derived}
        self._macs = {key_id: mac for key_id, _, mac in derived}
        self.key_id = derived[0][0] if key else None  # of what is encrypted now
        self.key_ids = [*self._aes]  # of what can be decrypted

    def encrypt(self, owner: str, data: bytes) -> bytes:
        """The data of this user (`owner_key`), encrypted if there is a key."""
        if self.key_id is None:
            return data
        nonce = os.urandom(NONCE)
        return nonce + self._aes[self.key_id].encrypt(nonce, data, owner.encode())

    def decrypt(self, owner: str, key_id: str | None, data: bytes) -> bytes:
        """What was encrypted with the key of this id. Raises BadInput if that key is not here, and Unavailable if the
        data was damaged."""
        if key_id is None:
            return data
        if key_id not in self._aes:
            raise BadInput(wrong_key(self.key_id))
        try:
            return self._aes[key_id].decrypt(data[:NONCE], data[NONCE:], owner.encode())
        except InvalidTag as error:
            problem = "A fact cannot be decrypted, since its row was changed"
            raise Unavailable(f"{problem}: restore the database from a backup.") from error

    def digests(self, owner: str, text: str) -> list[str]:
        """The digests that texts of the same words have, of 32 hex digits: the one that is written now, then those of
        rows in the clear or with an old key. With a key, nobody else can compute it for a text that they guess."""
        words = " ".join(same_words(text)).encode()
        keyed = [hmac.digest(mac, owner.encode() + words, "sha256") for mac in self._macs.values()]
        plain = [hashlib.sha256(words).digest()]
        return [digest.hex()[:32] for digest in (keyed + plain if self.key_id else plain + keyed)]

    def seed(self, user_id: str) -> str:
        """What ids of facts are made from in place of the user id (see `fact_id`), and those of messages, with "". With
        a key, nobody else can compute them for a text that they guess."""
        return hmac.digest(self._macs[self.key_id], user_id.encode(), "sha256").hex() if self.key_id else user_id


def wrong_key(key_id: str | None) -> str:
    """The message for facts that are encrypted with a key that is not here; `key_id` is of the one that is."""
    now = "another one" if key_id else "empty"
    fix = "set the key that they were saved with, or name it in `python -m agent encrypt --old-key-from`."
    return f"Facts are encrypted with a key, and LANGGRAPH_AES_KEY is {now}: {fix}"


def _derived(key: bytes) -> tuple[str, bytes, bytes]:
    """A key's id, and the keys for encryption and for digests that are made from it."""
    key_id, secret, mac = (hmac.digest(key, purpose, "sha256") for purpose in (b"id", b"facts", b"digests"))
    return key_id.hex()[:KEY_ID], secret, mac
