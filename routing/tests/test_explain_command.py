"""`manage.py explain` tells an operator at a terminal where a request would go, and why nowhere else."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from routing.models import CatalogueRevision
from routing.publish import publish
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(monkeypatch):
    """The small catalogue, with the sun's credential set in the environment and the moon's not."""
    monkeypatch.setenv("RAINYMODEL_CREDENTIALS", "SUN_KEY@api.sun.example,MOON_KEY@api.moon.example")
    monkeypatch.setenv("SUN_KEY", "canary-value")
    load_small()
    publish("ada")


def explain(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("explain", *arguments, stdout=out)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_it_prints_the_order_and_the_reason_for_each_one_left_out(published):
    assert explain("weather-mini") == [
        "weather-mini → weather-mini, policy auto (free → direct), revision 1",
        "",
        "Tried in this order:",
        "1. free sun bright $0 in, $0 out per million tokens",
        "",
        "Left out:",
        "– direct moon pale no_credential No credential: provider moon: MOON_KEY is not set. "
        "Set the credential on the provider's page.",
    ]


def test_it_takes_the_parts_of_a_request_that_routing_looks_at(published):
    assert "No deployment is eligible." in explain("weather-mini", "--tokens", "100000")
    assert "No deployment is eligible." in explain("weather-mini", "--needs", "tools,audio")
    assert "1. free sun bright $0 in, $0 out per million tokens" in explain(
        "weather-mini", "--needs", "tools, vision"
    )
    assert "policy dear (direct)" in explain("weather-mini", "--policy", "dear")[0]
    assert any("sun bright provider_filter" in line for line in explain("weather-mini", "--provider", "moon"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "'nothing' does not exist here"),
        (["weather", "--policy", "cheap"], "Unknown policy 'cheap'"),
        (["weather", "--provider", "mars"], "No provider 'mars' serves this model"),
        (["weather", "--needs", "magic"], "but not 'magic'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence(published, arguments, message):
    with pytest.raises(CommandError, match=message):
        explain(*arguments)


def test_before_the_first_revision_it_says_what_to_do():
    with pytest.raises(CommandError, match=r"run manage\.py load_catalogue"):
        explain("weather")


def test_a_revision_that_does_not_compile_is_named(published):
    CatalogueRevision.objects.update(document={"schema": 5})

    with pytest.raises(CommandError, match="Revision 1 cannot be used: The document has schema 5"):
        explain("weather")


@pytest.mark.parametrize(("mode", "told"), [("development", True), ("production", False)])
def test_where_make_run_would_answer_from_its_demonstration_that_is_said(published, monkeypatch, mode, told):
    monkeypatch.setenv("RAINYMODEL_ENV", mode)
    monkeypatch.delenv("SUN_KEY")
    lines = explain("weather-mini")

    assert "No deployment is eligible." in lines
    assert any(
        "– free sun bright no_credential No credential: provider sun: SUN_KEY is not set" in line
        for line in lines
    )
    assert any("demonstration upstream" in line for line in lines) is told
    assert not any("demonstration" in line for line in explain("weather-mini", "--provider", "moon"))
