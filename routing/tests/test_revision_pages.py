"""The page of revisions: what serves, what differs, holding, publishing a batch, rolling back."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from routing.catalogue import read_document
from routing.draft import draft_mark
from routing.models import Alias, CatalogueRevision, Deployment, PublishingSwitch, Route
from routing.publish import publish
from routing.tests.pages import edit, told
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db

LIST = "admin:routing_cataloguerevision_changelist"
SUBMITTED = {"_form_submitted": "on"}


@pytest.fixture
def operator(client: Client) -> Client:
    """Signed in with every right, on the small catalogue."""
    load_small()
    publish("start", "the first one")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def do(client: Client, action: str, *arguments: int, **fields: str):
    seen = {"seen": draft_mark()} if action == "publish_now" else {}
    return client.post(
        reverse(f"admin:routing_cataloguerevision_{action}", args=arguments),
        SUBMITTED | seen | fields,
        follow=True,
    )


def text_of(client: Client, name: str, *arguments: int) -> str:
    return client.get(reverse(name, args=arguments)).content.decode()


def test_the_list_shows_who_published_what_and_that_the_draft_is_the_same(operator):
    text = text_of(operator, LIST)

    assert "the first one" in text
    assert "start" in text
    assert "The draft equals revision 1." in text
    assert "Saves publish by themselves" in text


def test_a_revisions_page_shows_changes_findings_and_the_document(operator):
    edit(operator, Deployment.objects.get(slug="moon/pale"), quality="77")

    text = text_of(operator, "admin:routing_cataloguerevision_change", 2)

    assert "<del>7</del> → <ins>77</ins>" in text
    assert "it serves" in text
    assert "deployment moon/any: It is paid for, and its price is unknown." in text
    assert "&quot;schema&quot;: 1" in text
    assert "Roll back to this revision" in text


def test_a_revision_can_be_neither_added_changed_nor_deleted(operator):
    page = reverse("admin:routing_cataloguerevision_change", args=[1])

    assert operator.get(reverse("admin:routing_cataloguerevision_add")).status_code == 403
    assert operator.post(page, {"note": "other"}).status_code == 403
    assert (
        operator.post(
            reverse("admin:routing_cataloguerevision_delete", args=[1]), {"post": "yes"}
        ).status_code
        == 403
    )
    assert CatalogueRevision.objects.get().note == "the first one"


def test_a_batch_is_held_reviewed_and_published_with_a_note(operator):
    assert "Publishing is held: saves stay a draft." in told(do(operator, "hold"))
    edit(operator, Deployment.objects.get(slug="moon/pale"), quality="77")
    edit(operator, Alias.objects.get(name="weather"), description="Rain and shine.")
    assert CatalogueRevision.objects.count() == 1

    for page in (text_of(operator, LIST), text_of(operator, "admin:routing_cataloguerevision_publish_now")):
        assert "deployment moon/pale: quality: 7 → 77" in page
        assert "alias weather: description: General purpose. → Rain and shine." in page

    response = do(operator, "publish_now", note="spring cleaning", parent="1")
    assert "Published as revision 2; new requests use it." in told(response)
    newest = CatalogueRevision.objects.first()
    assert (newest.number, newest.note, newest.author) == (2, "spring cleaning", "ada")

    assert "Saves publish by themselves again." in told(do(operator, "resume"))
    assert not PublishingSwitch.load().held


@pytest.mark.fault("I34")
def test_a_batch_on_top_of_an_older_revision_is_refused_and_shows_what_differs(operator):
    do(operator, "hold")
    Alias.objects.filter(name="weather").update(description="Somebody else's.")
    publish("grace")
    Alias.objects.filter(name="weather").update(description="Mine.")

    response = do(operator, "publish_now", parent="1")

    assert "revision 2 was published since you looked at 1" in told(response)[0]
    assert "alias weather: description: Somebody else&#x27;s. → Mine." in response.content.decode()
    assert CatalogueRevision.objects.count() == 2


def test_a_draft_that_was_edited_since_the_dialog_opened_is_not_published(operator):
    do(operator, "hold")
    Alias.objects.filter(name="weather").update(description="Seen.")
    seen = draft_mark()
    assert seen in text_of(operator, "admin:routing_cataloguerevision_publish_now")
    Alias.objects.filter(name="weather").update(description="Not seen.")

    response = do(operator, "publish_now", parent="1", seen=seen)

    assert "edited since you looked at it" in told(response)[0]
    assert CatalogueRevision.objects.count() == 1


def test_a_draft_with_errors_is_listed_and_not_published(operator):
    do(operator, "hold")
    Route.objects.filter(alias__name="weather").delete()

    assert "The draft cannot be published:" in text_of(operator, LIST)
    assert "It has no route" in told(do(operator, "publish_now", parent="1"))[0]
    assert CatalogueRevision.objects.count() == 1


def test_publishing_what_serves_already_says_so(operator):
    assert told(do(operator, "publish_now", parent="1")) == ["Nothing differs from what serves already."]


def test_rolling_back_asks_first_and_then_restores(operator):
    before = read_document()
    Alias.objects.filter(name="weather").delete()
    publish("grace")

    dialog = text_of(operator, "admin:routing_cataloguerevision_roll_back", 1)
    assert "The tables are restored to it" in dialog
    assert read_document() != before

    assert "Rolled back: published as revision 3." in told(do(operator, "roll_back", 1))
    assert read_document() == before


def test_looking_at_a_dialog_does_nothing(operator):
    for action, arguments in (("hold", ()), ("publish_now", ()), ("roll_back", (1,))):
        assert (
            operator.get(reverse(f"admin:routing_cataloguerevision_{action}", args=arguments)).status_code
            == 200
        )

    assert not PublishingSwitch.load().held
    assert CatalogueRevision.objects.count() == 1


def test_a_dialog_in_a_browser_is_told_where_to_go(operator):
    response = operator.post(
        reverse("admin:routing_cataloguerevision_hold"), SUBMITTED, headers={"HX-Request": "true"}
    )

    assert response.headers["HX-Redirect"] == reverse(LIST)


def test_the_actions_are_protected_from_other_sites(operator):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(get_user_model().objects.get(username="ada"))

    assert strict.post(reverse("admin:routing_cataloguerevision_hold"), SUBMITTED).status_code == 403
    assert not PublishingSwitch.load().held
