"""Document → Snapshot: what a published document means on a worker with these surroundings."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from routing.addresses import expand, host_of, is_loopback
from routing.document import CatalogueError, Document, check_document
from routing.engine.snapshot import (
    CAPABILITIES,
    IMAGE_URLS,
    Alias,
    BreakerRules,
    Deployment,
    Price,
    Provider,
    Route,
    Snapshot,
    Step,
    Tier,
    TierPolicy,
    TimeLimits,
)
from routing.environment import Surroundings, access_mark, readiness

DEMO = "demo"
Entry = Mapping[str, Any]
T = TypeVar("T")


def compile_snapshot(document: Document, number: int, surroundings: Surroundings) -> Snapshot:
    """The frozen snapshot of revision `number`; raises CatalogueError when the document cannot become one."""
    check_document(document)
    tiers = _section(document, "tiers", "slug", _tier)
    providers = _section(document, "providers", "slug", lambda entry: _provider(entry, surroundings))
    deployments = _section(
        document, "deployments", "slug", lambda entry: _deployment(entry, providers, tiers)
    )
    aliases = _section(document, "aliases", "name", lambda entry: _alias(entry, deployments))
    return Snapshot(
        number=number,
        tiers=tiers,
        providers=providers,
        deployments=deployments,
        aliases={name: alias for name, alias in aliases.items() if "*" not in name},
        patterns=tuple(sorted((alias for name, alias in aliases.items() if "*" in name), key=_longest_first)),
        policies=_by_every_name(_section(document, "policies", "name", _policy)),
        last_resort=_demo(surroundings.demo_url) if surroundings.demo_url else None,
    )


def _section(document: Document, section: str, key: str, compiled: Callable[[Entry], T]) -> dict[str, T]:
    """The section's entries, compiled; whatever is wrong with one is reported with its name."""
    values = {}
    for entry in document[section]:
        try:
            values[entry[key]] = compiled(entry)
        except KeyError as error:
            raise CatalogueError(
                f"{section}: {entry[key]!r} names {error}, which the document lacks."
            ) from None
        except (AttributeError, TypeError, ValueError, InvalidOperation) as error:
            raise CatalogueError(f"{section}: {entry[key]!r}: {error}") from None
    return values


def _tier(entry: Entry) -> Tier:
    return Tier(entry["slug"], entry["name"], entry["billing"], entry["rank"])


def _provider(entry: Entry, surroundings: Surroundings) -> Provider:
    base_url = expand(entry["base_url"], surroundings.urls)
    state = readiness(entry, surroundings)
    is_local = surroundings.allowed.loopback and is_loopback(host_of(base_url))
    return Provider(
        slug=entry["slug"],
        upstream=entry["upstream"],
        wire=entry["wire"],
        litellm_prefix=entry["litellm_prefix"],
        base_url=base_url,
        address_class="private" if is_local else entry["address_class"],
        extra_headers=tuple(sorted(entry["extra_headers"].items())),
        limits=TimeLimits(
            connect=float(entry["connect_limit"]),
            first_content=float(entry["first_content_limit"]),
            idle=float(entry["idle_limit"]),
            total=float(entry["total_limit"]),
        ),
        breaker=BreakerRules(entry["open_after"], entry["open_for"]),
        concurrency_limit=entry["concurrency_limit"],
        quota_window=entry.get("quota_window"),  # documents of before it lack it
        unready=state.unready,
        why=state.why if state.unready else "",
        access=access_mark(entry, surroundings),
    )


def _deployment(entry: Entry, providers: Mapping[str, Provider], tiers: Mapping[str, Tier]) -> Deployment:
    owner = providers[entry["provider"]]
    return Deployment(
        slug=entry["slug"],
        provider=owner,
        model=entry["model"],
        tier=tiers[entry["tier"]],
        prices=tuple(sorted((_price(item) for item in entry["prices"]), key=lambda price: price.starts)),
        context_window=entry["context_window"],
        output_limit=entry["output_limit"],
        capabilities=_able(entry["capabilities"], owner),
        dialects=_spoken(entry["dialects"], owner),
        parameter_policy=tuple(sorted(entry["parameter_policy"].items())),
        quality=entry["quality"],
        limits=_own_or(entry, owner.limits),
        enabled=entry["enabled"],
    )


def _able(capabilities: list[str], owner: Provider) -> frozenset[str]:
    """What is stated, and images by their address where the provider is a public one."""
    sees_far = "vision" in capabilities and owner.address_class == "public"
    return frozenset([*capabilities, IMAGE_URLS] if sees_far else capabilities)


def _spoken(dialects: list[str], owner: Provider) -> frozenset[str]:
    """What can be asked here in its own words: litellm translates chat, and Anthropic's messages are relayed."""
    listed = frozenset(dialects or ("chat",))
    if owner.wire != "litellm":
        return listed
    return listed & ({"chat", "messages"} if owner.litellm_prefix == "anthropic/" else {"chat"})


def _own_or(entry: Entry, limits: TimeLimits) -> TimeLimits:
    """The deployment's own limits where it states them, else its provider's."""
    first_content, idle, total = (entry[f"{name}_limit"] for name in ("first_content", "idle", "total"))
    return TimeLimits(
        connect=limits.connect,
        first_content=limits.first_content if first_content is None else float(first_content),
        idle=limits.idle if idle is None else float(idle),
        total=limits.total if total is None else float(total),
    )


def _price(item: Entry) -> Price:
    return Price(
        starts=datetime.fromisoformat(item["starts"]).timestamp(),
        input=_money(item["input"]),
        cached_input=_money(item["cached_input"]),
        output=_money(item["output"]),
    )


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _alias(entry: Entry, deployments: Mapping[str, Deployment]) -> Alias:
    routes = (
        Route(deployments[item["deployment"]], item["position"], item["weight"], item["enabled"])
        for item in entry["routes"]
    )
    return Alias(
        name=entry["name"],
        routes=tuple(sorted(routes, key=lambda route: route.position)),
        description=entry["description"],
        policy=entry["policy"],
        first_content_deadline=float(entry["first_content_deadline"]),
        total_deadline=float(entry["total_deadline"]),
        mode=entry["mode"],
        standard_target=entry["standard_target"],
        mini_target=entry["mini_target"],
        listed=entry["listed"],
        enabled=entry["enabled"],
    )


def _longest_first(alias: Alias) -> tuple[int, str]:
    return -len(alias.name), alias.name


def _policy(entry: Entry) -> TierPolicy:
    steps = sorted(entry["steps"], key=lambda step: step["position"])
    return TierPolicy(
        name=entry["name"],
        steps=tuple(Step(step["tier"], step["strategy"]) for step in steps),
        synonyms=tuple(entry["synonyms"]),
        description=entry["description"],
        price_ceiling=_money(entry["price_ceiling"]),
    )


def _by_every_name(policies: Mapping[str, TierPolicy]) -> dict[str, TierPolicy]:
    """The policies by name and by synonym; one name for two of them is refused."""
    named = dict(policies)
    for policy in policies.values():
        for synonym in policy.synonyms:
            if named.setdefault(synonym, policy) is not policy:
                raise CatalogueError(
                    f"policies: {policy.name!r} has the synonym {synonym!r}, which is taken."
                )
    return named


def _demo(base_url: str) -> Deployment:
    """The demonstration upstream of development mode: free, keyless, answers when nothing else is eligible."""
    free = Price(0.0, Decimal(0), Decimal(0), Decimal(0))
    return Deployment(
        slug=DEMO,
        provider=Provider(DEMO, DEMO, base_url=base_url, address_class="private"),
        model=DEMO,
        tier=Tier(DEMO, "Demonstration", "free", 0),
        prices=(free,),
        capabilities=frozenset(CAPABILITIES),
    )
