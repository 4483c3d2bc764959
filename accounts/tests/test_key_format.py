"""The text of a key: recognised by itself, altered by nobody, stored as a hash only."""

import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from accounts.keys import ALPHABET, LENGTH, checksum, hash_key, make_key, parse_key, same_hash

PEPPER = "pepper-of-the-tests-0123456789-abcdef"
bodies = st.text(alphabet=ALPHABET, min_size=41, max_size=41).map(lambda text: f"sk-rm_{text[:8]}_{text[9:]}")


def test_a_new_key_has_the_promised_shape_and_is_recognised():
    new = make_key()

    assert re.fullmatch(r"sk-rm_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", new.text)
    assert parse_key(new.text) == new.kid == new.text[6:14]
    assert new.last_four == new.text[-4:]


def test_no_two_keys_are_alike():
    assert len({make_key().text for _ in range(500)}) == 500


def test_the_text_does_not_show_in_a_representation():
    new = make_key()

    assert new.text not in repr(new)


def test_the_checksum_is_the_crc_of_zlib_in_base62():
    digits = checksum("sk-rm_example")

    number = 0
    for digit in digits:
        number = number * 62 + ALPHABET.index(digit)
    assert number == zlib.crc32(b"sk-rm_example")
    assert len(digits) == 6


@given(bodies)
def test_every_well_formed_key_is_recognised(body: str):
    text = body + checksum(body)

    assert len(text) == LENGTH
    assert parse_key(text) == body[6:14]


@given(bodies, st.data())
def test_one_wrong_character_anywhere_is_noticed(body: str, data: st.DataObject):
    text = body + checksum(body)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != text[place]))

    assert parse_key(text[:place] + other + text[place + 1 :]) is None


@given(bodies, st.integers(0, 50))
def test_two_swapped_neighbours_are_noticed(body: str, place: int):
    text = body + checksum(body)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]

    assert (parse_key(swapped) is None) == (swapped != text)


@given(st.text())
def test_any_other_text_is_refused_without_an_error(text: str):
    assert parse_key(text) is None


def test_characters_outside_ascii_are_refused():
    assert parse_key("sk-rm_" + "٣" * 8 + "_" + "a" * 38) is None
    assert parse_key(make_key().text + "\n") is None


@given(st.text(alphabet=st.characters(codec=None), max_size=80))
def test_any_text_can_be_hashed(text: str):
    assert len(hash_key(text, PEPPER)) == 32


def test_the_hash_depends_on_the_whole_key_and_on_the_pepper():
    text = make_key().text

    assert same_hash(hash_key(text, PEPPER), hash_key(text, PEPPER))
    assert not same_hash(hash_key(text, PEPPER), hash_key(text, PEPPER + "x"))
    assert not same_hash(hash_key(text, PEPPER), hash_key(text[:-1] + "!", PEPPER))
