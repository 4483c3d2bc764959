"""How many deployments could answer each kind of request: every alias under every policy, with every need.

It asks the selection of the request path, so that the answer is what a request would get. Live state is left out, and
so is the last resort.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from routing.engine.errors import RoutingError
from routing.engine.query import Query
from routing.engine.select import DEFAULT_POLICY, select
from routing.engine.snapshot import Alias, Snapshot

LONG_CONTEXT = 100_000  # tokens
OWN = ""  # the policy of a request that names none
PLAIN, EMBEDDINGS = "chat", "embeddings"
# What a request may need beside an answer in chat: its name here → the query's fields.
NEEDS: Mapping[str, Mapping[str, object]] = {
    PLAIN: {},
    "tools": {"needs": frozenset({"tools"})},
    "images": {"needs": frozenset({"vision"})},
    "JSON schema": {"needs": frozenset({"json_schema"})},
    "long context": {"input_tokens": LONG_CONTEXT},
    EMBEDDINGS: {"dialect": EMBEDDINGS},
}


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One kind of request. `policy` is OWN where the request names none, `need` one of NEEDS."""

    alias: str
    policy: str
    need: str

    def __str__(self) -> str:
        under = f"policy {self.policy}" if self.policy else "no policy named"
        return f"{self.alias} with {under}: {self.need}"


Reach = Mapping[Cell, int]


def names_of(*snapshots: Snapshot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The aliases and the policies that any of the snapshots has, each once, in order of name; OWN comes first."""
    aliases = {alias.name for snapshot in snapshots for alias in _every(snapshot)}
    policies = {policy.name for snapshot in snapshots for policy in snapshot.policies.values()}
    return tuple(sorted(aliases)), (OWN, *sorted(policies))


def reach(snapshot: Snapshot, aliases: Iterable[str], policies: Iterable[str], moment: float) -> Reach:
    """For each cell of these names, how many enabled deployments with a credential could answer at that moment.

    `moment` is wall time in seconds since 1970 and decides which prices are in force.
    """
    asked, policies = _askable(snapshot), tuple(policies)
    found: dict[Cell, int] = {}
    for alias in aliases:
        for policy in policies:
            found |= _row(asked, alias, policy, moment)
    return found


def emptied(serving: Snapshot, draft: Snapshot, moment: float) -> tuple[Cell, ...]:
    """The cells that somebody could answer in what serves, and nobody can in the draft."""
    asked, empty = _askable(draft), list[Cell]()
    for alias, policies in at_stake(serving, draft).items():
        for policy in policies:
            empty += [cell for cell, count in _row(asked, alias, policy, moment).items() if not count]
    before = _askable(serving)
    return tuple(sorted(cell for cell in empty if _count(before, cell, moment)))


def touched(serving: Snapshot, draft: Snapshot) -> tuple[str, ...]:
    """The aliases whose cells may count otherwise in the draft; all others count the same in both."""
    return tuple(at_stake(serving, draft))


def at_stake(serving: Snapshot, draft: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Each touched alias, with the policies under which its cells may count otherwise.

    Under a policy that stayed as it was, an alias that stayed as it was counts the same.
    """
    aliases, policies = names_of(serving, draft)
    moved = [name for name in policies[1:] if serving.policies.get(name) != draft.policies.get(name)]
    same = (
        policies
        if serving.tiers != draft.tiers
        else (OWN, *moved)
        if serving.policies != draft.policies
        else ()
    )
    before, after = _askable(serving).aliases, _askable(draft).aliases
    found = {name: same if _is_same(before.get(name), after.get(name)) else policies for name in aliases}
    return {name: under for name, under in found.items() if under}


def _is_same(one: Alias | None, other: Alias | None) -> bool:
    """Whether both answer for themselves, alike; what is off leaves its name to others."""
    return one is not None and one.enabled and one == other


def _row(asked: Snapshot, alias: str, policy: str, moment: float) -> dict[Cell, int]:
    """The cells of one alias and policy. Where nobody answers plain chat, nobody answers more than that."""
    plain = Cell(alias, policy, PLAIN)
    counts = {plain: _count(asked, plain, moment)}
    for need in NEEDS:
        cell = Cell(alias, policy, need)
        if cell != plain:
            counts[cell] = _count(asked, cell, moment) if counts[plain] or need == EMBEDDINGS else 0
    return counts


def _askable(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which a pattern is asked for by its own name, without a last resort."""
    patterns: dict[str, Alias] = {pattern.name: pattern for pattern in snapshot.patterns if pattern.enabled}
    return replace(snapshot, aliases={**patterns, **snapshot.aliases}, last_resort=None, memo={})


def _count(asked: Snapshot, cell: Cell, moment: float) -> int:
    query = replace(Query(cell.alias, cell.policy or None, time=moment), **NEEDS[cell.need])  # type: ignore[arg-type]
    try:
        groups = select(asked, query).groups
    except RoutingError:
        return 0
    return len({choice.route.deployment.slug for group in groups for choice in group.choices})


def _every(snapshot: Snapshot) -> tuple[Alias, ...]:
    return (*snapshot.aliases.values(), *snapshot.patterns)


def policy_behind(snapshot: Snapshot, name: str) -> str:
    """The policy that a request to the alias follows when it names none."""
    alias = next((alias for alias in _every(snapshot) if alias.name == name), None)
    return (alias and alias.policy) or DEFAULT_POLICY
