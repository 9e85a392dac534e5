"""The scan for canaries finds a token in every form, and a vector by its first numbers."""

import zlib

import numpy as np
import pytest

from tests.erasure.scan import new_token, tokens_in, vectors_in

TOKEN = new_token()
FORMS = {
    "text": TOKEN.encode(),
    "UTF-16": f"a{TOKEN}b".encode("utf-16-be"),
    "hexadecimal": TOKEN.encode().hex().encode(),
    "compressed": zlib.compress(f"before {TOKEN} after".encode()),
    "pglz": b"\x02".join(part.encode() for part in (TOKEN[:3], TOKEN[3:11], TOKEN[11:])),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_found_in_this_form(form: str) -> None:
    assert set(tokens_in(b"\1\2" + FORMS[form] + b"\3")) == {(TOKEN, form)}


@pytest.mark.parametrize("shift", range(4))
def test_a_vector_is_found_at_any_offset_if_nearly_equal(shift: int) -> None:
    vector = np.array([0.25, -0.5, 0.125, 0.75], dtype="<f4")
    data = b"\0" * (40 + shift) + (vector * np.float32(1.000001)).tobytes() + b"\xff" * 9
    assert list(vectors_in(data, {TOKEN: vector})) == [TOKEN]
    assert list(vectors_in(data, {TOKEN: vector[::-1]})) == []
