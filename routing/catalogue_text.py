"""A catalogue as a text file to review and to keep: JSON, one field or route a line, always in the same order."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from routing.document import PARTS, SECTIONS, CatalogueError, Document, check_document
from routing.tables import TABLES, Table, column

ABOUT = "about"  # says where the file is from; reading leaves it aside
MOST_BYTES = 1_000_000
Entry = dict[str, Any]


class FileRefused(CatalogueError):
    """A file that is no catalogue; the message is a sentence with the line, where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"Line {line}: {message}" if line else message)
        self.line = line


def dump_text(document: Document, about: str) -> str:
    """The document as text: equal documents give equal texts, whatever order they are in."""
    blocks = [f'"schema": {document["schema"]}', *(_section(table, document) for table in TABLES)]
    return f'{{\n"{ABOUT}": {_line(about)},\n' + ",\n\n".join(blocks) + "\n}\n"


def read_text(text: str) -> Document:
    """The document of a text; raises FileRefused. Whether its values can be stored shows only when it is restored."""
    if len(text) > MOST_BYTES:
        raise FileRefused(f"The file has more than {MOST_BYTES:,} characters.")
    document = _parsed(text)
    if not isinstance(document, dict):
        raise FileRefused("A catalogue file is a JSON object with a schema number.", 1)
    document.pop(ABOUT, None)
    if strangers := sorted(set(document) - {"schema", *SECTIONS}):
        raise FileRefused(f"There is no section {strangers[0][:60]!r}.", _line_of(text, strangers[0]))
    try:
        check_document(document)
    except CatalogueError as error:
        raise FileRefused(str(error)) from None
    for table in TABLES:
        for entry in document[table.section]:
            _check_fields(text, table, entry)
    return document


def with_line(text: str, error: CatalogueError) -> FileRefused:
    """What restoring a document said against one of its things, with the line on which the thing stands."""
    for table in TABLES:
        if found := re.match(rf"{table.noun} ('[^']*'|\"[^\"]*\")", str(error)):
            return FileRefused(str(error), line_of_thing(text, table, found[1][1:-1]))
    return FileRefused(str(error))


def line_of_thing(text: str, table: Table, name: str) -> int | None:
    """The line that names a thing in its section, counted from 1; None in a file that was laid out otherwise."""
    begins = re.search(rf'^[ \t]*"{table.section}": ', text, re.MULTILINE)
    return _line_of(text, table.key, json.dumps(name, ensure_ascii=False), begins.start() if begins else 0)


def _section(table: Table, document: Document) -> str:
    entries = sorted(document[table.section], key=_order(table))
    blocks = ",\n".join(_block(table, entry) for entry in entries)
    return f'"{table.section}": [\n{blocks}\n]' if entries else f'"{table.section}": []'


def _order(table: Table) -> Callable[[Entry], Any]:
    return lambda entry: (entry["rank"] if table.section == "tiers" else 0, entry[table.key])


def _block(table: Table, entry: Entry) -> str:
    known = [*table.fields, *(name for name in (table.part.name if table.part else "",) if name)]
    fields = [name for name in known if name in entry] + sorted(entry.keys() - set(known))
    lines = ",\n".join(f"    {_line(name)}: {_field(table, name, entry[name])}" for name in fields)
    return f"  {{\n{lines}\n  }}"


def _field(table: Table, name: str, value: Any) -> str:
    if table.part is None or name != table.part.name or not value:
        return _line(value)
    order = {field: place for place, field in enumerate(table.part.fields)}
    items = [
        {key: item[key] for key in sorted(item, key=lambda key: (order.get(key, 99), key))} for item in value
    ]
    return "[\n" + ",\n".join(f"      {_line(item)}" for item in items) + "\n    ]"


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_line(key)}: {_line(value[key])}" for key in _in_order(value)) + "}"
    return json.dumps(value, ensure_ascii=False)


def _in_order(value: dict[str, Any]) -> Iterator[str]:
    """Routes, steps and prices come in the order of their columns; what operators wrote themselves, by name."""
    is_part = any(key in value for key in ("position", "starts"))
    return iter(value) if is_part else iter(sorted(value))


def _parsed(text: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> Entry:
        known = dict(found)
        if len(known) < len(found):
            seen: set[str] = set()
            twice = next(name for name, _ in found if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise FileRefused(f"A thing has the field {twice[:60]!r} twice.")
        return known

    def constant(word: str) -> NoReturn:
        raise FileRefused(f"{word} is not a number that can be stored.", _line_of(text, "", word))

    try:
        document = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise FileRefused(f"This is not JSON: {error.msg}.", error.lineno) from None
    except UnicodeEncodeError:
        raise FileRefused("A text holds half of a character (a lone surrogate).") from None
    except RecursionError:
        raise FileRefused("It is nested too deeply.") from None
    except FileRefused:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise FileRefused(f"A value cannot be read: {error}.") from None
    if "\\u0000" in text or "\0" in text:
        raise FileRefused("A text holds a NUL character.", _line_of(text, "", "\\u0000"))
    return document


def _check_fields(text: str, table: Table, entry: Entry) -> None:
    """Every field that has to be filled, and none that does not exist. Older versions did not write all the others."""
    part = PARTS.get(table.section)
    problem = _problem(table.model, table.fields, entry, {part} if part else set())
    for item in entry[table.part.name] if table.part and not problem else ():
        assert table.part is not None
        problem = problem or _problem(table.part.model, table.part.fields, item, set())
    if problem:
        line = line_of_thing(text, table, entry[table.key])
        raise FileRefused(f"{table.noun} {entry[table.key]!r} {problem}", line)


def _problem(model: Any, fields: tuple[str, ...], entry: Entry, parts: set[str]) -> str:
    """What is wrong with the names of an entry's fields, as the end of a sentence; empty when nothing is."""
    if strangers := sorted(entry.keys() - set(fields) - parts):
        return f"has the field {strangers[0][:60]!r}, which does not exist."
    filled = [field for field in fields if not column(model, field).null]
    if lacking := [field for field in filled if field not in entry]:
        return f"lacks the field {lacking[0]!r}."
    empty = [field for field in filled if entry[field] is None]
    return f"has null for {empty[0]!r}, which needs a value." if empty else ""


def _line_of(text: str, key: str, value: str = "", start: int = 0) -> int | None:
    """The first line after `start` that holds the key, with the value behind it where one is given."""
    pattern = rf"{re.escape(json.dumps(key, ensure_ascii=False))}\s*:\s*" if key else ""
    found = re.compile(pattern + re.escape(value)).search(text, start)
    return text.count("\n", 0, found.start()) + 1 if found else None
