"""What `plan()` answers with: the candidates in order, and for everything left out the reason."""

from dataclasses import dataclass

from routing.engine.snapshot import Alias, Deployment, TierPolicy


@dataclass(frozen=True, slots=True)
class Rejection:
    """A deployment left out, with its reason word; `detail` adds what a reader would ask next."""

    deployment: Deployment
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eligible deployment at its place in the order; `skip` is a live reason to pass it by, or empty.

    `held_for` is the word of the outcome that put a held one on hold.
    """

    deployment: Deployment
    skip: str = ""
    retry_after: float = 0.0
    held_for: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer of `plan()`: each route of the alias is in `candidates` or in `ineligible`, exactly once."""

    requested: str
    alias: Alias
    policy: TierPolicy
    candidates: tuple[Candidate, ...]
    ineligible: tuple[Rejection, ...]
    revision: int

    @property
    def ordered(self) -> tuple[Deployment, ...]:
        """What the gateway will try, in this order."""
        return tuple(candidate.deployment for candidate in self.candidates if not candidate.skip)

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """Everything left out: skipped for live reasons first, then what was never eligible."""
        skipped = tuple(Rejection(c.deployment, c.skip) for c in self.candidates if c.skip)
        return skipped + self.ineligible

    @property
    def tier_order(self) -> tuple[str, ...]:
        """Tier slugs in the order of the policy; the order of the candidates when the policy has no steps."""
        if self.policy.steps:
            return tuple(step.tier for step in self.policy.steps)
        return tuple(dict.fromkeys(candidate.deployment.tier.slug for candidate in self.candidates))
