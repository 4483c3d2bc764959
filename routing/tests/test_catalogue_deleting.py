"""Deleting what is in use: the page says where it is used, what to do instead, and how to get back."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from routing.models import Alias, Deployment, Provider, Tier, TierPolicy
from routing.publish import publish
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    """Signed in with every right, on the small catalogue."""
    load_small()
    publish("start")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def delete_page(client: Client, row) -> str:
    url = reverse(f"admin:routing_{row._meta.model_name}_delete", args=[row.pk])
    return client.get(url).content.decode()


def link_to(row) -> str:
    url = reverse(f"admin:routing_{row._meta.model_name}_change", args=[row.pk])
    return f'<a href="{url}">{row}</a>'


def test_a_provider_in_use_names_its_deployments_and_can_be_switched_off_instead(operator):
    provider = Provider.objects.get(slug="sun")

    page = delete_page(operator, provider)

    assert "sun cannot be deleted: it is in use" in page
    assert f"Deployment {link_to(Deployment.objects.get(slug='sun/bright'))}" in page
    change = reverse("admin:routing_provider_change", args=[provider.pk])
    assert f'<a href="{change}">Switch it off, on its page</a>' in page
    assert f'<a href="{reverse("admin:routing_provider_changelist")}">Back to the providers</a>' in page


def test_a_deployment_in_use_leads_to_the_aliases_whose_routes_reach_it(operator):
    page = delete_page(operator, Deployment.objects.get(slug="sun/bright"))

    for name in ("weather", "weather-mini"):
        assert f"Alias {link_to(Alias.objects.get(name=name))}" in page


def test_a_tier_in_use_leads_to_deployments_and_policies_and_cannot_be_switched_off(operator):
    page = delete_page(operator, Tier.objects.get(slug="free"))

    assert f"Deployment {link_to(Deployment.objects.get(slug='sun/bright'))}" in page
    assert f"Tier policy {link_to(TierPolicy.objects.get(name='auto'))}" in page
    assert "Switch it off" not in page
    assert "Back to the tiers" in page


def test_what_is_in_use_stays_even_when_the_form_is_sent(operator):
    for row in (
        Tier.objects.get(slug="free"),
        Provider.objects.get(slug="sun"),
        Deployment.objects.get(slug="sun/bright"),
    ):
        operator.post(reverse(f"admin:routing_{row._meta.model_name}_delete", args=[row.pk]), {"post": "yes"})
        assert type(row).objects.filter(pk=row.pk).exists()


def test_deleting_several_at_once_says_the_same(operator):
    chosen = [str(pk) for pk in Provider.objects.values_list("pk", flat=True)]

    page = operator.post(
        reverse("admin:routing_provider_changelist"),
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    ).content.decode()

    assert "Some of the selected providers are in use, so none was deleted" in page
    assert link_to(Deployment.objects.get(slug="sun/bright")) in page
    assert "Back to the providers" in page
    assert Provider.objects.count() == len(chosen)


def test_what_nothing_uses_is_asked_about_as_ever(operator):
    page = delete_page(operator, Alias.objects.get(name="moon-big-*"))

    assert "Are you sure you want to delete" in page
    assert "in use" not in page
