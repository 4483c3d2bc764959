"""The history of a catalogue row: what changed, who did it, and the revision it went out with."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from routing.history import story_of
from routing.models import Alias, Deployment
from routing.publish import publish
from routing.tests.open_catalogue import load_open
from routing.tests.pages import edit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    load_open()
    publish("start", "the first one")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def weather() -> Alias:
    return Alias.objects.get(name="weather")


def lines(item) -> list[str]:
    return [f"{field.label}: {field.before} → {field.after}" for field in item.change.fields]


def test_each_revision_that_changed_the_row_tells_fields_author_and_note():
    Alias.objects.filter(name="weather").update(description="Rain.")
    publish("ada", "wet")
    Deployment.objects.filter(slug="sun/bright").update(quality=9)
    publish("grace", "of something else")
    Alias.objects.filter(name="weather").update(total_deadline=90)
    publish("grace")

    story = story_of(weather())

    assert [(item.number, item.author, item.note) for item in story.published] == [
        (4, "grace", ""),
        (2, "ada", "wet"),
        (1, "start", "the first one"),
    ]
    assert lines(story.published[0]) == ["total deadline: 600.0 → 90.0"]
    assert lines(story.published[1]) == ["description: General purpose. → Rain."]
    assert story.published[2].change.kind == "added"
    assert (story.draft, story.earlier) == (None, None)


def test_a_row_that_went_and_came_back_says_so():
    text = weather().description
    routes = list(weather().routes.all())
    weather().delete()
    publish("ada", reason="not needed")
    row = Alias.objects.create(name="weather", description=text)
    for route in routes:
        row.routes.create(deployment=route.deployment, position=route.position)
    publish("ada")

    assert [item.change.kind for item in story_of(weather()).published] == ["added", "removed", "added"]


def test_many_revisions_are_told_page_by_page():
    for number in range(4):
        Alias.objects.filter(name="weather").update(description=f"edit {number}")
        publish("ada")

    first = story_of(weather(), most=2)
    second = story_of(weather(), first.earlier, most=2)
    third = story_of(weather(), second.earlier, most=2)

    assert [[item.number for item in page.published] for page in (first, second, third)] == [
        [5, 4],
        [3, 2],
        [1],
    ]
    assert lines(second.published[-1]) == ["description: General purpose. → edit 0"]
    assert third.earlier is None


def test_the_page_shows_unpublished_edits_with_their_author_until_they_are_published(operator):
    operator.post("/admin/routing/cataloguerevision/hold/", {"_form_submitted": "on"})
    edit(operator, weather(), description="Held back.")
    page = f"/admin/routing/alias/{weather().pk}/history/"

    before = operator.get(page).content.decode()
    publish("grace", "let go")
    after = operator.get(page).content.decode()

    assert "Not published yet" in before
    assert "<del>General purpose.</del> → <ins>Held back.</ins>" in before
    assert "Changed Description." in before
    assert "Not published yet" not in after
    assert "Revision 2" in after
    assert "let go" in after


def test_a_row_that_no_page_may_show_has_no_history(operator):
    assert operator.get("/admin/routing/alias/999999/history/", follow=True).status_code == 200
