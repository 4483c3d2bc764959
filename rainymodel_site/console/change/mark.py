"""Whether anything is not published, for the sidebar of every page: looked up anew only after somebody did a thing."""

import time
from collections.abc import Hashable

from accounts.models import AuditEntry
from routing.catalogue import read_document
from routing.models import CatalogueRevision
from routing.publish import is_published, newest_revision

LOOK_AGAIN = 60.0  # seconds; edits that bypass the audit show after them
_known: dict[str, tuple[Hashable, float, bool]] = {}


def has_unpublished() -> bool:
    """Whether the draft differs from what serves; False before the first revision.

    Every edit of the catalogue is audited, so the draft is read again only when there is a new revision or entry.
    """
    newest = CatalogueRevision.objects.order_by("-number").values_list("number", "sha256").first()
    if newest is None:
        return False
    audited = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first()
    key, now = (newest, audited), time.monotonic()
    known = _known.get("draft")
    if known is None or known[0] != key or now - known[1] > LOOK_AGAIN:
        serving = newest_revision()
        differs = serving is not None and not is_published(serving, read_document())
        known = _known["draft"] = (key, now, differs)
    return known[2]
