"""Who may use the console, and its price page."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from routing.loader import load_rows
from routing.models import CatalogueRevision, Deployment, Provider
from routing.publish import publish

pytestmark = pytest.mark.django_db


def signed_in(client: Client, role: str) -> Client:
    client.force_login(get_user_model().objects.create(username=f"a {role}", role=role, is_staff=True))
    return client


@pytest.fixture(autouse=True)
def catalogue() -> None:
    load_rows(
        {
            "tiers": {"direct": {"name": "Direct", "billing": "paid", "rank": 1}},
            "policies": {"auto": {"steps": ["direct"]}},
            "providers": {"openai": {"upstream": "openai", "base_url": "https://api.openai.com/v1"}},
            "deployments": {
                "dear": {
                    "provider": "openai",
                    "model": "gpt-4o-mini",
                    "tier": "direct",
                    "prices": [
                        {"starts": "2026-01-01", "input": 9, "cached_input": "0.075", "output": "0.6"}
                    ],
                },
                "unpriced": {"provider": "openai", "model": "gpt-4o", "tier": "direct"},
            },
        },
        overwrite=True,
    )
    publish("start")


PAGES = ("discover/{key}/", "discover/{key}/found/", "test/?deployment=dear", "prices/")


@pytest.mark.parametrize("page", PAGES)
def test_who_may_only_look_at_the_catalogue_may_not_use_the_tools(client, page):
    person = signed_in(client, "developer")

    assert person.get(f"/admin/console/{page}".format(key=Provider.objects.get().pk)).status_code == 403


def test_who_may_only_look_sees_no_way_to_the_tools(client):
    person = signed_in(client, "developer")

    text = person.get(f"/admin/routing/provider/{Provider.objects.get().pk}/change/").content.decode()

    assert "Discover models" not in text


def test_the_price_page_shows_the_difference(client):
    text = signed_in(client, "admin").get("/admin/console/prices/").content.decode()

    assert "<del>9</del> → <ins>0.15</ins>" in text
    assert "<del>unknown</del> → <ins>2.5</ins>" in text


def test_the_chosen_prices_are_taken_over_and_published_and_others_are_not(client):
    answer = signed_in(client, "admin").post(
        "/admin/console/prices/", {"proposal": ["dear 0.15/0.075/0.6"]}, follow=True
    )

    text = answer.content.decode()
    assert "1 deployment has new prices." in text
    assert "Published as revision 2" in text
    assert Deployment.objects.get(slug="dear").prices.count() == 2
    assert Deployment.objects.get(slug="unpriced").prices.count() == 0


def test_a_proposal_that_is_no_longer_what_was_shown_is_not_taken_over(client):
    answer = signed_in(client, "admin").post(
        "/admin/console/prices/", {"proposal": ["dear 0.1/0.075/0.6"]}, follow=True
    )

    assert "look again" in answer.content.decode()
    assert Deployment.objects.get(slug="dear").prices.count() == 1
    assert CatalogueRevision.objects.count() == 1


def test_when_every_price_agrees_the_page_says_so(client):
    person = signed_in(client, "admin")
    person.post("/admin/console/prices/", {"proposal": ["dear 0.15/0.075/0.6", "unpriced 2.5/1.25/10"]})

    assert "Every price agrees" in person.get("/admin/console/prices/").content.decode()


@pytest.mark.parametrize("action", ["test_selected", "propose_for_selected"])
def test_selected_deployments_lead_to_the_tool_about_them(client, action):
    row = Deployment.objects.get(slug="dear")

    answer = signed_in(client, "admin").post(
        "/admin/routing/deployment/", {"action": action, "_selected_action": [row.pk]}, follow=True
    )

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "dear" in text
    assert "unpriced" not in text


def test_a_provider_without_deployments_has_nothing_to_test_and_is_told_what_to_do(client):
    Deployment.objects.all().delete()

    text = signed_in(client, "admin").get("/admin/console/test/?provider=openai").content.decode()

    assert "has no deployment yet" in text
    assert "Discover models" in text
