"""What an import came to, as plain text for an operator's terminal: nothing of the file goes missing in silence."""

from dataclasses import dataclass, field

TITLES = (
    ("created", "Created"),
    ("changed", "Changed"),
    ("kept", "Kept as it is here"),
    ("not_carried", "Not carried over"),
    ("remarks", "Remarks"),
    ("read_now", "Read from the environment once, now"),
    ("providers", "Providers"),
    ("next_steps", "What to do next"),
)
MOST_LINES_NAMED = 12


@dataclass(slots=True)
class Report:
    """Sections of sentences, filled while the import goes on; a sentence said of several lines is printed once."""

    created: dict[str, list[int]] = field(default_factory=dict)
    changed: dict[str, list[int]] = field(default_factory=dict)
    kept: dict[str, list[int]] = field(default_factory=dict)
    not_carried: dict[str, list[int]] = field(default_factory=dict)
    remarks: dict[str, list[int]] = field(default_factory=dict)
    read_now: dict[str, list[int]] = field(default_factory=dict)
    providers: dict[str, list[int]] = field(default_factory=dict)
    next_steps: dict[str, list[int]] = field(default_factory=dict)
    summary: str = ""
    closing: str = ""

    def say(self, section: str, sentence: str, line: int | None = None) -> None:
        """Add a sentence to a section, with the line of the file that it is about."""
        lines = getattr(self, section).setdefault(sentence, [])
        if line is not None and line not in lines:
            lines.append(line)

    def text(self) -> str:
        """The whole report."""
        blocks = [self.summary]
        for section, title in TITLES:
            if sentences := getattr(self, section):
                blocks.append(
                    "\n".join([title, *(_item(sentence, lines) for sentence, lines in sentences.items())])
                )
        return "\n\n".join([*blocks, self.closing]) + "\n"


def _item(sentence: str, lines: list[int]) -> str:
    if not lines:
        return f"  {sentence}"
    named = ", ".join(str(line) for line in sorted(lines)[:MOST_LINES_NAMED])
    more = f" and {len(lines) - MOST_LINES_NAMED} more" if len(lines) > MOST_LINES_NAMED else ""
    return f"  line{'s' if len(lines) > 1 else ''} {named}{more}: {sentence}"
