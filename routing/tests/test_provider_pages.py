"""A provider's page: whether it can be called, and a secret that goes in and never comes out."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from routing.catalogue import read_document
from routing.environment import credentials
from routing.models import CatalogueRevision, Provider, ProviderSecret
from routing.provider_secrets import set_secret, surroundings_here
from routing.publish import publish
from routing.tests.pages import add, edit, errors, told
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db

CANARY = "sk-canary-0123456789"


@pytest.fixture
def operator(client: Client, monkeypatch) -> Client:
    """Signed in, on the small catalogue; the moon's credential is set in the environment."""
    monkeypatch.setenv("RAINYMODEL_CREDENTIALS", "SUN_KEY@api.sun.example,MOON_KEY@api.moon.example")
    monkeypatch.setenv("MOON_KEY", "from-the-environment")
    load_small()
    publish("start")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def sun() -> Provider:
    return Provider.objects.get(slug="sun")


def page_of(client: Client, provider: Provider) -> str:
    return client.get(reverse("admin:routing_provider_change", args=[provider.pk])).content.decode()


def test_the_list_says_who_is_ready_and_why_the_others_are_not(operator):
    text = operator.get(reverse("admin:routing_provider_changelist")).content.decode()

    assert "SUN_KEY is not set" in text
    assert "free 1" in text
    assert "direct 2" in text
    assert "from-the-environment" not in text


def test_a_plaintext_provider_has_a_red_mark(operator):
    url, mark = reverse("admin:routing_provider_changelist"), re.compile(r"bg-red-100[^>]*>\s*plaintext\s*<")
    assert not mark.search(operator.get(url).content.decode())

    Provider.objects.filter(slug="sun").update(address_class="plaintext")

    assert mark.search(operator.get(url).content.decode())


def test_a_secret_goes_in_and_only_its_state_comes_out(operator):
    response = edit(operator, sun(), secret=CANARY)

    assert errors(response) == {}
    assert credentials(read_document(), surroundings_here())["sun"] == CANARY
    text = page_of(operator, sun())
    assert "by ada, ends in …6789" in text
    assert (
        CANARY
        not in text
        + response.content.decode()
        + operator.get(reverse("admin:routing_provider_changelist")).content.decode()
    )
    assert CANARY not in str(list(CatalogueRevision.objects.values())) + str(
        list(ProviderSecret.objects.values())
    )


def test_saving_with_an_empty_secret_keeps_the_stored_one(operator):
    set_secret(sun(), CANARY, "ada")

    edit(operator, sun(), first_content_limit="50")

    assert credentials(read_document(), surroundings_here())["sun"] == CANARY


def test_a_secret_that_is_refused_is_not_shown_again(operator):
    response = edit(operator, sun(), secret=f"{CANARY} with spaces")

    assert "secret" in errors(response)
    assert CANARY not in response.content.decode()


def test_a_new_base_url_asks_for_the_secret_again(operator):
    set_secret(sun(), CANARY, "ada")

    response = edit(operator, sun(), base_url="https://api2.sun.example/v1", credential_variable="")

    assert "sun is not called yet: the stored secret belongs to another address; enter it again." in told(
        response
    )
    assert "sun" not in credentials(read_document(), surroundings_here())
    assert "not set" in page_of(operator, sun())


def test_a_secret_that_does_not_open_is_shown_as_such_and_crashes_nothing(operator, settings):
    set_secret(sun(), CANARY, "ada")
    settings.SEALING_KEYS = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    assert "It does not open: enter it again." in page_of(operator, sun())
    assert "enter it again" in operator.get(reverse("admin:routing_provider_changelist")).content.decode()


def test_forgetting_deletes_the_secret(operator):
    set_secret(sun(), CANARY, "ada")

    assert "not both" in " ".join(
        errors(edit(operator, sun(), secret="new", forget_secret="on"))["forget_secret"]
    )
    edit(operator, sun(), forget_secret="on")

    assert not ProviderSecret.objects.exists()


def test_a_variable_that_may_not_go_there_is_said_at_once(operator):
    response = edit(operator, sun(), credential_variable="DATABASE_URL")

    assert (
        "sun is not called yet: RAINYMODEL_CREDENTIALS does not allow DATABASE_URL for api.sun.example."
        in told(response)
    )


def test_a_new_provider_is_made_with_its_secret_in_one_save(operator):
    response = add(
        operator,
        Provider,
        slug="star",
        upstream="star",
        base_url="https://api.star.example/v1",
        secret=CANARY,
        extra_headers="",
    )

    assert errors(response) == {}
    assert credentials(read_document(), surroundings_here())["star"] == CANARY
    assert Provider.objects.get(slug="star").extra_headers == {}


def test_the_slug_of_a_provider_stays(operator):
    edit(operator, sun(), slug="renamed")

    assert Provider.objects.filter(slug="sun").exists()


def test_a_private_address_needs_the_environment(operator, monkeypatch):
    private = {"base_url": "http://10.1.2.3:11434/v1", "address_class": "private"}

    assert "RAINYMODEL_PRIVATE_UPSTREAMS" in " ".join(errors(edit(operator, sun(), **private))["base_url"])
    monkeypatch.setenv("RAINYMODEL_PRIVATE_UPSTREAMS", "10.1.2.0/24:11434")
    assert errors(edit(operator, sun(), **private)) == {}


def test_an_address_that_is_not_allowed_here_is_no_ready_provider(operator):
    Provider.objects.filter(slug="moon").update(
        base_url="http://10.1.2.3:80/v1", address_class="private", credential_variable=""
    )
    text = operator.get(reverse("admin:routing_provider_changelist")).content.decode()

    assert re.search(r"bg-orange-100[^>]*>\s*address refused\s*<", text)
    assert "10.1.2.3:80 is not in RAINYMODEL_PRIVATE_UPSTREAMS, so requests to it are refused" in text
