"""The published document: plain JSON with a schema number, and its fingerprint.

CatalogueError            a document that cannot be used; the message is one sentence for an operator
└── UnknownSchema         written by another version of the project
"""

import hashlib
import json
from typing import Any, TypeGuard

from routing.engine.snapshot import SCHEMA

Document = dict[str, Any]
# Section → the key that names its entries, and the section → list of parts inside an entry.
SECTIONS = {
    "tiers": "slug",
    "policies": "name",
    "providers": "slug",
    "deployments": "slug",
    "aliases": "name",
}
PARTS = {"policies": "steps", "deployments": "prices", "aliases": "routes"}


class CatalogueError(ValueError):
    """A document that cannot become a snapshot or rows."""


class UnknownSchema(CatalogueError):
    """The document's schema number is not the one this version reads."""

    def __init__(self, found: object) -> None:
        super().__init__(
            f"The document has schema {found!r}, but this version of RainyModel reads schema {SCHEMA}."
        )
        self.found = found


def check_document(document: object) -> Document:
    """The document itself; raises CatalogueError when its outline is not the one this version reads."""
    if not isinstance(document, dict):
        raise CatalogueError("A catalogue document is a JSON object.")
    if document.get("schema") != SCHEMA:
        raise UnknownSchema(document.get("schema"))
    for section, key in SECTIONS.items():
        _check_section(section, document.get(section), key)
    return document


def _check_section(section: str, entries: object, key: str) -> None:
    """Every entry is an object, has a name, and is the only one of that name."""
    if not _is_list_of_objects(entries):
        raise CatalogueError(f"The document has no list of {section}.")
    names = [entry.get(key) for entry in entries]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise CatalogueError(f"Each of the document's {section} needs a {key} of its own.")
    part = PARTS.get(section)
    if part and not all(_is_list_of_objects(entry.get(part)) for entry in entries):
        raise CatalogueError(f"Each of the document's {section} needs a list of {part}.")


def _is_list_of_objects(value: object) -> TypeGuard[list[Document]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def document_sha256(document: Document) -> str:
    """The fingerprint of the document's content, whatever order its keys are in."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
