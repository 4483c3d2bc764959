"""How long one routing decision takes: `python -m bench.plan`. It reports; it never fails on time."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

from routing.engine.health import Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.snapshot import Deployment, Snapshot
from routing.tests.catalogue import POLICIES, TIERS, alias, deployment, policy, snapshot

BUDGET = 50.0
DEPLOYMENTS = 200
ROUNDS = 25
CALLS = 400


def fleet() -> list[Deployment]:
    """Deployments in all four tiers, with prices and windows that differ."""
    return [
        deployment(
            f"d{number}",
            tier=TIERS[number % len(TIERS)],
            price=(f"0.{number % 17:02}", f"{number % 7}.5"),
            context_window=(8_192, 32_768, 131_072, None)[number % 4],
        )
        for number in range(DEPLOYMENTS)
    ]


def microseconds_per_call(catalogue: Snapshot, policy_name: str, health: Health) -> float:
    """The median over several rounds; token counts vary as they do in real traffic."""
    queries = [
        Query("m", policy=policy_name, input_tokens=17 * number, output_tokens=number or None)
        for number in range(CALLS)
    ]
    rounds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for query in queries:
            plan(catalogue, query, health, now=1_000.0, draw=0.5)
        rounds.append((perf_counter() - started) / CALLS * 1e6)
    return median(rounds)


def report(print_line: Callable[[str], None] = print) -> None:
    """One line per policy and state of health."""
    deployments = fleet()
    steps = [f"{tier.slug}:weighted" for tier in TIERS]
    policies = (*POLICIES, policy("listed"), policy("weighted", *steps))
    catalogue = snapshot(alias("m", *deployments), policies=policies)
    throttled = Health()
    for one in deployments[::20]:
        throttled = throttled.after(one, Outcome(Fault.THROTTLED, "rate_limited", retry_after=60), now=999.0)
    print_line(
        f"plan() over {DEPLOYMENTS} deployments, µs per call (budget {BUDGET:.0f} when all is healthy)"
    )
    for label, health in (("healthy", Health()), ("10 of them held", throttled)):
        for name in ("listed", "auto", "premium", "free", "weighted"):
            print_line(f"  {label:<16} {name:<9} {microseconds_per_call(catalogue, name, health):6.1f}")


if __name__ == "__main__":
    report()
