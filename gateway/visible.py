"""Text that clients and upstreams chose, made honest to look at on a page."""

import re
import unicodedata
from itertools import groupby

from accounts.text import escaped, visible

MOST_MARKS = 4
UNUSUAL = re.compile("[^\x20-\x7e→←✓✗–…]")  # anything but plain ASCII and the marks of our own lines


def visible_line(text: object) -> str:
    """One line of text with everything invisible, turning or line-breaking in it written out.

    Of accents and the like piled on one character only a few are kept: a tall pile covers the lines around it.
    """
    line = str(text)
    if not UNUSUAL.search(line):
        return line
    line = visible(line).replace("\n", escaped("\n"))
    return "".join(
        shortened(group) if marks else group
        for marks, group in ((marks, "".join(group)) for marks, group in groupby(line, is_mark))
    )


def is_mark(character: str) -> bool:
    """Whether a character is drawn onto the one before it."""
    return unicodedata.combining(character) > 0


def shortened(marks: str) -> str:
    """A pile of marks, no taller than MOST_MARKS."""
    more = len(marks) - MOST_MARKS
    return marks if more <= 0 else f"{marks[:MOST_MARKS]}⟨+{more} marks⟩"
