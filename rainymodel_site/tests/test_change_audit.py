"""Every change that an operator makes leaves an entry: who, from where, what before and after."""

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.actor import Actor, acting, current_actor
from accounts.audit import verify
from accounts.issue import issue_key
from accounts.models import AuditEntry, Role, User
from rainymodel_site import audit
from routing.models import Alias, Deployment, Provider, Route, Tier

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def watched():
    audit.connect()


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada", role=Role.ADMIN)


def last() -> AuditEntry:
    return AuditEntry.objects.order_by("-id")[0]


def a_provider(**fields: Any) -> Provider:
    return Provider.objects.create(
        slug="hf", upstream="hf", base_url="https://router.huggingface.co/v1", **fields
    )


def test_a_new_row_is_recorded_with_its_values():
    a_provider()

    entry = last()
    assert (entry.action, entry.subject_type, entry.subject) == ("created", "provider", "hf")
    assert entry.changes["base_url"] == [None, "https://router.huggingface.co/v1"]
    assert entry.changes["enabled"] == [None, True]


def test_a_change_is_recorded_field_by_field():
    provider = a_provider()
    provider.enabled, provider.connect_limit = False, 5
    provider.save()

    assert last().action == "changed"
    assert last().changes == {"enabled": [True, False], "connect_limit": ["3.0", "5.0"]}


def test_related_rows_are_recorded_by_name():
    tier = Tier.objects.create(slug="free", name="Free", billing="free", rank=1)
    deployment = Deployment.objects.create(provider=a_provider(), model="llama", tier=tier)
    Route.objects.create(alias=Alias.objects.create(name="auto"), deployment=deployment)

    assert last().changes["deployment"] == [None, "hf/llama"]
    assert last().subject == "auto → hf/llama"


def test_a_save_without_a_change_leaves_no_entry():
    provider = a_provider()
    before = AuditEntry.objects.count()
    provider.save()

    assert AuditEntry.objects.count() == before


def test_only_what_was_written_is_recorded():
    provider = a_provider()
    provider.enabled, provider.upstream = False, "other"
    provider.save(update_fields=["enabled"])

    assert last().changes == {"enabled": [True, False]}


def test_a_deleted_row_is_recorded_with_what_it_held():
    a_provider().delete()

    assert (last().action, last().subject) == ("deleted", "hf")
    assert last().changes["upstream"] == ["hf", None]


def test_of_secrets_only_the_change_is_recorded(ada: User):
    row, new = issue_key(ada, "Lamino")
    row.secret_hash = b"x" * 32
    row.save()

    assert last().changes == {"secret_hash": ["changed", "changed"]}
    held = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert new.text not in held and new.text[15:47] not in held and "xxxx" not in held


def test_use_leaves_no_entry(ada: User):
    row, _ = issue_key(ada, "Lamino")
    before = AuditEntry.objects.count()
    row.last_used_at = ada.last_sign_in = ada.last_login = timezone.now()
    row.save()
    ada.save()

    assert AuditEntry.objects.count() == before


def test_the_admins_own_form_records_the_user_and_the_address(ada: User):
    browser = Client(REMOTE_ADDR="192.0.2.7")
    browser.force_login(ada)
    browser.post("/admin/accounts/user/add/", {"username": "lamino", "role": "service", "is_active": "on"})

    assert (last().actor, last().address, last().action, last().subject) == (
        "ada",
        "192.0.2.7",
        "created",
        "lamino",
    )


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.5", "192.0.2.7"),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "10.6.6.6, 203.0.113.5", "203.0.113.5"),
        (2, "203.0.113.5, 198.51.100.1", "203.0.113.5"),
        (2, "203.0.113.5", "192.0.2.7"),
        (1, "nonsense", None),
        (1, "", None),
    ],
)
def test_the_address_is_the_nth_from_the_right(
    settings: Any, proxies: int, forwarded: str, address: str | None
):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR="192.0.2.7")

    assert audit.client_address(request) == address


def test_outside_a_request_the_command_is_the_actor():
    with acting(lambda: Actor("make run")):
        a_provider()
    assert last().actor == "make run"
    assert current_actor().name not in {"", "make run"}


def test_loading_many_rows_leaves_one_entry_that_counts_them():
    provider = a_provider()
    before = AuditEntry.objects.count()
    with audit.quiet("the starting catalogue"):
        Tier.objects.create(slug="free", name="Free", billing="free", rank=1)
        Tier.objects.create(slug="paid", name="Paid", billing="metered", rank=2)
        provider.delete()

    assert AuditEntry.objects.count() == before + 1
    assert (last().action, last().subject) == ("loaded", "the starting catalogue")
    assert last().changes == {"tiers created": [None, 2], "providers deleted": [None, 1]}


def test_loading_nothing_leaves_no_entry():
    before = AuditEntry.objects.count()
    with audit.quiet("nothing"):
        pass
    assert AuditEntry.objects.count() == before


def test_a_load_that_fails_half_way_still_says_what_it_did():
    with pytest.raises(ImproperlyConfigured), audit.quiet("a broken file"):
        a_provider()
        raise ImproperlyConfigured

    assert last().changes == {"providers created": [None, 1]}


class Awkward:
    """A value whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError


def test_what_the_audit_cannot_compare_is_recorded_as_such(ada: User):
    row, _ = issue_key(ada, "Lamino")
    row.__dict__["expires_at"] = Awkward()

    assert audit.compare(row, None, None) == {"values": (None, "could not be compared")}


def test_a_name_with_hidden_characters_does_not_stop_the_save(ada: User):
    row, _ = issue_key(ada, "Lamino")
    row.label = "hidden\u202ename"
    row.save()

    assert last().changes == {"label": ["Lamino", "hidden\u202ename"]}


def test_an_entry_that_cannot_be_written_does_not_stop_the_save(ada: User):
    def nobody() -> Actor:
        raise RuntimeError

    with acting(nobody):
        a_provider()

    assert Provider.objects.count() == 1


def test_the_chain_holds_over_all_of_it(ada: User):
    a_provider(extra_headers={"X-Title": "Räiny\u0007"})
    issue_key(ada, "Lamino", networks=["10.0.0.0/8"], usd_per_day="1.5")

    assert verify() is None


def test_requests_at_the_same_time_keep_their_own_actors():
    request_factory = RequestFactory()

    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.01)
        return HttpResponse(current_actor().address)

    async def both() -> list[str]:
        middleware = audit.ActorMiddleware(view)
        requests = [request_factory.get("/", REMOTE_ADDR=f"192.0.2.{number}") for number in (1, 2)]
        return [
            answer.text for answer in await asyncio.gather(*(middleware(request) for request in requests))
        ]

    assert asyncio.run(both()) == ["192.0.2.1", "192.0.2.2"]
