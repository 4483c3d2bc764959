"""The people of the provider, and whom it lets through to which client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who can sign in; `role` is as the provider spells it, None for no role at all."""

    email: str
    name: str
    role: str | None


PEOPLE = (
    Person("ada@orcest.ai", "Ada Byron", "admin"),
    Person("dan@orcest.ai", "Dan Ingalls", "developer"),
    Person("rosa@orcest.ai", "Rósa Þórsdóttir", "researcher"),
    Person("vera@orcest.ai", "Vera Rubin", "viewer"),
    Person("nora@orcest.ai", "Nora Barlow", None),
    Person("sam@orcest.ai", "Sam Lowry", "strange"),
)

# Today's provider compares client ids with host names, so that anything but a host is for admins alone.
HOSTS_OF_ROLE: dict[str | None, frozenset[str]] = {
    "developer": frozenset({"rm.orcest.ai"}),
    "researcher": frozenset({"rm.orcest.ai"}),
}


def lets_through_today(person: Person, client_id: str) -> bool:
    """Whether today's provider gives this person a code for this client, or its own page of refusal."""
    return person.role == "admin" or client_id in HOSTS_OF_ROLE.get(person.role, frozenset())


def starting_people() -> dict[str, Person]:
    """One person of every kind, by e-mail: each role, no role, and a role that nobody knows."""
    return {person.email: person for person in PEOPLE}
