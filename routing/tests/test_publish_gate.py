"""Publishing what would take the last deployment from requests that are answered now."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEntry
from routing.models import Alias, CatalogueRevision, Deployment, PublishingSwitch, Route
from routing.publish import REASON_LENGTH, CellsEmptied, newest_revision, noted, publish
from routing.tests.open_catalogue import load_open
from routing.tests.pages import edit, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    """The open catalogue serves."""
    load_open()
    publish("start")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def switch_off(slug: str) -> None:
    Deployment.objects.filter(slug=slug).update(enabled=False)


def test_a_draft_that_empties_cells_is_refused_with_their_names():
    switch_off("sun/bright")

    with pytest.raises(CellsEmptied, match="weather with policy free: chat") as refused:
        publish("ada")

    assert {str(cell) for cell in refused.value.cells} == {
        "weather with policy free: chat", "weather with policy free: tools",
        "weather with policy free: long context",
    }  # fmt: skip
    assert newest_revision().number == 1


def test_a_reason_lets_it_pass_and_stands_in_the_note_and_in_the_audit():
    switch_off("sun/bright")

    done = publish("ada", "summer", reason="the sun is\nserviced")

    assert (done.number, len(done.emptied)) == (2, 3)
    assert newest_revision().note == "summer · Reason: the sun is serviced"
    entry = AuditEntry.objects.get(action="published", subject="revision 2")
    assert entry.actor == "ada"
    assert entry.changes["note"] == [None, "summer · Reason: the sun is serviced"]
    assert "weather with policy free: chat" in entry.changes["emptied"][1]


def test_a_reason_that_nothing_needs_is_left_out_and_blanks_are_none():
    Alias.objects.filter(name="weather").update(description="changed")
    publish("ada", reason="just so")
    assert newest_revision().note == ""

    switch_off("sun/bright")
    with pytest.raises(CellsEmptied):
        publish("ada", reason="  \n ")


def test_a_long_note_leaves_room_for_the_reason():
    note = noted("n" * 300, "r" * 300)

    assert len(note) == 300
    assert note.endswith(f" · Reason: {'r' * REASON_LENGTH}")


def test_publishing_again_after_a_reason_needs_none():
    switch_off("sun/bright")
    publish("ada", reason="serviced")
    Alias.objects.filter(name="storm").update(description="changed")

    assert publish("ada").emptied == ()


def test_a_single_save_that_empties_a_cell_stays_a_draft_and_leads_to_the_review(operator):
    response = edit(
        operator,
        Deployment.objects.get(slug="sun/bright"),
        tier=str(Deployment.objects.get(slug="rain/heavy").tier_id),
    )

    (warning,) = [text for text in told(response) if text.startswith("Saved as a draft, not published")]
    assert "weather with policy free: chat" in warning
    assert (
        '<a class="underline" href="/admin/console/draft/">Review the draft</a>' in response.content.decode()
    )
    assert newest_revision().number == 1
    assert Deployment.objects.get(slug="sun/bright").tier.slug == "direct"


def test_deleting_what_clients_still_name_stays_a_draft(operator):
    operator.post(f"/admin/routing/alias/{Alias.objects.get(name='storm').pk}/delete/", {"post": "yes"})

    assert newest_revision().number == 1
    assert not Alias.objects.filter(name="storm").exists()


def test_rolling_back_needs_no_reason_and_says_what_it_empties(operator):
    row = Deployment.objects.get(slug="rain/heavy")
    Alias.objects.create(name="new")
    Route.objects.create(alias=Alias.objects.get(name="new"), deployment=row)
    publish("ada")

    response = operator.post(
        "/admin/routing/cataloguerevision/1/roll_back/", {"_form_submitted": "on"}, follow=True
    )

    assert "Rolled back: published as revision 3." in told(response)
    assert any("without a deployment now: new with no policy named: chat" in text for text in told(response))
    entry = AuditEntry.objects.get(action="rolled back")
    assert (entry.actor, entry.subject) == ("ada", "revision 3")


def test_the_command_takes_a_reason():
    switch_off("sun/bright")
    with pytest.raises(CommandError, match="publish it with a reason"):
        call_command("publish")

    call_command("publish", reason="serviced", stdout=StringIO())

    assert newest_revision().note == "Reason: serviced"


def test_holding_and_resuming_are_in_the_audit(operator):
    for action in ("hold", "resume"):
        operator.post(f"/admin/routing/cataloguerevision/{action}/", {"_form_submitted": "on"})

    found = AuditEntry.objects.filter(subject_type="publishing switch", action="changed").order_by("id")
    assert [entry.changes["held"] for entry in found] == [[False, True], [True, False]]
    assert not PublishingSwitch.load().held
    assert CatalogueRevision.objects.count() == 1
