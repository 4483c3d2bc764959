"""Price changes from the price file: shown as a difference, taken over as new rows."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from routing.loader import load_rows
from routing.models import CatalogueRevision, Deployment
from routing.price_proposals import proposals, take_over
from routing.publish import publish

pytestmark = pytest.mark.django_db

OPENAI = {"upstream": "openai", "base_url": "https://api.openai.com/v1"}
OLD = {"starts": "2026-01-01", "input": "9", "cached_input": "0.075", "output": "0.6"}
FREE = {"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}


def deployment(
    model: str, *prices: dict[str, Any], provider: str = "openai", tier: str = "direct"
) -> dict[str, Any]:
    return {"provider": provider, "model": model, "tier": tier, "prices": list(prices)}


@pytest.fixture(autouse=True)
def catalogue() -> None:
    load_rows(
        {
            "tiers": {
                "free": {"name": "Free", "billing": "free", "rank": 1},
                "direct": {"name": "Direct", "billing": "paid", "rank": 2},
            },
            "policies": {"auto": {"steps": ["free", "direct"]}},
            "providers": {
                "openai": OPENAI,
                "resale": {"upstream": "resale", "base_url": "https://resale.example/v1"},
            },
            "deployments": {
                "dear": deployment("gpt-4o-mini", OLD),
                "unpriced": deployment("gpt-4o"),
                "given": deployment("gpt-4o", FREE, tier="free"),
                "strange": deployment("nobody-knows", OLD),
                "resold": deployment("gpt-4o", OLD, provider="resale"),
            },
        },
        overwrite=True,
    )
    publish("start")


def ran(*arguments: str) -> str:
    output = StringIO()
    call_command("prices", *arguments, stdout=output)
    return output.getvalue()


def input_prices(slug: str) -> list[Decimal | None]:
    return [price.input for price in Deployment.objects.get(slug=slug).prices.all()]


def test_only_the_providers_own_models_with_other_or_unknown_prices_are_proposed():
    found = {proposal.deployment: proposal for proposal in proposals()}

    assert set(found) == {"dear", "unpriced"}
    assert [(c.field, c.now, c.then) for c in found["dear"].changes] == [("input", "9", "0.15")]
    assert [(c.field, c.now) for c in found["unpriced"].changes] == [
        ("input", None), ("cached_input", None), ("output", None),
    ]  # fmt: skip


def test_taking_over_adds_a_row_from_now_on_and_keeps_the_old_one():
    take_over(proposals())

    old, new = Deployment.objects.get(slug="dear").prices.all()
    assert (old.input, new.input, new.output) == (9, Decimal("0.15"), Decimal("0.6"))
    assert abs(new.starts - timezone.now()) < timedelta(minutes=1)
    assert proposals() == ()


def test_the_command_shows_the_difference_and_changes_nothing():
    text = ran()

    assert "dear" in text
    assert "9 → 0.15" in text
    assert "unknown → 2.5" in text
    assert "gpt-4o-mini)" in text
    assert "--apply" in text
    assert input_prices("dear") == [9]


def test_apply_with_nobody_to_ask_changes_nothing_and_says_how():
    with pytest.raises(CommandError, match=r"Nothing was changed: there is nobody to ask here.*--yes"):
        ran("--apply")

    assert input_prices("dear") == [9]


def test_apply_with_a_yes_takes_over_and_publishes():
    text = ran("--apply", "--yes")

    assert "2 deployments have new prices. Published as revision 2" in text
    assert input_prices("dear") == [9, Decimal("0.15")]
    assert CatalogueRevision.objects.count() == 2
    assert "No price differs" in ran()


def test_a_later_day_leaves_todays_price_in_force():
    day = timezone.now().date() + timedelta(days=30)

    ran("--apply", "--yes", "--from", f"{day}")

    assert "9 → 0.15" in ran()
    assert [price.starts.date() for price in Deployment.objects.get(slug="dear").prices.all()][1] == day
    assert "No price differs" in ran("--from", f"{day}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2020-01-01"), "must not lie in the past"),
        (("--from", "soon"), "takes a day"),
        (("--provider", "nobody"), "There is no provider"),
    ],
    ids=["past", "no day", "no provider"],
)
def test_what_cannot_be_done_is_said(arguments, said):
    with pytest.raises(CommandError, match=said):
        ran(*arguments)


def test_one_provider_only():
    assert "No price differs" in ran("--provider", "resale")
