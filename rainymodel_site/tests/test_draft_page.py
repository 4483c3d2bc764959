"""The page of the draft: what it shows, and what its buttons do."""

import io
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from gateway.models import Worker
from routing.catalogue import read_document
from routing.draft import draft_mark, export_text
from routing.models import (
    Alias,
    CatalogueRevision,
    Deployment,
    Provider,
    PublishingSwitch,
    Route,
    ScheduledPublication,
)
from routing.publish import newest_revision, publish
from routing.tests.open_catalogue import load_open
from routing.tests.pages import edit, told

pytestmark = pytest.mark.django_db
PAGE = "/admin/console/draft/"


def person(role: str, **fields) -> Client:
    client = Client()
    user = get_user_model().objects.create(username=f"a-{role}", role=role, **fields)
    client.force_login(user, backend="accounts.roles.RoleBackend")
    return client


@pytest.fixture
def operator() -> Client:
    """An admin, where the open catalogue serves and publishing is held."""
    load_open()
    publish("start")
    client = person("admin")
    client.post(PAGE, {"do": "hold"}, follow=True)
    return client


def text_of(client: Client, path: str = PAGE) -> str:
    return " ".join(client.get(path).content.decode().split())


def press(client: Client, do: str, **fields):
    """A button, with what the page's hidden fields say now unless told otherwise."""
    seen = {"parent": str(newest_revision().number), "seen": draft_mark()}
    return client.post(PAGE, {"do": do} | seen | fields, follow=True)


def describe(text: str) -> None:
    Alias.objects.filter(name="weather").update(description=text)


def test_a_draft_that_equals_what_serves_says_what_to_do(operator):
    text = text_of(operator)

    assert "Nothing to publish" in text
    assert "Edit an <a" in text
    assert "not published</span>" not in text.replace(" </span>", "</span>")
    assert 'value="publish"' not in text


def test_what_differs_is_shown_by_thing_with_its_page_its_findings_and_its_editor(operator):
    edit(operator, Provider.objects.get(slug="sun"), connect_limit="9")
    Route.objects.filter(alias__name="storm").delete()

    text = text_of(operator)

    assert f'<a href="/admin/routing/provider/{Provider.objects.get(slug="sun").pk}/change/">sun</a>' in text
    assert "edited by a-admin" in text
    assert "<del>3.0</del> → <ins>9.0</ins>" in text
    storm = text[text.index(">storm</a>") :]
    assert "<b>error</b> It has no route." in storm[: storm.index("</article>")]
    assert 'value="publish" disabled' in text
    assert "not published" in text  # the mark in the sidebar


def test_moved_routes_are_shown_as_such(operator):
    for place, slug in enumerate(["rain/heavy", "sun/bright"]):
        Route.objects.filter(alias__name="weather", deployment__slug=slug).update(position=place)

    assert "<b>moved</b> <span>rain/heavy</span>: <del>place 2</del> → <ins>place 1</ins>" in text_of(
        operator
    )


def test_the_matrix_has_the_emptied_cells_first_and_asks_for_a_reason(operator):
    assert "No number changes." in text_of(operator)
    Deployment.objects.filter(slug="sun/bright").update(enabled=False)

    text = text_of(operator)

    assert text.index("Would lose their last deployment") < text.index("Would change")
    assert '<td class="number bad">1 → 0</td>' in text
    assert '<td class="number other">2 → 1</td>' in text
    assert 'name="reason"' in text
    assert "All others" in text


def test_publishing_with_a_note_and_a_reason_leads_to_the_arrival(operator):
    Deployment.objects.filter(slug="sun/bright").update(enabled=False)

    refused = press(operator, "publish", note="summer")
    assert refused.status_code == 409
    assert 'value="summer"' in refused.content.decode()
    assert newest_revision().number == 1
    response = press(operator, "publish", note="summer", reason="serviced")

    assert response.redirect_chain[-1][0] == f"{PAGE}?published=2"
    assert told(response) == ["Published as revision 2; new requests use it."]
    assert newest_revision().note == "summer · Reason: serviced"


@pytest.mark.fault("I34")
def test_a_stale_parent_is_refused_and_the_new_difference_is_shown(operator):
    describe("Somebody else's.")
    publish("grace")
    describe("Mine.")

    response = press(operator, "publish", parent="1", note="mine")

    text = response.content.decode()
    assert response.status_code == 409
    assert "revision 2 was published since you looked at 1" in told(response)[0]
    assert "<del>Somebody else&#x27;s.</del> → <ins>Mine.</ins>" in text
    assert '<input type="hidden" name="parent" value="2">' in text
    assert newest_revision().number == 2


def test_a_draft_that_was_edited_since_it_was_looked_at_is_not_published(operator):
    describe("Seen.")
    seen = draft_mark()
    describe("Not seen.")

    response = press(operator, "publish", seen=seen)

    assert (response.status_code, newest_revision().number) == (409, 1)
    assert "edited since you looked" in told(response)[0]


def test_discarding_asks_shows_what_is_lost_and_restores(operator):
    before = read_document()
    describe("Lost.")
    Alias.objects.filter(name="storm").delete()

    question = text_of(operator, f"{PAGE}discard/")
    assert "<ins>Lost.</ins>" in question
    assert Alias.objects.get(name="weather").description == "Lost."
    response = operator.post(f"{PAGE}discard/", {"seen": draft_mark()}, follow=True)

    assert told(response) == ["The draft is discarded: the tables say what serves."]
    assert read_document() == before
    entry = AuditEntry.objects.get(action="discarded")
    assert entry.changes["lost"][1] == [
        "alias storm: removed",
        "alias weather: description: General purpose. → Lost.",
    ]


def test_a_draft_with_edits_that_were_not_seen_is_not_discarded(operator):
    seen = draft_mark()
    describe("Not seen.")

    operator.post(f"{PAGE}discard/", {"seen": seen})

    assert Alias.objects.get(name="weather").description == "Not seen."


def test_scheduling_cancelling_and_a_refusal_are_on_the_page(operator):
    describe("Later.")
    at = (timezone.now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")

    press(operator, "schedule", at=at, note="spring")
    waiting = text_of(operator)
    made = ScheduledPublication.objects.get()
    describe("Meanwhile.")
    doomed = text_of(operator)
    press(operator, "cancel", scheduled=str(made.pk))
    made.refresh_from_db()
    ScheduledPublication.objects.update(state="refused", outcome="The draft was edited.")

    assert "It will be published at" in waiting
    assert "with the note “spring”" in waiting
    assert "it will be refused" not in waiting
    assert "it will be refused" in doomed
    assert made.state == "cancelled"
    assert "was not published" in text_of(operator)
    assert "The draft was edited." in text_of(operator)


def test_a_time_without_an_offset_is_one_of_the_viewers_zone(operator):
    describe("Later.")
    operator.cookies["rainymodel_zone"] = "Asia/Tokyo"
    at = (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    there = at.astimezone(ZoneInfo("Asia/Tokyo"))
    page = press(operator, "schedule", at=there.strftime("%Y-%m-%dT%H:%M"))

    assert ScheduledPublication.objects.get().at == at
    assert f"published at {there:%d %b %Y %H:%M:%S} JST" in page.content.decode()


def test_a_time_may_say_its_offset(operator):
    describe("Later.")
    at = (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    there = at.astimezone(ZoneInfo("Asia/Kolkata"))

    press(operator, "schedule", at=there.isoformat())

    assert ScheduledPublication.objects.get().at == at


@pytest.mark.parametrize("at", ["", "tomorrow", "2020-01-01T00:00", "0001-01-01T00:00+14:00"])
def test_a_time_that_is_none_is_refused_with_what_was_typed(operator, at):
    describe("Later.")

    response = press(operator, "schedule", at=at, note="kept")

    assert response.status_code == 409
    assert 'value="kept"' in response.content.decode()
    assert not ScheduledPublication.objects.exists()


def test_holding_and_resuming(operator):
    assert PublishingSwitch.load().held
    assert "Publishing is held:" in text_of(operator)

    press(operator, "resume")

    assert not PublishingSwitch.load().held
    assert "Saves publish by themselves" in text_of(operator)


def upload(client: Client, text: str):
    file = io.BytesIO(text.encode())
    file.name = "kept.json"
    return client.post(f"{PAGE}import/", {"file": file})


def test_a_file_is_exported_previewed_and_brought_into_the_draft(operator):
    kept = operator.get(f"{PAGE}export/?revision=1")
    describe("Edited.")

    preview = upload(operator, kept.content.decode())
    text = " ".join(preview.content.decode().split())
    assert "<del>Edited.</del> → <ins>General purpose.</ins>" in text
    assert Alias.objects.get(name="weather").description == "Edited."
    response = operator.post(f"{PAGE}import/", {"apply": preview.context["sealed"]}, follow=True)

    assert kept["Content-Disposition"] == 'attachment; filename="rainymodel-revision-1.json"'
    assert kept.content.decode() == export_text("1")
    assert told(response) == ["kept.json is in the draft. Publishing is held: review it, then publish."]
    assert Alias.objects.get(name="weather").description == "General purpose."


def test_a_preview_of_another_draft_is_not_applied_and_neither_is_what_nobody_previewed(operator):
    preview = upload(operator, export_text("1").replace("General purpose.", "From the file."))
    describe("Meanwhile.")

    moved = operator.post(f"{PAGE}import/", {"apply": preview.context["sealed"]})
    forged = operator.post(f"{PAGE}import/", {"apply": "forged"})

    assert "edited since you looked" in told(moved)[0]
    assert "more than an hour old" in told(forged)[0]
    assert Alias.objects.get(name="weather").description == "Meanwhile."


def test_a_bad_file_is_refused_with_the_line(operator):
    bad = export_text("1").replace('"rank": 1', '"rank": "first"')

    response = upload(operator, bad)

    assert told(response)[0].startswith("Nothing was imported. Line 7: tier 'free': rank")


def worker(number: int, revision: int, **fields) -> Worker:
    now = timezone.now()
    usual = {"heartbeat_at": now, "started_at": now, "revision_since": now, "ready": True}
    return Worker.objects.create(
        hostname="here", pid=number, number=number, revision=revision, **(usual | fields)
    )


def test_the_arrival_says_who_has_the_revision_and_asks_again_until_all_have(operator):
    worker(1, 1)
    second = worker(2, 0)
    worker(3, 0, heartbeat_at=timezone.now() - timedelta(minutes=5))
    part = f"{PAGE}arrival/?revision=1"

    on_its_way = text_of(operator, part)
    CatalogueRevision.objects.update(published_at=timezone.now() - timedelta(seconds=6))
    late = text_of(operator, part)
    second.revision = 1
    second.save()
    there = text_of(operator, part)

    assert "Revision 1 is on its way" in on_its_way
    assert 'hx-trigger="every 1s"' in on_its_way
    assert "has not reached every worker after 5 seconds" in late
    assert "<b>worker 2</b> still serves revision 0." in late
    assert "Revision 1 serves in all 2 workers" in there
    assert "hx-trigger" not in there
    assert "1 worker presumed dead" in there


def test_who_may_look_but_not_publish_sees_no_buttons_and_is_refused(operator):
    describe("Edited.")
    developer = person("developer")

    text = text_of(developer)

    assert "<ins>Edited.</ins>" in text
    for button in ("publish", "schedule", "hold", "resume", "cancel"):
        assert f'value="{button}"' not in text
        assert press(developer, button).status_code == 403
    assert developer.post(f"{PAGE}discard/", {"seen": draft_mark()}).status_code == 403
    assert newest_revision().number == 1


def test_before_anything_is_published_the_page_offers_the_first_revision():
    load_open()
    client = person("admin")

    text = text_of(client)

    assert "<b>added</b> alias" in text
    assert client.post(PAGE, {"do": "publish", "parent": "0", "seen": draft_mark()}).status_code == 302
    assert newest_revision().number == 1
