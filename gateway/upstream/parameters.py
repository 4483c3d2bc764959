"""A deployment's parameter policy, applied to a request: fields it must not be sent are left out or renamed."""

from collections.abc import Iterable
from typing import Any

Policy = Iterable[tuple[str, str | None]]


def edited_payload(payload: dict[str, Any], policy: Policy) -> tuple[dict[str, Any], dict[str, str]]:
    """A new payload, and what was edited: name → the new name, or "" for a field that was left out.

    A renamed field does not replace one that the client has set under the new name.
    """
    edited, edits = dict(payload), {}
    for name, replacement in policy:
        if name in edited:
            value = edited.pop(name)
            edits[name] = replacement or ""
            if replacement:
                edited.setdefault(replacement, value)
    return edited, edits
