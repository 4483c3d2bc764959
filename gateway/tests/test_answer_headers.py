"""What may stand in an x-rainymodel-* header: printable ASCII of a bounded length, whatever the names hold."""

import httpx
import pytest

from gateway.answer_headers import safe
from gateway.tests.live import LiveGateway


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rainymodel/auto", b"rainymodel/auto"),
        ("", b""),
        (" ~", b" ~"),
        ("größe/模型🌧", b"gr??e/???"),
        ("a\r\nx-evil: 1", b"a??x-evil: 1"),
        ("a\x00b\tc\x7fd\x85e", b"a?b?c?d?e"),
        ("\ud800", b"?"),
    ],
    ids=["ascii", "empty", "edges", "non-ascii", "line-break", "control", "surrogate"],
)
def test_what_is_not_printable_ascii_becomes_a_question_mark(text: str, value: bytes):
    assert safe(text) == value


@pytest.mark.parametrize("character", ["a", "é"], ids=["ascii", "non-ascii"])
def test_a_value_is_cut_at_two_hundred_characters(character: str):
    assert safe(character * 200) == safe(character * 300) == safe(character) * 200


def test_a_name_with_line_breaks_and_other_scripts_cannot_add_a_header(gateway: LiveGateway):
    body = {"model": "fake/ok\r\nx-evil: ü", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers())

    assert answer.headers["x-rainymodel-requested-model"] == "fake/ok??x-evil: ?"
    assert "x-evil" not in answer.headers
