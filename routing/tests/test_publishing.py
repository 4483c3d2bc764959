"""Publishing: numbered revisions, refusals, holding, rolling back, and two operators at once."""

import threading
import time
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from rainymodel_site.console.change.mark import _known, has_unpublished
from rainymodel_site.overview.attention import unpublished_changes
from routing.catalogue import read_document
from routing.document import document_sha256
from routing.draft import draft_mark, hold
from routing.models import Alias, CatalogueRevision, Deployment, Provider, PublishingSwitch, Route
from routing.provider_secrets import set_secret
from routing.publish import (
    LOCK,
    PublishRefused,
    StaleParent,
    UnknownRevision,
    publish,
    publish_saved,
    publishing_lock,
    roll_back,
)
from routing.schedule import NotScheduled, schedule
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db


def test_revisions_count_from_one_and_name_author_note_and_parent():
    load_small()
    first = publish("ada", "the start")
    Deployment.objects.filter(slug="moon/pale").update(quality=8)
    second = publish("grace")

    assert (first.number, first.changed, second.number) == (1, True, 2)
    one, two = CatalogueRevision.objects.order_by("number")
    assert (one.author, one.note, one.parent) == ("ada", "the start", None)
    assert (two.author, two.note, two.parent) == ("grace", "", 1)
    assert two.document == read_document()
    assert two.sha256 == document_sha256(read_document())


def test_publishing_what_serves_already_makes_no_revision():
    load_small()
    publish("ada")

    again = publish("ada")

    assert (again.number, again.changed) == (1, False)
    assert CatalogueRevision.objects.count() == 1


@pytest.mark.fault("I12")
def test_a_draft_with_errors_is_refused_with_the_findings_and_stays_a_draft():
    load_small()
    publish("ada")
    Route.objects.filter(alias__name="weather").delete()

    with pytest.raises(PublishRefused, match=r"alias weather: It has no route\. Add a route") as refused:
        publish("ada")

    assert [finding.subject for finding in refused.value.findings if finding.level == "error"] == [
        "alias weather"
    ]
    assert CatalogueRevision.objects.count() == 1
    assert not Route.objects.filter(alias__name="weather").exists()


def test_a_draft_that_does_not_compile_is_refused_too():
    load_small()
    Provider.objects.filter(slug="sun").update(base_url="https://${HOME}/")

    with pytest.raises(PublishRefused, match="HOME may not stand in a URL"):
        publish("ada")


def test_warnings_do_not_refuse():
    load_small()
    Provider.objects.filter(slug="sun").update(base_url="http://10.1.1.1/v1", address_class="private")

    warnings = publish("ada").warnings

    assert any("RAINYMODEL_PRIVATE_UPSTREAMS" in finding.message for finding in warnings)
    assert all(finding.level == "warning" for finding in warnings)


@pytest.mark.fault("I34")
def test_a_batch_based_on_an_older_revision_is_refused_with_both_numbers():
    load_small()
    publish("ada")
    Alias.objects.filter(name="weather").update(description="changed")
    publish("grace")
    Alias.objects.filter(name="weather").update(description="changed again")

    with pytest.raises(StaleParent) as stale:
        publish("ada", parent=1)

    assert (stale.value.based_on, stale.value.newest) == (1, 2)
    assert "revision 2 was published since you looked at 1" in str(stale.value)
    assert publish("ada", parent=2).number == 3


def test_saves_publish_unless_publishing_is_held():
    load_small()
    switch = PublishingSwitch.load()
    switch.held = True
    switch.save()

    assert publish_saved("ada") is None
    assert not CatalogueRevision.objects.exists()
    switch.held = False
    switch.save()
    assert publish_saved("ada").number == 1


def test_rolling_back_restores_the_tables_and_publishes_them_as_the_newest():
    load_small()
    publish("ada")
    before = read_document()
    Alias.objects.filter(name="weather").delete()
    Provider.objects.filter(slug="sun").update(first_content_limit=1)
    publish("ada")

    done = roll_back(1, "grace")

    assert (done.number, done.changed) == (3, True)
    assert read_document() == before
    newest = CatalogueRevision.objects.get(number=3)
    assert (newest.note, newest.author, newest.document) == ("Roll back to revision 1", "grace", before)


def test_rolling_back_to_nothing_or_to_what_cannot_be_restored_changes_nothing():
    load_small()
    publish("ada")
    revision = CatalogueRevision.objects.get(number=1)
    CatalogueRevision.objects.create(
        number=2, document=revision.document | {"schema": 9}, sha256="", author="future", parent=1
    )
    before = read_document()

    with pytest.raises(UnknownRevision, match="no revision 7"):
        roll_back(7, "ada")
    with pytest.raises(PublishRefused, match="schema 9"):
        roll_back(2, "ada")
    assert read_document() == before
    assert CatalogueRevision.objects.count() == 2


def test_the_command_publishes_with_a_note_and_says_what_it_did():
    load_small()
    out = StringIO()
    call_command("publish", note="by hand", stdout=out)
    call_command("publish", stdout=out)

    first, *warnings, second = [
        line for line in out.getvalue().splitlines() if not line.startswith("warning:")
    ]
    assert (first, second, warnings) == ("Published as revision 1.", "Revision 1 is the draft already.", [])
    assert CatalogueRevision.objects.get().note == "by hand"
    Alias.objects.filter(name="weather").delete()
    Alias.objects.create(name="broken")
    with pytest.raises(CommandError, match="alias broken: It has no route"):
        call_command("publish")


@pytest.mark.django_db(transaction=True)
def test_every_change_of_revisions_and_secrets_is_notified_with_the_newest_number():
    with listener() as listening:
        load_small()
        publish("ada")
        assert payloads(listening) == ["1"]
        set_secret(Provider.objects.get(slug="sun"), "a-secret", "ada")
        assert payloads(listening) == ["1"]
        Alias.objects.filter(name="weather").update(description="changed")
        publish("ada")
        assert payloads(listening) == ["2"]


@pytest.mark.fault("I34")
@pytest.mark.django_db(transaction=True)
def test_operators_who_publish_at_once_get_numbers_without_gaps():
    load_small()
    errors = []

    def edit_and_publish(count: int) -> None:
        try:
            Alias.objects.filter(name=f"weather{'' if count % 2 else '-mini'}").update(
                description=f"edit {count}"
            )
            publish(f"operator {count}")
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=edit_and_publish, args=(count,)) for count in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    numbers = list(CatalogueRevision.objects.order_by("number").values_list("number", "parent"))
    assert numbers == [(number, number - 1 or None) for number in range(1, len(numbers) + 1)]
    assert CatalogueRevision.objects.first().document == read_document()


@pytest.mark.django_db(transaction=True)
def test_who_waited_to_publish_sees_what_was_held_meanwhile():
    load_small()
    done = []

    def save() -> None:
        try:
            done.append(publish_saved("ada"))
        finally:
            connections.close_all()

    saving = threading.Thread(target=save)
    with publishing_lock():
        saving.start()
        while not waiters():
            time.sleep(0.01)
        hold()
    saving.join()

    assert done == [None]
    assert not CatalogueRevision.objects.exists()


def test_a_field_that_came_with_a_later_version_is_nothing_to_publish():
    load_small()
    Provider.objects.update(quota_window=None)
    publish("ada")
    serving = CatalogueRevision.objects.get()
    for entry in serving.document["providers"]:
        del entry["quota_window"]
    serving.sha256 = document_sha256(serving.document)
    serving.save()

    assert not has_unpublished()
    assert list(unpublished_changes(timezone.now())) == []
    assert publish("ada").changed is False
    with pytest.raises(NotScheduled, match="nothing to publish"):
        schedule(timezone.now() + timedelta(hours=1), "ada", parent=1, seen=draft_mark())
    Provider.objects.filter(slug="sun").update(quota_window="month")
    _known.clear()
    assert has_unpublished()
    assert publish("ada").changed


def waiters() -> int:
    """How many wait for the publishing lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE objid = %s AND NOT granted", [LOCK])
        return cursor.fetchone()[0]


def listener() -> psycopg.Connection:
    database = connection.settings_dict
    listening = psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"] or None,
        dbname=database["NAME"],
        autocommit=True,
    )
    listening.execute("LISTEN rainymodel_catalogue")
    return listening


def payloads(listening: psycopg.Connection) -> list[str]:
    """Payloads of the notifications that have arrived, several of one transaction as one."""
    return list(dict.fromkeys(note.payload for note in listening.notifies(timeout=0.5, stop_after=None)))
