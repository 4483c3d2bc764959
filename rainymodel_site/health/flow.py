"""The fallback flow as a picture: providers that did not answer on the left, who was asked next on the right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.narrative import FAILED, SKIPPED, plain
from gateway.traffic.figures import Step

NOBODY = "nobody"
WIDTH, LEFT, RIGHT = 640.0, 190.0, 450.0
BAR, GAP, SCALE, LEAST = 10.0, 14.0, 240.0, 2.0
MOST = 12  # providers a side


@dataclass(frozen=True, slots=True)
class Node:
    """A provider on one side: where its bar lies, and how often."""

    name: str
    y: float
    height: float
    count: int

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Ribbon:
    """From a provider to the one asked next; `path` is closed, `kind` failed or skipped."""

    path: str
    kind: str
    told: str


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole picture in WIDTH × `height`."""

    left: tuple[Node, ...]
    right: tuple[Node, ...]
    ribbons: tuple[Ribbon, ...]
    height: float
    width: float = WIDTH
    left_x: float = LEFT
    right_x: float = RIGHT
    bar: float = BAR


@dataclass(frozen=True, slots=True)
class Row:
    """The same in words: `provider` did not answer because of `reason`, `next_provider` was asked, so often."""

    provider: str
    reason: str
    next_provider: str
    count: int


def flow(steps: Iterable[Step]) -> Flow | None:
    """The picture; None when nothing failed."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for step in steps:
        counts[step.provider, step.next_provider or NOBODY, "skipped" if step.skipped else "failed"] += (
            step.count
        )
    if not counts:
        return None
    left = nodes(Counter(sums(counts, 0)), sum(counts.values()))
    right = nodes(Counter(sums(counts, 1)), sum(counts.values()))
    height = max(side[-1].y + side[-1].height for side in (left, right)) + GAP
    return Flow(left, right, tuple(ribbons(counts, left, right)), round(height, 1))


def sums(counts: Counter[tuple[str, str, str]], place: int) -> dict[str, int]:
    """How often each name stands in this place."""
    found: Counter[str] = Counter()
    for names, count in counts.items():
        found[names[place]] += count
    return dict(found)


def nodes(counts: Counter[str], total: int) -> tuple[Node, ...]:
    """One below the other, the most frequent first; nobody last."""
    names = sorted(counts, key=lambda name: (name == NOBODY, -counts[name], name))[:MOST]
    found: list[Node] = []
    y = GAP / 2
    for name in names:
        height = max(LEAST, SCALE * counts[name] / total)
        found.append(Node(name, round(y, 1), round(height, 1), counts[name]))
        y += max(height, 16.0) + GAP
    return tuple(found)


def ribbons(
    counts: Counter[tuple[str, str, str]], left: Sequence[Node], right: Sequence[Node]
) -> Iterable[Ribbon]:
    """Each as thick as it is frequent, side by side along the bars."""
    begins, ends = {node.name: node.y for node in left}, {node.name: node.y for node in right}
    thick = {node.name: node.height / node.count for node in left}
    thin = {node.name: node.height / node.count for node in right}
    order = sorted(counts, key=lambda names: (begins.get(names[0], 0.0), ends.get(names[1], 0.0), names[2]))
    for names in order:
        source, target, kind = names
        if source not in begins or target not in ends:
            continue
        count = counts[names]
        one, other = begins[source], ends[target]
        begins[source] += count * thick[source]
        ends[target] += count * thin[target]
        told = f"{source} {'was skipped' if kind == 'skipped' else 'failed'}, then {target}: {count:,}×"
        yield Ribbon(ribbon_path(one, begins[source], other, ends[target]), kind, told)


def ribbon_path(one: float, one_end: float, other: float, other_end: float) -> str:
    """Two curves and two short edges."""
    begin, end, middle = LEFT + BAR, RIGHT, (LEFT + BAR + RIGHT) / 2
    return (
        f"M{begin} {one:.1f}C{middle} {one:.1f} {middle} {other:.1f} {end} {other:.1f}"
        f"V{other_end:.1f}C{middle} {other_end:.1f} {middle} {one_end:.1f} {begin} {one_end:.1f}Z"
    )


def rows(steps: Iterable[Step]) -> list[Row]:
    """The most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for step in steps:
        reason = plain(SKIPPED if step.skipped else FAILED, step.word)
        counts[step.provider, reason, step.next_provider or NOBODY] += step.count
    return [Row(*names, count) for names, count in counts.most_common(30)]
