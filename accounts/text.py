"""Text from elsewhere, made safe to store and honest to look at."""

import unicodedata

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def storable(text: str, limit: int) -> str:
    """Text that Postgres takes: no NUL, no half characters, at most `limit` characters."""
    whole = text.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode()
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def visible(text: str) -> str:
    """Text with its control, direction and other invisible characters written out; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(character if is_visible(character) else escaped(character) for character in text)


def is_visible(character: str) -> bool:
    """Whether a character can be seen, a line break included."""
    return character == "\n" or unicodedata.category(character) not in HIDDEN


def escaped(character: str) -> str:
    """An invisible character as its number, e.g. ⟨U+202E⟩."""
    return f"⟨U+{ord(character):04X}⟩"
