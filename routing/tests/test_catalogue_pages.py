"""The catalogue's admin pages: every save publishes, bad input is a form error, and order is what was moved."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from routing.models import (
    Alias,
    CatalogueRevision,
    Deployment,
    Provider,
    PublishingSwitch,
    Route,
    Tier,
    TierPolicy,
)
from routing.publish import publish
from routing.tests.pages import add, edit, errors, read_form, told
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db

KINDS = ("tier", "tierpolicy", "provider", "deployment", "alias", "cataloguerevision")


@pytest.fixture
def operator(client: Client) -> Client:
    """Signed in with every right, on the small catalogue."""
    load_small()
    publish("start")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def newest() -> CatalogueRevision:
    return CatalogueRevision.objects.first()


def routes_of(name: str) -> list[str]:
    return list(Route.objects.filter(alias__name=name).values_list("deployment__slug", flat=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_and_page_renders(operator, kind):
    assert operator.get(reverse(f"admin:routing_{kind}_changelist")).status_code == 200
    row = {"cataloguerevision": newest}.get(kind) or (lambda: MODELS[kind].objects.first())
    assert operator.get(reverse(f"admin:routing_{kind}_change", args=[row().pk])).status_code == 200
    if kind != "cataloguerevision":
        assert operator.get(reverse(f"admin:routing_{kind}_add")).status_code == 200


MODELS = {
    "tier": Tier,
    "tierpolicy": TierPolicy,
    "provider": Provider,
    "deployment": Deployment,
    "alias": Alias,
}


@pytest.mark.parametrize("kind", MODELS)
def test_saving_a_page_untouched_changes_nothing(operator, kind):
    for row in MODELS[kind].objects.all():
        response = edit(operator, row)
        assert errors(response) == {}
    assert newest().number == 1


def test_a_save_publishes_and_says_so(operator):
    response = edit(operator, Deployment.objects.get(slug="moon/pale"), quality="77")

    assert "Published as revision 2; new requests use it." in told(response)
    assert (newest().number, newest().author) == (2, "ada")
    assert (
        next(entry for entry in newest().document["deployments"] if entry["slug"] == "moon/pale")["quality"]
        == 77
    )


def test_a_save_that_makes_an_error_stays_a_draft_and_lists_what_to_do(operator):
    route = Route.objects.get(alias__name="moon-*")

    response = edit(operator, route.alias, **{"routes-0-DELETE": "on"})

    (warning,) = [text for text in told(response) if text.startswith("Saved as a draft, not published:")]
    assert "alias moon-*: It has no route." in warning
    assert not Route.objects.filter(pk=route.pk).exists()
    assert newest().number == 1


def test_while_publishing_is_held_saves_stay_a_draft(operator):
    switch = PublishingSwitch.load()
    switch.held = True
    switch.save()

    response = edit(operator, Deployment.objects.get(slug="moon/pale"), quality="77")

    assert any(text.startswith("Saved as a draft: publishing is held") for text in told(response))
    assert newest().number == 1


def test_moved_routes_are_served_in_their_new_order(operator):
    alias = Alias.objects.get(name="weather-mini")
    assert routes_of("weather-mini") == ["moon/pale", "sun/bright"]

    edit(operator, alias, **{"routes-0-position": "1", "routes-1-position": "0"})

    assert routes_of("weather-mini") == ["sun/bright", "moon/pale"]
    entry = next(item for item in newest().document["aliases"] if item["name"] == "weather-mini")
    assert sorted((route["position"], route["deployment"]) for route in entry["routes"]) == [
        (0, "sun/bright"),
        (1, "moon/pale"),
    ]


def test_a_new_route_goes_to_the_end(operator):
    alias = Alias.objects.get(name="moon-*")
    new = {
        "routes-TOTAL_FORMS": "3",
        "routes-1-deployment": str(Deployment.objects.get(slug="moon/pale").pk),
        "routes-1-weight": "1",
        "routes-1-enabled": "on",
        "routes-1-position": "",
        "routes-2-deployment": str(Deployment.objects.get(slug="sun/bright").pk),
        "routes-2-weight": "1",
        "routes-2-enabled": "on",
    }

    assert errors(edit(operator, alias, **new)) == {}

    assert list(alias.routes.values_list("deployment__slug", "position")) == [
        ("moon/any", 0),
        ("moon/pale", 1),
        ("sun/bright", 2),
    ]


def test_a_new_alias_is_made_with_its_routes_in_one_save(operator):
    response = add(
        operator,
        Alias,
        name="storm",
        **{
            "routes-TOTAL_FORMS": "1",
            "routes-0-deployment": str(Deployment.objects.get(slug="sun/bright").pk),
            "routes-0-weight": "1",
            "routes-0-enabled": "on",
        },
    )

    assert errors(response) == {}
    assert routes_of("storm") == ["sun/bright"]
    assert "Published as revision 2; new requests use it." in told(response)


def test_steps_of_a_policy_are_ordered_the_same_way(operator):
    edit(operator, TierPolicy.objects.get(name="auto"), **{"steps-0-position": "1", "steps-1-position": "0"})

    assert list(TierPolicy.objects.get(name="auto").steps.values_list("tier__slug", flat=True)) == [
        "direct",
        "free",
    ]


def test_prices_are_edited_with_their_deployment(operator):
    deployment = Deployment.objects.get(slug="moon/any")
    price = {
        "prices-TOTAL_FORMS": "1",
        "prices-0-starts_0": "2026-01-01",
        "prices-0-starts_1": "00:00:00",
        "prices-0-input": "0.25",
        "prices-0-output": "1.5",
    }

    assert errors(edit(operator, deployment, **price)) == {}

    entry = next(item for item in newest().document["deployments"] if item["slug"] == "moon/any")
    assert entry["prices"] == [
        {"starts": "2026-01-01T00:00:00Z", "input": "0.25", "cached_input": None, "output": "1.5"}
    ]


def test_capabilities_are_check_boxes(operator):
    deployment = Deployment.objects.get(slug="moon/pale")
    page = operator.get(reverse("admin:routing_deployment_change", args=[deployment.pk])).content.decode()
    assert page.count('name="capabilities"') == 5

    edit(operator, deployment, capabilities=["tools", "json_schema"])

    assert Deployment.objects.get(slug="moon/pale").capabilities == ["tools", "json_schema"]
    assert "capabilities" in errors(edit(operator, deployment, capabilities=["magic"]))


def test_deleting_publishes(operator):
    alias = Alias.objects.get(name="moon-big-*")

    response = operator.post(
        reverse("admin:routing_alias_delete", args=[alias.pk]), {"post": "yes"}, follow=True
    )

    assert "Published as revision 2; new requests use it." in told(response)
    assert "moon-big-*" not in {entry["name"] for entry in newest().document["aliases"]}


def test_rows_are_switched_and_deleted_in_bulk_and_published(operator):
    chosen = [str(pk) for pk in Alias.objects.filter(name__startswith="moon").values_list("pk", flat=True)]
    url = reverse("admin:routing_alias_changelist")

    operator.post(url, {"action": "disable_selected", "_selected_action": chosen})
    assert not Alias.objects.filter(name__startswith="moon", enabled=True).exists()
    operator.post(url, {"action": "enable_selected", "_selected_action": chosen})
    operator.post(url, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    assert not Alias.objects.filter(name__startswith="moon").exists()
    assert newest().number == 4


def test_the_lists_filter_by_provider_tier_and_capability(operator):
    url = reverse("admin:routing_deployment_changelist")

    def found(query: str) -> set[str]:
        response = operator.get(f"{url}?{query}")
        return {row.slug for row in response.context["cl"].result_list}

    assert found("capability=vision") == {"sun/bright"}
    assert found(f"provider__id__exact={Provider.objects.get(slug='moon').pk}") == {"moon/pale", "moon/any"}
    assert found(f"tier__id__exact={Tier.objects.get(slug='free').pk}") == {"sun/bright"}
    assert found("enabled__exact=0") == set()
    assert found("q=pale") == {"moon/pale"}


def test_hostile_text_is_shown_as_text(operator):
    hostile = '<script>alert("1")</script>'
    Alias.objects.filter(name="weather").update(description=hostile)
    publish(hostile, hostile)

    pages = [
        reverse("admin:routing_alias_changelist"),
        reverse("admin:routing_alias_change", args=[Alias.objects.get(name="weather").pk]),
    ]
    pages += [
        reverse("admin:routing_cataloguerevision_changelist"),
        reverse("admin:routing_cataloguerevision_change", args=[2]),
    ]
    for page in pages:
        text = operator.get(page).content.decode()
        assert "<script>alert" not in text
        assert "alert(" in text


def test_who_may_only_view_sees_the_catalogue_and_changes_nothing(operator):
    browser = Client()
    browser.force_login(get_user_model().objects.create(username="grace", role="developer", is_staff=True))

    for kind, model in MODELS.items():
        row = model.objects.first()
        assert browser.get(reverse(f"admin:routing_{kind}_changelist")).status_code == 200
        assert browser.get(reverse(f"admin:routing_{kind}_change", args=[row.pk])).status_code == 200
        assert browser.post(reverse(f"admin:routing_{kind}_change", args=[row.pk]), {}).status_code == 403
        assert (
            browser.post(reverse(f"admin:routing_{kind}_delete", args=[row.pk]), {"post": "yes"}).status_code
            == 403
        )
        assert browser.get(reverse(f"admin:routing_{kind}_add")).status_code == 403
    page = browser.get(reverse("admin:routing_cataloguerevision_changelist"))
    assert "Publish now" not in page.content.decode()
    for action in ("publish_now", "hold"):
        assert (
            browser.post(
                reverse(f"admin:routing_cataloguerevision_{action}"), {"_form_submitted": "on"}
            ).status_code
            == 403
        )
    assert (
        browser.post(
            reverse("admin:routing_cataloguerevision_roll_back", args=[1]), {"_form_submitted": "on"}
        ).status_code
        == 403
    )
    assert newest().number == 1


def test_a_page_form_can_be_read_back(operator):
    """What the other tests here stand on: the reader finds what a browser would post."""
    url = reverse("admin:routing_alias_change", args=[Alias.objects.get(name="weather").pk])
    fields = read_form(operator, url, "alias_form")

    assert (fields["name"], fields["routes-0-position"], fields["routes-1-weight"]) == ("weather", "0", "3")
    assert "routes-1-enabled" not in fields
    assert fields["routes-0-enabled"] == "on"
