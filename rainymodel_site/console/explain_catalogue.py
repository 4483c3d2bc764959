"""Which catalogue and which key a question is about: the one that serves, the draft, or an older revision.

Unanswerable              the question names what is not there; the message says what to do
├── CatalogueMissing      no such revision, none at all, or one that does not compile here
└── KeyMissing            no key of that name, or several
"""

from dataclasses import dataclass
from uuid import UUID

from accounts.models import ApiKey
from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.document import CatalogueError, Document
from routing.engine.health import Health, Hold
from routing.engine.query import Grants
from routing.engine.snapshot import Snapshot
from routing.environment import Surroundings
from routing.models import CatalogueRevision
from routing.provider_secrets import surroundings_here
from routing.publish import newest_revision

LIVE, DRAFT = "live", "draft"
EVERYTHING = Grants()
FOREVER = float("inf")
DOWN = "operator"  # the word of a hold that is only pretended
FEWEST_DIGITS, MOST_DIGITS = 1, 9


class Unanswerable(Exception):
    """The question names what is not there; the message is written for the operator who asked."""


class CatalogueMissing(Unanswerable):
    """There is no such catalogue, or it cannot serve here."""


class KeyMissing(Unanswerable):
    """No key, or more than one, is called so."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A snapshot as it would serve here; `name` is `draft` or `revision 12`, `number` None for the draft."""

    snapshot: Snapshot
    name: str
    number: int | None
    is_live: bool = False


def read_catalogue(which: str, here: Surroundings | None = None) -> Catalogue:
    """`live`, `draft`, or a revision's number as text. Raises CatalogueMissing."""
    here = surroundings_here() if here is None else here
    if which == DRAFT:
        return Catalogue(compiled(read_document(), 0, here, "The draft"), "the draft", None)
    newest = newest_revision()
    if newest is None:
        raise CatalogueMissing("Nothing has been published yet; run manage.py load_catalogue.")
    row = newest if which in ("", LIVE) else numbered(which)
    snapshot = compiled(row.document, row.number, here, f"Revision {row.number}")
    return Catalogue(snapshot, f"revision {row.number}", row.number, row.number == newest.number)


def numbered(text: str) -> CatalogueRevision:
    """The revision of that number. Raises CatalogueMissing."""
    is_number = FEWEST_DIGITS <= len(text) <= MOST_DIGITS and text.isascii() and text.isdigit()
    row = CatalogueRevision.objects.filter(number=int(text)).first() if is_number else None
    if row is None:
        raise CatalogueMissing(f"There is no revision {text[:40]!r}. Ask about live, draft or a number.")
    return row


def compiled(document: Document, number: int, here: Surroundings, named: str) -> Snapshot:
    """The document as it would serve here. Raises CatalogueMissing."""
    try:
        return compile_snapshot(document, number, here)
    except CatalogueError as error:
        raise CatalogueMissing(f"{named} cannot be used: {error}") from None


def find_key(text: str) -> ApiKey:
    """A stored key by its id or its label; of equal labels the one that works. Raises KeyMissing."""
    if text.startswith("sk-"):
        raise KeyMissing("Name the key by its label or its id. Its text is a secret and has no place here.")
    try:
        found = list(ApiKey.objects.filter(pk=UUID(text)).select_related("owner"))
    except ValueError:
        found = []
    found = found or list(ApiKey.objects.filter(label=text).select_related("owner")[:50])
    working = [key for key in found if key.state == "active"]
    if len(working or found) == 1:
        return (working or found)[0]
    problem = "Several keys are" if found else "No key is"
    raise KeyMissing(f"{problem} called {text[:80]!r}. Name it by its id, from the list of API keys.")


def grants_of(key: ApiKey | None) -> Grants:
    """What a key may reach, as routing reads it; no key, like one of the environment, may reach everything."""
    if key is None:
        return EVERYTHING
    owner = key.owner
    money = (key.usd_per_day, key.usd_per_month, owner.usd_per_day, owner.usd_per_month)
    return Grants(
        aliases=frozenset(key.aliases) or None,
        policies=frozenset(key.policies) or None,
        highest_tier=key.highest_tier or None,
        direct_calls=key.direct_calls,
        priced_only=any(amount is not None for amount in money),
    )


def pretend_down(snapshot: Snapshot, providers: frozenset[str], deployments: frozenset[str]) -> Health:
    """A health in which these cannot be asked, whatever else fails; everything else is fine."""
    holds = {
        slug: Hold(FOREVER, DOWN, owner.access)
        for slug, owner in snapshot.providers.items()
        if slug in providers
    }
    health = Health(holds=holds)
    for slug in deployments & set(snapshot.deployments):
        health = health.held_by_operator(snapshot.deployments[slug], FOREVER)
    return health
