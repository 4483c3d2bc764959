"""Times on pages: told and read in the viewer's zone, and in UTC for programs and for whom no zone is known."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.models import Role, User
from rainymodel_site.tests.api_client import someone
from rainymodel_site.zone import COOKIE

LIST = "/admin/gateway/requestlog/"
ZONES = pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Tokyo", "21 Nov 2026 23:30:00 JST"),
        ("America/New_York", "21 Nov 2026 09:30:00 EST"),
        ("", "21 Nov 2026 14:30:00 UTC"),
        ("Middle/Earth", "21 Nov 2026 14:30:00 UTC"),
        ("../../etc/passwd", "21 Nov 2026 14:30:00 UTC"),
    ],
)


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(someone("root", Role.ADMIN))
    return client


@pytest.mark.django_db
@ZONES
def test_a_moment_is_told_in_the_viewers_zone(operator: Client, zone: str, told: str):
    operator.cookies[COOKIE] = zone
    User.objects.update(last_sign_in=datetime(2026, 11, 21, 14, 30, tzinfo=UTC))

    assert told in operator.get("/admin/accounts/user/").content.decode()
    assert told in operator.get(f"{LIST}?from=2026-11-21T14:30:00Z").content.decode()


@pytest.mark.django_db
def test_a_moment_that_is_typed_is_one_of_the_viewers_zone_and_a_link_means_the_same_to_everybody(
    operator: Client,
):
    operator.cookies[COOKIE] = "Asia/Tokyo"
    page = operator.get(f"{LIST}?from=2026-11-21T23:30&stream=yes").content.decode()

    assert "21 Nov 2026 23:30:00 JST" in page
    assert "from=2026-11-21T14%3A30%3A00Z" in page
    assert 'value="2026-11-21T23:30:00"' in page


@pytest.mark.django_db
def test_programs_and_the_public_page_are_told_utc(operator: Client):
    operator.cookies[COOKIE] = "Asia/Tokyo"

    assert "JST" not in operator.get("/status", HTTP_ACCEPT="text/html").content.decode()
    assert operator.get("/api/analytics/timeseries/").json()["since"].endswith("Z")
