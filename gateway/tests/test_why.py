"""From its page alone a stranger can say why a request went where it went."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.models import RequestLog
from gateway.uuid7 import new_id
from gateway.why import UNTOLD, Why, why
from routing.loader import load_rows
from routing.models import CatalogueRevision
from routing.publish import publish

pytestmark = pytest.mark.django_db
ROUTES = ["sun/small", "moon/one", "moon/two", "moon/blind", "star/dear", "sun/off"]


@pytest.fixture
def revision() -> int:
    """A published catalogue: a free tier as listed, then a paid one, the cheapest first; none has a credential here."""
    provider = {"credential_variable": "NOBODY_HAS_THIS", "base_url": "https://api.example/v1"}
    load_rows(
        {
            "tiers": {
                "free": {"name": "Free", "billing": "free", "rank": 1},
                "direct": {"name": "Direct", "billing": "paid", "rank": 2},
                "premium": {"name": "Premium", "billing": "paid", "rank": 3},
            },
            "policies": {
                "auto": {"steps": ["free", {"tier": "direct", "strategy": "cheapest"}]},
                "free": {"steps": ["free"]},
            },
            "providers": {slug: {"upstream": slug, **provider} for slug in ("sun", "moon", "star")},
            "deployments": {
                "sun/small": deployment("sun", "free") | {"context_window": 1_000_000},
                "sun/off": deployment("sun", "free") | {"enabled": False},
                "moon/one": deployment("moon", "direct"),
                "moon/two": deployment("moon", "direct"),
                "moon/blind": deployment("moon", "direct") | {"capabilities": []},
                "star/dear": deployment("star", "premium"),
            },
            "aliases": {"weather/*": {"routes": ROUTES}},
        },
        overwrite=True,
    )
    return publish("tests").number


def deployment(provider: str, tier: str) -> dict[str, Any]:
    return {"provider": provider, "model": "*", "tier": tier, "capabilities": ["tools"]}


def attempt(slug: str, word: str = "", **more: Any) -> dict[str, Any]:
    return {"deployment": slug, "upstream": slug.split("/")[0], "word": word, "total_ms": 5.0, **more}


def told(revision: int, **known: Any) -> Why:
    row = {
        "requested_model": "weather/today",
        "alias": "weather/*",
        "policy": "auto",
        "needs": ["tools"],
        "endpoint": "/v1/chat/completions",
        "revision": revision,
        "state": "ok",
        **known,
    }
    return why(RequestLog(id=UUID(new_id()), started_at=datetime.now(UTC), **row))


def test_the_order_of_the_policy_is_told_with_what_became_of_each(revision: int) -> None:
    story = told(
        revision,
        deployment="moon/one",
        attempts=[
            attempt("sun/small", "timeout"),
            attempt("moon/two", "held", skipped=True, held_for="rate_limited"),
            attempt("moon/one"),
        ],
    )

    assert story.sentences == (
        f"It was planned with catalogue revision {revision}.",
        "The name falls under the alias weather/*.",
        "Policy auto, which holds where nobody names another, tries its tiers in this order: free (as the alias lists"
        " them), then direct (the cheapest for this request first).",
        "Which of several deployments in a tier comes first is decided anew for each request there; the log keeps the"
        " order in which they were tried, not the figures behind it.",
        "moon/one answered because what came before it failed or was skipped: sun/small timed out; moon/two was"
        " skipped: on hold after it limited our rate.",
    )
    assert [(place.slug, place.what, place.answered) for place in story.places] == [
        ("sun/small", "timed out", False),
        ("moon/two", "was skipped: on hold after it limited our rate", False),
        ("moon/one", "answered", True),
    ]
    assert story.deadline == "300 s to the first content, 600 s in all"


def test_everything_left_out_before_the_first_attempt_is_told_with_its_reason(revision: int) -> None:
    story = told(revision, deployment="sun/small", attempts=[attempt("sun/small")])

    assert story.sentences[-1] == "sun/small answered because it was the first in this order."
    assert {place.slug: place.what for place in story.left_out} == {
        "moon/blind": "cannot do what was asked (tools)",
        "star/dear": "its tier is not in the policy (auto does not reach premium)",
        "sun/off": "disabled (the deployment is off)",
    }
    assert [place.what for place in story.places[1:]] == ["not needed any more"] * 2


def test_what_the_log_does_not_know_is_not_guessed_at(revision: int) -> None:
    story = told(revision, deployment="moon/one", attempts=[attempt("moon/one")])

    assert (story.places[0].slug, story.places[0].what) == ("sun/small", UNTOLD)


def test_a_provider_that_the_client_named_is_told(revision: int) -> None:
    story = told(revision, provider_filter="moon", deployment="moon/one", attempts=[attempt("moon/one")])

    assert "The client asked for moon only (x-rainymodel-provider)." in story.sentences
    assert "Everything in free was left out, as told below." in " ".join(story.sentences)
    reasons = {place.slug: place.what for place in story.left_out}
    assert reasons["sun/small"] == "not the provider asked for (only moon was asked for)"


def test_a_policy_that_the_client_named_is_told(revision: int) -> None:
    sentence = " ".join(told(revision, policy="free", attempts=[attempt("sun/small")]).sentences)

    assert "Policy free, which the client asked for (x-rainymodel-policy), tries its tiers" in sentence
    assert "sun/small" not in sentence  # nothing says that it answered


def test_what_is_too_small_is_told_with_the_size_it_was_asked_for(revision: int) -> None:
    story = told(revision, input_tokens_estimate=3_000_000, attempts=[])
    reasons = {place.slug: place.what for place in story.left_out}

    assert "for an estimated 3,000,000)" in reasons["sun/small"]


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"revision": 0}, "No plan was made: the request ended before the gateway chose among deployments."),
        ({"revision": 999}, "Its catalogue revision 999 is not kept any more, so only what happened can be told."),
        ({"requested_model": "gone", "attempts": []}, "cannot be planned again by this version (UnknownModel)"),
        ({"needs": ["audio"], "attempts": []}, "no deployment of the alias could take this request"),
        ({"attempts": [attempt("sun/small", "timeout")]}, "everything in this order failed."),
    ],
    ids=["never planned", "not kept", "not to be planned again", "nobody able", "all failed"],
)  # fmt: skip
def test_where_there_is_no_more_to_tell_it_says_so(
    revision: int, known: dict[str, Any], sentence: str
) -> None:
    assert sentence in " ".join(told(**{"revision": revision, **known}).sentences)


def test_a_document_from_long_ago_breaks_nothing(revision: int) -> None:
    CatalogueRevision.objects.create(number=revision + 1, document={"tiers": []}, sha256="", author="ada")

    assert "cannot be planned again" in told(revision + 1).sentences[0]
