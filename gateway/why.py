"""Why a request went where it went: its catalogue revision asked again, and compared with what the log says happened.

The log holds what was tried and what was skipped. Which deployments could have answered, and in which order they
were to be tried, follows from the published revision that the row names. What a worker knew at that moment and did not
log (credentials, grants of the key, measured speed, the dice of weights) is never guessed at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.models import RequestLog
from gateway.narrative import SKIPPED, plain, what_happened
from routing.compile import compile_snapshot
from routing.document import CatalogueError, Document
from routing.engine.errors import RoutingError
from routing.engine.order import SETTLED
from routing.engine.plan_values import Rejection
from routing.engine.query import Query
from routing.engine.select import DEFAULT_POLICY, Selection, select
from routing.engine.snapshot import DIALECTS, Alias
from routing.environment import Surroundings
from routing.lookups import published_document

STRATEGY_WORDS = {
    "listed": "as the alias lists them",
    "best": "the best quality first",
    "cheapest": "the cheapest for this request first",
    "fastest": "the one quickest to its first content first",
    "weighted": "drawn by weight",
}
NOT_PLANNED = "No plan was made: the request ended before the gateway chose among deployments."
GONE = "Its catalogue revision {number} is not kept any more, so only what happened can be told."
UNREADABLE = (
    "Its catalogue revision {number} cannot be planned again by this version ({error}), so only what happened can be"
    " told."
)
TOO_SMALL = "context_too_small"
UNTOLD = (
    "was eligible by the catalogue and does not appear above: its credential or address may not have worked on that"
    " worker, the key may not reach it, or it was thought slow just then"
)


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment in the order in which they were to be tried, and what became of it."""

    slug: str
    tier: str
    what: str
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons, as sentences; the deployments in their order; those left out and why; the alias's deadline."""

    sentences: tuple[str, ...]
    places: tuple[Place, ...] = ()
    left_out: tuple[Place, ...] = ()
    deadline: str = ""


def why(row: RequestLog) -> Why:
    """Why the request went where it went, as far as the log and its catalogue revision tell."""
    if not row.revision:
        return Why((NOT_PLANNED,))
    document = published_document(row.revision)
    if document is None:
        return Why((GONE.format(number=row.revision), *outcome_sentence(row)))
    try:
        selection = ask_again(row, document)
    except (CatalogueError, RoutingError, KeyError, TypeError, ValueError) as error:
        told = UNREADABLE.format(number=row.revision, error=type(error).__name__)
        return Why((told, *outcome_sentence(row)))
    happened = {str(attempt.get("deployment")): attempt for attempt in row.attempts}
    return Why(
        tuple(sentences(row, selection)),
        tuple(places(row, selection, happened)),
        tuple(
            Place(refused.deployment.slug, refused.deployment.tier.slug, refusal_words(refused, row))
            for refused in selection.ineligible
            if refused.deployment.slug not in happened
        ),
        deadline_words(selection.alias),
    )


def ask_again(row: RequestLog, document: Document) -> Selection:
    """What the revision says to the request. Raises RoutingError, CatalogueError, and what an old document lacks."""
    snapshot = compile_snapshot(*everybody_ready(document, row.revision))
    query = Query(
        model=row.selected_model or row.requested_model,
        policy=row.policy or None,
        provider=row.provider_filter or None,
        needs=frozenset(row.needs),
        input_tokens=row.input_tokens_estimate,
        output_tokens=row.max_tokens,
        stream=row.stream,
        dialect=dialect_of(row.endpoint),
        time=row.started_at.timestamp(),
    )
    return select(snapshot, query)


def everybody_ready(document: Document, number: int) -> tuple[Document, int, Surroundings]:
    """The document for a worker that has every credential: what another lacked that day is not known here."""
    entries = [{**entry, "base_url": "", "credential_variable": ""} for entry in document["providers"]]
    secrets = {(entry["slug"], entry["litellm_prefix"]): "present" for entry in entries}
    return {**document, "providers": entries}, number, Surroundings().with_secrets(secrets)


def dialect_of(endpoint: str) -> str:
    """The dialect that an endpoint speaks."""
    path = endpoint.strip("/").removeprefix("v1/").split("/")[0]
    return path if path in DIALECTS else "chat"


def sentences(row: RequestLog, selection: Selection) -> Iterator[str]:
    """How the alias, the policy and its strategies made the order."""
    yield f"It was planned with catalogue revision {row.revision}."
    if row.routing_mode and row.selected_model and row.selected_model != row.requested_model:
        yield f"{row.requested_model} chose {row.selected_model} for it (mode {row.routing_mode})."
    if selection.alias.name != (row.selected_model or row.requested_model):
        yield f"The name falls under the alias {selection.alias.name}."
    yield policy_sentence(selection)
    if row.provider_filter:
        yield f"The client asked for {row.provider_filter} only (x-rainymodel-provider)."
    moving = [group for group in selection.groups if len(group.choices) > 1 and group.strategy not in SETTLED]
    if moving:
        yield (
            "Which of several deployments in a tier comes first is decided anew for each request there; the log keeps"
            " the order in which they were tried, not the figures behind it."
        )
    if not row.attempts and not any(group.choices for group in selection.groups):
        yield "Nothing answered: no deployment of the alias could take this request."
    yield from outcome_sentence(row, sum(len(group.choices) for group in selection.groups))


def policy_sentence(selection: Selection) -> str:
    """Whose the policy was, its tiers in their order, and which of them had nobody."""
    policy, groups = selection.policy, selection.groups
    if not policy.steps:
        return f"Policy {policy.name} has no tiers of its own: deployments are tried as the alias lists them."
    steps = ", then ".join(
        f"{step.tier} ({STRATEGY_WORDS.get(step.strategy, step.strategy)})" for step in policy.steps
    )
    empty = [step.tier for step, group in zip(policy.steps, groups, strict=False) if not group.choices]
    refused = {rejection.deployment.tier.slug for rejection in selection.ineligible}
    left_out = " and ".join(tier for tier in empty if tier in refused)
    lacking = " and ".join(tier for tier in empty if tier not in refused)
    return (
        f"Policy {policy.name}{whose(selection)} tries its tiers in this order: {steps}."
        + (f" Everything in {left_out} was left out, as told below." if left_out else "")
        + (f" The alias has nothing in {lacking}." if lacking else "")
    )


def whose(selection: Selection) -> str:
    """Where the policy came from, as far as the catalogue tells: a client may name the one that holds anyway."""
    if selection.policy.name == selection.alias.policy:
        return ", the alias's own,"
    if selection.alias.policy is None and selection.policy.name == DEFAULT_POLICY:
        return ", which holds where nobody names another,"
    return ", which the client asked for (x-rainymodel-policy),"


def outcome_sentence(row: RequestLog, planned: int | None = None) -> Iterator[str]:
    """Why the one that answered came at its place, or why none did; `planned` deployments were in the order."""
    tried = [attempt for attempt in row.attempts if isinstance(attempt, Mapping)]
    before = [attempt for attempt in tried if attempt.get("word")]
    if row.deployment and not before:
        place = "the only one in this order" if planned == 1 else "the first in this order"
        yield f"{row.deployment} answered because it was {place}."
    elif row.deployment:
        yield (
            f"{row.deployment} answered because what came before it {failed_or_skipped(before)}:"
            f" {'; '.join(f'{named(attempt)} {short(attempt)}' for attempt in before)}."
        )
    elif len(tried) == 1 and planned == 1:
        yield f"Nothing answered: the only one in this order {failed_or_skipped(tried)}."
    elif tried:
        yield f"Nothing answered: everything in this order {failed_or_skipped(tried)}."


def failed_or_skipped(attempts: Sequence[Mapping[str, Any]]) -> str:
    """`failed`, `was skipped`, or either."""
    skipped = sum(bool(attempt.get("skipped")) for attempt in attempts)
    return "failed" if not skipped else "was skipped" if skipped == len(attempts) else "failed or was skipped"


def places(row: RequestLog, selection: Selection, happened: Mapping[str, Any]) -> Iterator[Place]:
    """The deployments in the order of the plan; where that moved with the moment, as they were tried."""
    tiers = {
        choice.candidate.deployment.slug: choice.candidate.deployment.tier.slug
        for group in selection.groups
        for choice in group.choices
    }
    logged = [slug for slug in happened if slug in tiers]
    passed_answer = False
    for slug in merged(list(tiers), logged):
        answered = slug == row.deployment
        passed_answer = passed_answer or answered
        yield Place(slug, tiers[slug], became(slug, happened, answered, passed_answer), answered)


def merged(planned: list[str], logged: list[str]) -> list[str]:
    """Planned ones with the logged ones in the order in which they were tried; the others keep their places."""
    following = iter(logged)
    return [next(following) if slug in logged else slug for slug in planned]


def became(slug: str, happened: Mapping[str, Any], answered: bool, after_the_answer: bool) -> str:
    """What became of one deployment of the plan."""
    if slug in happened and (happened[slug].get("word") or answered):
        return short(happened[slug])
    if answered:
        return "answered"
    return "not needed any more" if after_the_answer else UNTOLD


def short(attempt: Mapping[str, Any]) -> str:
    """`timed out`, or `was skipped: circuit open`."""
    happened = what_happened(dict(attempt))
    return f"was {happened}" if attempt.get("skipped") else happened


def named(attempt: Mapping[str, Any]) -> str:
    """What the log calls the deployment of an attempt."""
    return str(attempt.get("deployment") or attempt.get("upstream") or "a deployment")


def refusal_words(refused: Rejection, row: RequestLog) -> str:
    """Why a deployment was left out of the plan."""
    size = f" for an estimated {row.input_tokens_estimate:,}" if refused.reason == TOO_SMALL else ""
    detail = f" ({refused.detail}{size})" if refused.detail else ""
    return f"{plain(SKIPPED, refused.reason)}{detail}"


def deadline_words(alias: Alias) -> str:
    """`300 s to the first content, 600 s in all`."""
    return f"{alias.first_content_deadline:g} s to the first content, {alias.total_deadline:g} s in all"
