"""What the catalogue's pages show and how: columns, names, dates, help, and rows that can be moved without a mouse."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from routing.models import Alias, CatalogueRevision, Deployment, Provider, TierPolicy
from routing.provider_secrets import set_secret
from routing.publish import publish
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db

MOMENT = r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d UTC"


@pytest.fixture
def operator(client: Client) -> Client:
    """Signed in with every right, on the small catalogue."""
    load_small()
    publish("start")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def list_of(client: Client, kind: str) -> str:
    return client.get(reverse(f"admin:routing_{kind}_changelist")).content.decode()


def page_of(client: Client, row) -> str:
    url = reverse(f"admin:routing_{row._meta.model_name}_change", args=[row.pk])
    return client.get(url).content.decode()


@pytest.mark.parametrize("kind", ["alias", "deployment", "provider"])
def test_whether_a_row_is_enabled_comes_second(operator, kind):
    headings = re.findall(r'class="[^"]*column-(\w+)', list_of(operator, kind))

    assert headings[:2] == [{"alias": "name"}.get(kind, "slug"), "enabled"]


def test_windows_have_thousands_separators_and_an_unknown_one_is_said(operator):
    Deployment.objects.filter(slug="sun/bright").update(context_window=1_048_576)
    Deployment.objects.filter(slug="moon/pale").update(context_window=None)

    text = list_of(operator, "deployment")

    assert "1,048,576" in text
    assert re.search(r'field-window[^>]*data-label="Window"[^>]*>\s*unknown', text)


def test_moments_are_written_in_one_form_with_the_zone(operator):
    set_secret(Provider.objects.get(slug="sun"), "sk-canary-0123456789", "ada")

    assert re.search(MOMENT, list_of(operator, "cataloguerevision"))
    assert re.search(MOMENT, page_of(operator, CatalogueRevision.objects.get()))
    assert re.search(rf"set on {MOMENT} by ada", page_of(operator, Provider.objects.get(slug="sun")))


def test_the_trail_of_pages_shows_a_name_as_it_is(operator):
    trail = re.search(r"<h1.*?</h1>", page_of(operator, Alias.objects.get(name="weather")), re.S)

    assert trail is not None
    assert re.findall(r">\s*([\w-]+)\s*</a>", trail.group()) == ["Catalogue", "Aliases", "weather"]


def test_mode_and_targets_say_what_they_are_for(operator):
    text = page_of(operator, Alias.objects.get(name="weather"))

    assert "manual: requests go where the routes say, and the targets are not used." in text
    assert text.count("once a mode chooses by difficulty. Not used by manual.") == 2


def test_every_route_and_step_can_be_moved_by_buttons_that_say_what_they_move(operator):
    alias, policy = Alias.objects.get(name="weather"), TierPolicy.objects.get(name="auto")

    for row, label in ((alias, "weather → sun/bright"), (policy, "auto: Free (listed)")):
        text = page_of(operator, row)
        for way in ("up", "down"):
            assert re.search(
                rf'<button [^>]*data-move="{way}" aria-label="Move {way}: {re.escape(label)}', text
            )
        assert "routing/ordering.js" in text
        assert text.count("data-move=") == 4  # two rows; the empty one for new rows has none
    assert finders.find("routing/ordering.js")


def test_who_may_only_view_is_offered_no_buttons_to_move_rows(operator):
    browser = Client()
    browser.force_login(get_user_model().objects.create(username="grace", role="developer", is_staff=True))

    assert "data-move" not in page_of(browser, Alias.objects.get(name="weather"))
