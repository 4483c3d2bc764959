"""One published state of the catalogue, frozen, as a worker serves it.

Everything here is a value. A request reads one `Snapshot` from beginning to end; publishing replaces the
whole object. Money is USD per million tokens; times are seconds; an unknown price is None, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

SCHEMA = 1
STRATEGIES = ("listed", "cheapest", "best", "fastest", "weighted")
CAPABILITIES = ("tools", "vision", "json_schema", "audio", "reasoning")
# Not an operator's to grant: what sees and stands on the public net may be given the address of an image. A private one
# could fetch what only it can reach.
IMAGE_URLS = "image_urls"
DIALECTS = ("chat", "completions", "responses", "messages", "embeddings")
BILLINGS = ("free", "self_hosted", "paid")
WIRES = ("openai", "litellm")
# When an upstream's free credits return: with the next UTC day or month. None of them: nobody knows.
QUOTA_WINDOWS = ("day", "month")
ADDRESS_CLASSES = ("public", "private", "plaintext")


@dataclass(frozen=True, slots=True)
class Tier:
    """A class of cost and trust. A lower rank is cheaper; `billing` is one of BILLINGS."""

    slug: str
    name: str
    billing: str
    rank: int


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds an attempt may spend: to connect, to the first content, between two reads, in all."""

    connect: float = 3.0
    first_content: float = 60.0
    idle: float = 30.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Open after so many unhealthy outcomes in a row, for so many seconds at first.

    Or when of at least `judge_from` outcomes in a minute more than the share `failure_rate` fails for certain.
    """

    open_after: int = 3
    open_for: float = 5.0
    judge_from: int = 10
    failure_rate: float = 0.30


@dataclass(frozen=True, slots=True)
class Provider:
    """One upstream service. `upstream` is the label that response headers show.

    `quota_window` is one of QUOTA_WINDOWS, or None. `unready` is None, or the reason word why this worker cannot call
    it at all: `disabled`, `no_credential`, `address_refused` or `wire_unavailable`; `why` says it to an operator.
    `access` stands for the address and the credential: it is another one when either changes, and tells neither.
    """

    slug: str
    upstream: str
    wire: str = "openai"
    litellm_prefix: str = ""
    base_url: str = ""
    address_class: str = "public"
    extra_headers: tuple[tuple[str, str], ...] = ()
    limits: TimeLimits = TimeLimits()
    breaker: BreakerRules = BreakerRules()
    concurrency_limit: int | None = None
    quota_window: str | None = None
    unready: str | None = None
    why: str = ""
    access: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens from `starts` (seconds since 1970, UTC) on. None means unknown."""

    starts: float
    input: Decimal | None
    cached_input: Decimal | None
    output: Decimal | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one provider. `model` is the name the upstream knows; it may hold one `*`."""

    slug: str
    provider: Provider
    model: str
    tier: Tier
    prices: tuple[Price, ...] = ()
    context_window: int | None = None
    output_limit: int | None = None
    capabilities: frozenset[str] = frozenset()
    dialects: frozenset[str] = frozenset({"chat"})
    parameter_policy: tuple[tuple[str, str | None], ...] = ()
    quality: int = 0
    limits: TimeLimits = TimeLimits()
    enabled: bool = True

    def price_at(self, time: float) -> Price | None:
        """The price row in force at `time` (seconds since 1970); None when none has started."""
        current = None
        for price in self.prices:  # sorted by start, oldest first
            if price.starts <= time:
                current = price
        return current


@dataclass(frozen=True, slots=True)
class Route:
    """An alias leads to a deployment; lower positions come first."""

    deployment: Deployment
    position: int
    weight: int = 1
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Alias:
    """A model name that clients ask for: exact, or a pattern with one `*`. Deadlines are seconds."""

    name: str
    routes: tuple[Route, ...]
    description: str = ""
    policy: str | None = None
    first_content_deadline: float = 300.0
    total_deadline: float = 600.0
    mode: str = "manual"
    standard_target: str | None = None
    mini_target: str | None = None
    listed: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a policy: a tier, and the strategy that orders the deployments inside it."""

    tier: str
    strategy: str = "listed"


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """An order of tiers. What no step names is not reached; without steps, routes go as listed.

    `price_ceiling`: a deployment whose input or output price is above it, or unknown, is left out.
    """

    name: str
    steps: tuple[Step, ...] = ()
    synonyms: tuple[str, ...] = ()
    description: str = ""
    price_ceiling: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Revision `number` of the catalogue. `aliases` holds exact names, `patterns` the longest first.

    `policies` is keyed by name and by synonym. `last_resort` answers only when nothing else is eligible
    (the demonstration upstream of development mode). `memo` caches selections that depend on nothing
    but this snapshot and a query; it is bounded and never part of equality.
    """

    number: int
    tiers: Mapping[str, Tier]
    providers: Mapping[str, Provider]
    deployments: Mapping[str, Deployment]
    aliases: Mapping[str, Alias]
    patterns: tuple[Alias, ...]
    policies: Mapping[str, TierPolicy]
    last_resort: Deployment | None = None
    memo: dict[object, object] = field(default_factory=dict, compare=False, repr=False)
