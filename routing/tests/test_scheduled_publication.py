"""Publishing at a time: once, by whoever comes first, and refused when the catalogue is not what was reviewed."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import AuditEntry
from routing.draft import draft_mark, hold
from routing.models import Alias, CatalogueRevision, Deployment, PublishingSwitch, Route, ScheduledPublication
from routing.publish import CellsEmptied, DraftMoved, PublishRefused, StaleParent, newest_revision, publish
from routing.schedule import NotScheduled, cancel, carry_out_due, latest, schedule, waiting
from routing.tests.open_catalogue import load_open

pytestmark = pytest.mark.django_db
SOON = timedelta(minutes=5)


@pytest.fixture
def catalogue():
    """The open catalogue serves, and the draft says one thing more."""
    load_open()
    publish("start")
    describe("Rain and shine.")


def describe(text):
    Alias.objects.filter(name="weather").update(description=text)


def plan(**fields):
    usual = {
        "at": timezone.now() + SOON,
        "author": "ada",
        "note": "spring",
        "parent": 1,
        "seen": draft_mark(),
    }
    return schedule(**(usual | fields))


def at_its_time():
    return carry_out_due(timezone.now() + SOON + timedelta(seconds=1))


@pytest.mark.usefixtures("catalogue")
def test_it_waits_holds_publishing_and_is_published_at_its_time():
    made = plan()
    assert (waiting(), PublishingSwitch.load().held) == (made, True)
    assert carry_out_due() is None
    assert newest_revision().number == 1

    done = at_its_time()

    assert not PublishingSwitch.load().held
    assert (done.state, done.revision, done.outcome) == ("published", 2, "Published as revision 2.")
    newest = newest_revision()
    assert (newest.number, newest.author, newest.note, newest.parent) == (2, "ada", "spring", 1)
    assert at_its_time() is None
    assert list(AuditEntry.objects.filter(actor="ada").order_by("id").values_list("action", flat=True)) == [
        "scheduled",
        "published",
    ]


@pytest.mark.usefixtures("catalogue")
def test_a_stale_parent_is_refused_visibly_and_audited():
    plan()
    publish("grace")
    describe("again")

    done = at_its_time()

    assert done.state == "refused"
    assert "revision 2 was published since you looked at 1" in done.outcome
    assert (newest_revision().number, waiting(), latest()) == (2, None, done)
    entry = AuditEntry.objects.get(action="refused")
    assert entry.changes["why"] == [None, done.outcome]


@pytest.mark.usefixtures("catalogue")
def test_a_draft_that_does_not_validate_any_more_is_refused_with_the_finding():
    plan()
    Route.objects.filter(alias__name="storm").delete()

    assert "alias storm: It has no route." in at_its_time().outcome
    assert newest_revision().number == 1


@pytest.mark.usefixtures("catalogue")
def test_a_draft_that_was_edited_since_is_refused():
    plan()
    describe("something else")

    done = at_its_time()

    assert (done.state, "edited since" in done.outcome) == ("refused", True)
    assert newest_revision().number == 1


@pytest.mark.usefixtures("catalogue")
def test_a_reason_is_asked_for_when_it_is_scheduled_and_kept():
    Deployment.objects.filter(slug="sun/bright").update(enabled=False)
    with pytest.raises(CellsEmptied):
        plan()

    plan(reason="serviced at night")
    at_its_time()

    assert newest_revision().note == "spring · Reason: serviced at night"


@pytest.mark.usefixtures("catalogue")
def test_it_can_be_cancelled_once():
    made = plan()

    cancelled = cancel(made.pk, "grace")

    assert (cancelled.state, cancelled.outcome) == ("cancelled", "Cancelled by grace.")
    assert at_its_time() is None
    assert not PublishingSwitch.load().held
    assert AuditEntry.objects.filter(actor="grace", action="cancelled").count() == 1
    with pytest.raises(NotScheduled, match="not waiting any more"):
        cancel(made.pk, "grace")


@pytest.mark.usefixtures("catalogue")
def test_what_was_held_before_or_meanwhile_stays_held():
    hold()
    cancel(plan().pk, "grace")
    assert PublishingSwitch.load().held
    hold(False)
    plan()
    hold()

    assert at_its_time().state == "published"
    assert PublishingSwitch.load().held


@pytest.mark.usefixtures("catalogue")
def test_what_would_be_refused_then_is_refused_now():
    seen = draft_mark()
    for wrong, error in (
        ({"at": timezone.now() - SOON}, NotScheduled),
        ({"at": timezone.now() + timedelta(days=400)}, NotScheduled),
        ({"parent": 7}, StaleParent),
        ({"seen": "other"}, DraftMoved),
    ):
        with pytest.raises(error):
            plan(**wrong)
    describe("General purpose.")
    with pytest.raises(NotScheduled, match="nothing to publish"):
        plan()
    Route.objects.filter(alias__name="storm").delete()
    with pytest.raises(PublishRefused):
        plan()
    assert seen
    assert not ScheduledPublication.objects.exists()


@pytest.mark.usefixtures("catalogue")
def test_only_one_waits_at_a_time():
    plan()

    with pytest.raises(NotScheduled, match="cancel it first"):
        plan()


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_publish_it_once():
    load_open()
    publish("start")
    describe("Rain and shine.")
    plan()
    found, errors = [], []

    def work():
        try:
            found.append(at_its_time())
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert [done.revision for done in found if done] == [2]
    assert CatalogueRevision.objects.count() == 2
