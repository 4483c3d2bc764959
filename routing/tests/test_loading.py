"""Loading seeds and imports: what is missing comes, what operators did stays."""

import copy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from routing.catalogue import read_document
from routing.loader import LoadError, load_rows
from routing.models import (
    Alias,
    CatalogueRevision,
    Deployment,
    PolicyStep,
    Provider,
    PublishingSwitch,
    Route,
    TierPolicy,
)
from routing.tests.small_catalogue import SMALL

pytestmark = pytest.mark.django_db


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_catalogue", *arguments, stdout=out)
    return out.getvalue()


def seed(**sections: Any) -> dict[str, Any]:
    """The small seed with some sections replaced."""
    return copy.deepcopy(SMALL) | sections


def test_loading_again_changes_nothing():
    first = load_rows(SMALL, overwrite=False)
    before = read_document()
    again = load_rows(SMALL, overwrite=False)

    assert (len(first.created), first.kept, first.changed) == (13, [], True)
    assert (again.created, again.updated, len(again.kept), again.changed) == ([], [], 13, False)
    assert read_document() == before


def test_overwriting_what_is_equal_changes_nothing():
    load_rows(SMALL, overwrite=False)

    report = load_rows(SMALL, overwrite=True)

    assert report.sentence() == "0 rows created, 13 were there already."


def test_an_operators_edit_stays_unless_overwriting_is_asked_for():
    load_rows(SMALL, overwrite=False)
    before = read_document()
    Provider.objects.filter(slug="sun").update(first_content_limit=5)
    Route.objects.filter(alias__name="weather", deployment__slug="moon/pale").delete()

    assert not load_rows(SMALL, overwrite=False).changed
    assert Provider.objects.get(slug="sun").first_content_limit == 5

    report = load_rows(SMALL, overwrite=True)
    assert report.updated == ["provider sun", "alias weather"]
    assert read_document() == before


def test_what_an_operator_deleted_stays_deleted_unless_overwriting_is_asked_for():
    load_rows(SMALL, overwrite=False)
    Alias.objects.filter(name="moon-*").delete()
    Alias.objects.filter(name="moon-big-*").delete()
    Deployment.objects.filter(slug="moon/any").delete()

    report = load_rows(SMALL, overwrite=False)
    assert not report.changed
    assert report.left_out == {
        "deployment moon/any": "it was deleted here",
        "alias moon-*": "it was deleted here",
        "alias moon-big-*": "it was deleted here",
    }

    assert load_rows(SMALL, overwrite=True).created == [
        "deployment moon/any",
        "alias moon-*",
        "alias moon-big-*",
    ]


def test_a_new_version_of_a_seed_adds_its_new_rows():
    load_rows(SMALL, overwrite=False)
    aliases = SMALL["aliases"] | {"storm": {"routes": ["moon/pale"]}}

    assert load_rows(seed(aliases=aliases), overwrite=False).created == ["alias storm"]


def test_a_new_row_does_without_the_rows_that_were_deleted_here():
    load_rows(SMALL, overwrite=False)
    Route.objects.filter(deployment__slug="sun/bright").delete()
    Deployment.objects.filter(slug="sun/bright").delete()
    Provider.objects.filter(slug="sun").delete()
    Alias.objects.filter(policy__name="dear").update(policy=None)
    TierPolicy.objects.filter(name="dear").delete()
    newer = seed(
        deployments=SMALL["deployments"] | {"sun/new": {"provider": "sun", "model": "new", "tier": "free"}},
        aliases=SMALL["aliases"]
        | {
            "storm": {"policy": "dear", "routes": ["sun/bright", "moon/pale"]},
            "calm": {"routes": ["sun/new"]},
        },
    )

    report = load_rows(newer, overwrite=False)

    assert report.created == ["alias storm"]
    assert Alias.objects.get(name="storm").policy is None
    assert [route.deployment.slug for route in Alias.objects.get(name="storm").routes.all()] == ["moon/pale"]
    assert report.left_out["deployment sun/new"] == "providers sun was deleted here"
    assert report.left_out["alias calm"] == "deployments sun/new was deleted here"


def test_routes_and_steps_keep_the_order_of_the_list():
    load_rows(SMALL, overwrite=False)

    assert list(
        Route.objects.filter(alias__name="weather").values_list(
            "deployment__slug", "position", "weight", "enabled"
        )
    ) == [
        ("sun/bright", 0, 1, True),
        ("moon/pale", 1, 3, False),
    ]
    assert list(PolicyStep.objects.filter(policy__name="auto").values_list("tier__slug", "strategy")) == [
        ("free", "listed"),
        ("direct", "cheapest"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"planets": {}}, "no section 'planets'"),
        ({"tiers": ["free"]}, "section tiers must name its entries"),
        ({"tiers": {"free": "Free"}}, "tier 'free' must be a list of fields"),
        ({"tiers": {"free": {"name": "Free", "colour": "blue"}}}, "tier 'free' has no field 'colour'"),
        ({"tiers": {"Free!": {"name": "Free", "billing": "free", "rank": 1}}}, "tier 'Free!': slug"),
        (
            {"providers": {"sun": {"upstream": "sun"}}},
            "provider 'sun': base_url: The openai wire needs a base URL",
        ),
        (
            {"providers": {"sun": {"upstream": "sun", "base_url": "https://${PATH}/"}}},
            "PATH may not stand in a URL",
        ),
        (
            {"deployments": {"x": {"provider": "mars", "model": "x", "tier": "free"}}},
            "names the provider 'mars'",
        ),
        (
            {
                "deployments": {
                    "x": {
                        "provider": "sun",
                        "model": "x",
                        "tier": "free",
                        "prices": [{"starts": "2026-01-01", "input": -1}],
                    }
                }
            },
            "input",
        ),
        (
            {
                "deployments": {
                    "x": {"provider": "sun", "model": "x", "tier": "free", "prices": [{"input": 1}]}
                }
            },
            "starts",
        ),
        (
            {
                "deployments": {
                    "x": {"provider": "sun", "model": "x", "tier": "free", "capabilities": ["magic"]}
                }
            },
            "capabilities",
        ),
        (
            {"deployments": {"x": {"provider": "sun", "model": "x", "tier": "free", "enabled": "perhaps"}}},
            "enabled",
        ),
        ({"aliases": {"weather": {"routes": "sun/bright"}}}, "must have a list of routes"),
        ({"aliases": {"weather": {"routes": ["nowhere"]}}}, "names the deployment 'nowhere'"),
        ({"aliases": {"weather": {"policy": "nosuch", "routes": []}}}, "names the tier policy 'nosuch'"),
    ],
)
def test_data_that_cannot_be_loaded_is_refused_whole_with_the_entry_it_is_about(change, message):
    with pytest.raises(LoadError, match=message):
        load_rows(seed(**change), overwrite=False)

    assert read_document()["tiers"] == []


def test_the_command_loads_publishes_and_reports_in_one_sentence():
    assert load() == "Catalogue start: 47 rows created, 0 were there already. Published as revision 1.\n"
    assert load() == "Catalogue start: 0 rows created, 47 were there already.\n"
    assert CatalogueRevision.objects.get().author == "load_catalogue"


def test_the_command_publishes_the_first_revision_even_when_the_rows_are_there_already():
    load()
    CatalogueRevision.objects.all().delete()

    assert load().endswith("Published as revision 1.\n")


def test_the_command_honours_held_publishing():
    load()
    switch = PublishingSwitch.load()
    switch.held = True
    switch.save()
    Provider.objects.filter(slug="hf").update(first_content_limit=5)

    assert "Publishing is held, so this is a draft." in load("--overwrite")
    assert CatalogueRevision.objects.count() == 1


def test_an_operators_broken_draft_does_not_stop_the_command_once_something_serves():
    load()
    Alias.objects.create(name="broken")
    Alias.objects.filter(name="rainymodel/chat").delete()

    out = load("--overwrite")
    assert "1 rows created" in out
    assert "Not published: alias broken: It has no route." in out
    assert CatalogueRevision.objects.count() == 1

    CatalogueRevision.objects.all().delete()
    with pytest.raises(CommandError, match=r"Nothing serves\. Not published: alias broken"):
        load()


def test_the_command_names_what_was_deleted_here():
    load()
    Alias.objects.filter(name="rainymodel/chat").delete()

    out = load()

    assert "1 left out because they were deleted here" in out
    assert "left out: alias rainymodel/chat (it was deleted here; --overwrite brings it back)" in out
    assert not Alias.objects.filter(name="rainymodel/chat").exists()


def test_the_command_says_which_keys_and_addresses_a_seed_still_lacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARK_API_BASE", "https://ark.example/api/v3")
    monkeypatch.setenv("ARK_API_KEY", "a-key-of-the-test")
    lines = load("vibe").splitlines()

    assert "  cliproxy: not yet: in development only with CLIPROXY_API_BASE set." in lines
    assert "  Set CHAT_AUTO_API_KEY, the key of cliproxy." in lines
    assert "  Set NEW_API_KEY, the key of new-api." in lines
    assert "ark" not in "\n".join(lines).lower()


def test_the_command_asks_for_no_key_of_the_starting_catalogue():
    assert len(load().splitlines()) == 1


def test_the_command_loads_a_file(tmp_path: Path):
    file = tmp_path / "more.yaml"
    file.write_text("tiers:\n  lab: {name: Lab, billing: self_hosted, rank: 9}\n")

    assert load(str(file)).startswith(f"Catalogue {file}: 1 rows created")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("just text", "does not hold sections"),
        (None, r"neither a seed \(openllm, start, vibe\) nor a file that can be read \(No such file"),
        ("tiers: {x: {}}", "tier 'x'"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(tmp_path: Path, text, message):
    file = tmp_path / "broken.yaml"
    if text is not None:
        file.write_text(text)

    with pytest.raises(CommandError, match=message) as refused:
        load(str(file))
    assert "\n" not in str(refused.value)
