"""The page Explain: a request described in a form, or one of the log, and where it would go."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import ApiKey
from gateway.models import RequestLog
from gateway.request_page import AttemptLine, attempt_lines
from rainymodel_site.console.explain import Explanation, Question, explain
from rainymodel_site.console.explain_catalogue import LIVE, Unanswerable, read_catalogue
from rainymodel_site.console.views import page
from routing.engine.snapshot import CAPABILITIES, DIALECTS
from routing.models import CatalogueRevision

LONGEST = 200
MOST_TOKENS = 100_000_000
DIALECT_OF = {"messages": "messages", "responses": "responses", "embeddings": "embeddings"}
NOT_PLANNED = (
    "This request ended before it was planned, so no revision served it. Below is what would happen now."
)


class BadQuestion(Unanswerable):
    """A field of the form holds what it cannot."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A request of the log that is explained: what became of it, attempt by attempt."""

    row: RequestLog
    attempts: tuple[AttemptLine, ...]


@never_cache
@require_safe
@permission_required("routing.view_alias", raise_exception=True)
def explain_page(request: HttpRequest) -> HttpResponse:
    """The form, and the explanation once a model is asked for; `?request=ID` asks what a request of the log asked."""
    may_name_keys = request.user.has_perm("accounts.view_apikey")
    happened = read_happened(request)
    found, problem, question = None, "", Question("")
    try:
        question = question_of(happened.row) if happened else read_question(request.GET, may_name_keys)
        found = explain(question) if question.model else None
    except Unanswerable as refusal:
        problem = str(refusal)
    context = {
        "form": form_values(request.GET, question, happened),
        "names": names(question.revision),
        "needs": CAPABILITIES,
        "dialects": DIALECTS,
        "revisions": CatalogueRevision.objects.order_by("-number").values_list("number", flat=True)[:20],
        "may_name_keys": may_name_keys,
        "problem": problem,
        "found": found,
        "happened": happened,
        "agrees": agreement(found, happened) if found and happened else "",
        "not_planned": NOT_PLANNED if happened and not happened.row.revision else "",
    }
    return page(request, "console/explain.html", "Explain a request", CatalogueRevision, **context)


def read_question(fields: Mapping[str, Any], may_name_keys: bool) -> Question:
    """The form's question; an empty model asks nothing. Raises BadQuestion."""
    needs = frozenset(fields.getlist("needs")) & set(CAPABILITIES)  # type: ignore[attr-defined]
    dialect = text(fields, "dialect") or "chat"
    if dialect not in DIALECTS:
        raise BadQuestion(f"Clients speak one of: {', '.join(DIALECTS)}.")
    return Question(
        model=text(fields, "model"),
        policy=text(fields, "policy"),
        provider=text(fields, "provider"),
        key=text(fields, "key") if may_name_keys else "",
        needs=needs,
        dialect=dialect,
        input_tokens=number(fields, "input_tokens", "The prompt's size") or 0,
        max_tokens=number(fields, "max_tokens", "The answer's limit"),
        revision=text(fields, "revision") or LIVE,
    )


def text(fields: Mapping[str, Any], name: str) -> str:
    """A field's text; empty when it is not there."""
    return str(fields.get(name, "")).strip()[:LONGEST]


def number(fields: Mapping[str, Any], name: str, called: str) -> int | None:
    """A field's whole number, None when it is empty. Raises BadQuestion."""
    given = text(fields, name).replace(",", "").replace(" ", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or int(given) > MOST_TOKENS:
        raise BadQuestion(
            f"{called} is a whole number of tokens, at most {MOST_TOKENS:,}; {given[:20]!r} is not."
        )
    return int(given)


def read_happened(request: HttpRequest) -> Happened | None:
    """The request of the log that is asked about, None without one. Raises Http404."""
    if not (id := request.GET.get("request")):
        return None
    try:
        row = RequestLog.objects.filter(pk=UUID(id)).first()
    except ValueError:
        row = None
    if row is None or not request.user.has_perm("gateway.view_requestlog"):
        raise Http404
    return Happened(row, tuple(attempt_lines(row)))


def question_of(row: RequestLog) -> Question:
    """What a request of the log asked, of the revision that served it and at the prices of its time.

    A stored key counts with the scopes it has now.
    """
    stored = row.key_id is not None and ApiKey.objects.filter(pk=row.key_id).exists()
    return Question(
        model=row.requested_model,
        policy=row.policy,
        provider=row.provider_filter,
        key=str(row.key_id) if stored else "",
        needs=frozenset(row.needs),
        dialect=dialect_of(row.endpoint),
        input_tokens=row.input_tokens_estimate,
        max_tokens=row.max_tokens,
        revision=str(row.revision) if row.revision else LIVE,
        moment=row.started_at.timestamp(),
    )


def dialect_of(endpoint: str) -> str:
    """What the client spoke, from the path it asked: `/v1/messages` → messages."""
    path = endpoint.rstrip("/")
    if path.endswith("completions") and not path.endswith("chat/completions"):
        return "completions"
    return DIALECT_OF.get(path.rpartition("/")[2], "chat")


def form_values(fields: Mapping[str, Any], question: Question, happened: Happened | None) -> dict[str, Any]:
    """What stands in the form: what was typed, or what the request of the log asked."""
    if happened is None and question == Question(""):
        typed = {name: text(fields, name) for name in ("model", "policy", "provider", "key", "revision")}
        return {
            **typed,
            "input_tokens": text(fields, "input_tokens"),
            "max_tokens": text(fields, "max_tokens"),
        }
    return {
        "model": question.model,
        "policy": question.policy,
        "provider": question.provider,
        "key": question.key,
        "needs": question.needs,
        "dialect": question.dialect,
        "input_tokens": question.input_tokens or "",
        "max_tokens": question.max_tokens or "",
        "revision": question.revision,
    }


def names(revision: str) -> dict[str, list[str]]:
    """The aliases and policies to choose from; none where there is no such catalogue."""
    try:
        snapshot = read_catalogue(revision or LIVE).snapshot
    except Unanswerable:
        return {"aliases": [], "policies": []}
    return {
        "aliases": sorted([*snapshot.aliases, *(pattern.name for pattern in snapshot.patterns)]),
        "policies": sorted({policy.name for policy in snapshot.policies.values()}),
    }


def agreement(found: Explanation, happened: Happened) -> str:
    """Whether the first that answered is the first of the plan, and if not what that means."""
    answered, first = happened.row.deployment, next(iter(found.ordered), None)
    if not answered:
        return "Nothing answered this request; the attempts say why."
    if first is None:
        return f"{answered} answered, which could not be called from here now."
    if answered == first.deployment.slug:
        return f"As planned: {answered}, the first of the order, answered."
    if any(place.deployment.slug == answered for place in found.ordered):
        return f"{answered} answered, after {first.deployment.slug}; the attempts say what became of those before it."
    return f"{answered} answered, which is not in the order now: credentials or scopes have changed since."
