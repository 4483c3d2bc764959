"""Safe to delete? Who uses a provider, deployment, alias or key, how much, and what would answer without it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Role
from rainymodel_site.console.usage_of import usage_of
from rainymodel_site.tests.api_client import someone, with_key
from rainymodel_site.tests.explaining import log_row, publish_small
from routing.models import Alias, Deployment, Provider, Route

pytestmark = pytest.mark.django_db
PAGE = "/admin/console/usage-of/"


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    publish_small(monkeypatch)


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(someone("root", Role.ADMIN))
    return client


def logged(**fields: Any) -> None:
    answered = {"provider": "sun", "deployment": "sun/bright", "tier": "free", "key_label": "laptop"}
    log_row(**{**answered, **fields})


def test_counts_the_last_use_and_the_keys_come_from_the_roll_ups():
    logged()
    logged(key_label="shop")
    logged(key_label="shop")
    logged(minutes_ago=60 * 24 * 4)

    use = usage_of("provider", "sun")

    assert use.counts == (("24 hours", 3), ("7 days", 4), ("30 days", 4))
    assert use.users == (("laptop", 2), ("shop", 2))
    assert use.unit == "minute"
    assert use.last is not None
    assert timedelta(0) <= datetime.now(UTC) - use.last < timedelta(minutes=12)


def test_of_a_deployment_the_newest_rows_tell_the_keys():
    logged(key_label="shop")
    logged(deployment="moon/pale", key_label="other")

    use = usage_of("deployment", "sun/bright")

    assert use.users == (("shop", 1),)
    assert use.counts[0] == ("24 hours", 1)


def test_a_key_is_counted_by_its_id():
    _, row = with_key(someone())
    logged(key_id=row.pk)
    logged()

    use = usage_of("key", row.label, str(row.pk))

    assert [count for _, count in use.counts] == [1, 1, 1]
    assert use.instead == ()


def test_what_nobody_used_is_said_to_be_unused():
    use = usage_of("alias", "weather")

    assert (use.is_unused, use.last, use.is_last_known) == (True, None, True)


def test_each_alias_is_told_what_would_answer_without_it():
    found = {one.alias: (one.now, one.then, one.is_lost) for one in usage_of("provider", "sun").instead}

    assert found["weather-mini"] == ("sun/bright", "moon/pale", False)
    Route.objects.filter(alias__name="weather-mini", deployment__slug="moon/pale").delete()
    (lost,) = [one for one in usage_of("provider", "sun").instead if one.alias == "weather-mini"]
    assert (lost.now, lost.then, lost.is_lost, lost.why) == ("sun/bright", "", True, "")


def test_without_an_alias_its_name_may_lead_elsewhere():
    pattern = Alias.objects.create(name="weather-*")
    Route.objects.create(alias=pattern, deployment=Deployment.objects.get(slug="moon/pale"), position=1)

    (one,) = usage_of("alias", "weather-mini").instead

    assert (one.now, one.then) == ("sun/bright", "moon/pale")


def test_a_pattern_counts_like_any_alias():
    pattern = Alias.objects.create(name="weather-*")
    Route.objects.create(alias=pattern, deployment=Deployment.objects.get(slug="sun/bright"), position=1)
    wider = Alias.objects.create(name="weath*")
    Route.objects.create(alias=wider, deployment=Deployment.objects.get(slug="moon/pale"), position=1)

    (without,) = usage_of("alias", "weather-*").instead
    of_provider = {one.alias: (one.now, one.then) for one in usage_of("provider", "sun").instead}

    assert (without.alias, without.now, without.then) == ("weather-*", "sun/bright", "moon/pale")
    assert of_provider["weather-*"] == ("sun/bright", "")


def test_what_postgres_does_not_have_in_time_is_not_known(browser: Client):
    logged()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gateway_traffic_day RENAME TO elsewhere")

    use = usage_of("provider", "sun")

    assert use.counts == (("24 hours", 1), ("7 days", None), ("30 days", None))
    text = browser.get(f"{PAGE}?kind=provider&id={Provider.objects.get(slug='sun').pk}").content.decode()
    assert "not known" in text


@pytest.mark.parametrize("kind", ["provider", "deployment", "alias"])
def test_the_page_that_deletes_asks_who_uses_it(browser: Client, kind: str):
    names = {"provider": ("slug", "moon"), "deployment": ("slug", "moon/pale"), "alias": ("name", "weather")}
    field, name = names[kind]
    model = {"provider": Provider, "deployment": Deployment, "alias": Alias}[kind]
    row = model.objects.get(**{field: name})

    page = browser.get(f"/admin/routing/{kind}/{row.pk}/delete/").content.decode()
    panel = browser.get(f"{PAGE}?kind={kind}&id={row.pk}", headers={"HX-Request": "true"}).content.decode()

    assert f'hx-get="{PAGE}?kind={kind}&amp;id={row.pk}"' in page
    assert f"Who uses {name}" in panel
    assert "<html" not in panel


@pytest.mark.parametrize(
    "query", ["kind=moon&id=1", "kind=alias&id=x", "kind=alias&id=99999", "kind=key&id=7"]
)
def test_what_is_not_there_is_not_found(browser: Client, query: str):
    assert browser.get(f"{PAGE}?{query}").status_code == 404


def test_developers_see_no_keys():
    client = Client()
    client.force_login(someone("dev", Role.DEVELOPER))
    _, row = with_key(someone())

    assert client.get(f"{PAGE}?kind=key&id={row.pk}").status_code == 403
    assert client.get(PAGE).status_code == 200
