"""Encryption: what a key protects, and what is said if it is the wrong one."""

import pytest
from pydantic import SecretStr

from memory.errors import BadInput, Unavailable
from memory.extraction.utterances import utterances_of
from memory.ledger.cipher import OVERHEAD, Cipher
from tests.facts import NOON

KEY, OTHER = SecretStr("0123456789abcdef0123456789abcdef"), SecretStr("fedcba9876543210")
KEYED, PLAIN = Cipher(KEY), Cipher()
DATA = b"Lives in Austin"


def test_what_is_encrypted_is_read_with_the_key() -> None:
    encrypted = KEYED.encrypt("ada", DATA)
    assert DATA not in encrypted
    assert len(encrypted) == len(DATA) + OVERHEAD
    assert Cipher(KEY).decrypt("ada", KEYED.key_id, encrypted) == DATA
    assert KEYED.encrypt("ada", DATA) != encrypted


def test_without_a_key_nothing_is_encrypted() -> None:
    assert (PLAIN.key_id, PLAIN.encrypt("ada", DATA)) == (None, DATA)
    assert KEYED.decrypt("ada", None, DATA) == DATA


@pytest.mark.parametrize(("cipher", "says"), [(PLAIN, "LANGGRAPH_AES_KEY is empty"), (Cipher(OTHER), "is another one")])
def test_a_missing_or_wrong_key_is_named(cipher: Cipher, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        cipher.decrypt("ada", KEYED.key_id, KEYED.encrypt("ada", DATA))


@pytest.mark.parametrize(("owner", "change"), [("bob", b""), ("ada", b"x")])
def test_data_of_another_user_or_that_was_changed_is_refused(owner: str, change: bytes) -> None:
    with pytest.raises(Unavailable, match="restore the database from a backup"):
        KEYED.decrypt(owner, KEYED.key_id, KEYED.encrypt("ada", DATA) + change)


def test_an_old_key_reads_and_does_not_write() -> None:
    both, decrypting = Cipher(OTHER, KEY), Cipher(None, KEY)
    encrypted = KEYED.encrypt("ada", DATA)
    assert both.decrypt("ada", KEYED.key_id, encrypted) == decrypting.decrypt("ada", KEYED.key_id, encrypted) == DATA
    assert (both.key_id, decrypting.key_id) == (Cipher(OTHER).key_id, None)


def test_a_digest_cannot_be_made_without_the_key_and_differs_by_user() -> None:
    texts = ["Lives in Austin", "lives in Austin."]
    (plain,), (keyed, also_plain) = PLAIN.digests("ada", texts[0]), KEYED.digests("ada", texts[0])
    assert also_plain == plain != keyed
    assert KEYED.digests("ada", texts[1])[0] == keyed
    assert KEYED.digests("bob", texts[0])[0] != keyed
    assert Cipher(OTHER).digests("ada", texts[0])[0] != keyed
    assert {keyed, plain} < {*Cipher(OTHER, KEY).digests("ada", texts[0])}
    assert Cipher(None, KEY).digests("ada", texts[0]) == [plain, keyed]


def test_ids_are_made_with_the_key() -> None:
    assert PLAIN.seed("ada") == "ada"
    assert len({"ada", KEYED.seed("ada"), KEYED.seed("bob"), Cipher(OTHER).seed("ada")}) == 4
    guessed, said = (utterances_of("I like tea", NOON, "t", cipher.seed(""))[0] for cipher in (PLAIN, KEYED))
    assert guessed.source.message_id != said.source.message_id


def test_the_key_is_not_shown() -> None:
    shown = f"{KEYED.key_id} {KEYED!r} {vars(KEYED)}"
    assert KEY.get_secret_value() not in shown
    assert len(str(KEYED.key_id)) == 8
