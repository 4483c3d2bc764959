"""Nothing that a client sends can hide, turn or bury what is written on an operator's page."""

import unicodedata

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from gateway.visible import visible_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 雨 and é", "plain text, 雨 and é"),
        ("\u202egpj.exe", "⟨U+202E⟩gpj.exe"),
        ("a\x00\x1b[31m", "a⟨U+0000⟩⟨U+001B⟩[31m"),
        ("one\ntwo\r\u2028three", "one⟨U+000A⟩two⟨U+000D⟩⟨U+2028⟩three"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("e\u0301", "e\u0301"),
        ("Z" + "\u0301" * 64, "Z" + "\u0301" * 4 + "⟨+60 marks⟩"),
        (404, "404"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: object, shown: str) -> None:
    assert visible_line(text) == shown


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

    assert not {unicodedata.category(character) for character in visible_line(text)} & hidden


def test_the_filter_shows_and_the_template_escapes() -> None:
    page = Template("{% load visible %}{{ one|visible }} {{ many|visible_lines }}")

    assert (
        page.render(Context({"one": "<b>\u202e\n", "many": "x\n\x07"}))
        == "&lt;b&gt;⟨U+202E⟩⟨U+000A⟩ x\n⟨U+0007⟩"
    )
