"""The Vibe router's catalogue: six names, their layers in order, and how it lives beside the starting catalogue."""

from typing import Any

import pytest
from django.core.management import call_command

from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.engine.errors import UnknownModel
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.query import Query
from routing.engine.resolve import visible_aliases
from routing.engine.snapshot import Snapshot
from routing.engine.validate import ERROR, validate
from routing.environment import read_surroundings
from routing.management.commands.load_catalogue import read_seed
from routing.models import Alias, CatalogueRevision
from routing.publish import newest_revision

pytestmark = pytest.mark.django_db

KEYS = {"CHAT_AUTO_API_KEY": "c", "NEW_API_KEY": "n", "ARK_API_KEY": "a"}
NEARBY = (
    "127.0.0.1:8317,127.0.0.1:3000,cli:8317,new.example:443"  # where the two services of one's own may be
)
LAYERS = {
    "auto-chat": ["cliproxy claude-sonnet-4-6", "new-api gpt-5", "ark glm-4.7"],
    "auto-chat-mini": ["cliproxy gemini-2.5-flash", "new-api gpt-5-mini", "ark ark-code"],
    "auto-claude": ["cliproxy claude-sonnet-4-5", "ark glm-4.7"],
    "auto-claude-mini": ["cliproxy claude-haiku-4-5", "ark glm-4.7"],
    "auto-codex": ["new-api gpt-5.2-codex"],
    "auto-codex-mini": ["new-api gpt-5.1-codex-mini"],
}


def loaded(*seeds: str, **environ: str) -> Snapshot:
    for seed in seeds:
        call_command("load_catalogue", seed)
    return served(**environ)


def served(**environ: str) -> Snapshot:
    """What a production worker serves with the three keys."""
    settings = {"RAINYMODEL_ENV": "production", "RAINYMODEL_PRIVATE_UPSTREAMS": NEARBY, **KEYS, **environ}
    return compile_snapshot(read_document(), 1, read_surroundings(settings))


def ordered(snapshot: Snapshot, name: str) -> list[str]:
    found = plan(snapshot, Query(model=name), Health(), now=0.0, draw=0.0).ordered
    return [f"{deployment.provider.slug} {deployment.model}" for deployment in found]


@pytest.mark.parametrize("seeds", [("vibe",), ("start", "vibe"), ("vibe", "start")], ids=" then ".join)
def test_the_six_names_walk_their_layers_in_order_whatever_their_tiers(seeds):
    snapshot = loaded(*seeds)

    assert {name: ordered(snapshot, name) for name in LAYERS} == LAYERS
    assert newest_revision().document["aliases"] == read_document()["aliases"]
    assert [finding for finding in validate(snapshot) if finding.level == ERROR] == []


def test_alone_it_lists_the_six_names_and_nothing_else():
    snapshot = loaded("vibe")

    assert {alias.name for alias in visible_aliases(snapshot, Query(model="").grants)} == set(LAYERS)


def test_a_standard_name_knows_its_mini_name():
    loaded("vibe")

    targets = dict(Alias.objects.exclude(mini_target=None).values_list("name", "mini_target__name"))
    assert targets == {name: f"{name}-mini" for name in ("auto-chat", "auto-claude", "auto-codex")}


def test_other_names_pass_through_to_cliproxyapi_and_then_new_api():
    snapshot = loaded("vibe")

    assert ordered(snapshot, "claude-opus-9") == ["cliproxy claude-opus-9", "new-api claude-opus-9"]
    assert ordered(snapshot, "some-model") == ["cliproxy some-model", "new-api some-model"]


def test_beside_the_starting_catalogue_no_name_is_unknown_until_the_star_is_switched_off():
    snapshot = loaded("start", "vibe")
    assert ordered(snapshot, "rainymodel/no-such") == [
        "cliproxy rainymodel/no-such",
        "new-api rainymodel/no-such",
    ]

    Alias.objects.filter(name="*").update(enabled=False)
    with pytest.raises(UnknownModel):
        ordered(served(), "rainymodel/no-such")


def test_loading_again_changes_nothing_and_keeps_what_operators_edited():
    loaded("vibe")
    Alias.objects.filter(name="auto-chat").update(description="Ours")
    before, revisions = read_document(), CatalogueRevision.objects.count()

    call_command("load_catalogue", "vibe")
    assert (read_document(), CatalogueRevision.objects.count()) == (before, revisions)


def test_what_it_shares_with_the_starting_catalogue_is_the_same_there():
    start, vibe = read_seed("start"), read_seed("vibe")

    shared = {section: set(start[section]) & set(vibe[section]) for section in start if start[section]}
    assert shared["tiers"] == {"free", "internal", "direct", "premium"}
    assert all(start[section][key] == vibe[section][key] for section in shared for key in shared[section])


def test_a_layer_without_its_key_is_left_out():
    snapshot = loaded("vibe", CHAT_AUTO_API_KEY="")

    assert ordered(snapshot, "auto-chat") == LAYERS["auto-chat"][1:]


def test_three_failures_put_a_layer_on_hold_for_a_minute():
    snapshot = loaded("vibe")

    rules = {provider.breaker for provider in snapshot.providers.values()}
    assert [(rule.open_after, rule.open_for) for rule in rules] == [(3, 60)]


@pytest.mark.parametrize(
    ("variable", "slug", "given", "url"),
    [
        ("CLIPROXY_API_BASE", "cliproxy", "", "http://127.0.0.1:8317/v1"),
        ("CLIPROXY_API_BASE", "cliproxy", "http://cli:8317/", "http://cli:8317/v1"),
        ("CLIPROXY_API_BASE", "cliproxy", "http://cli:8317/v1/", "http://cli:8317/v1"),
        ("NEW_API_BASE", "new-api", "https://new.example", "https://new.example/v1"),
        ("ARK_API_BASE", "ark", "", "https://ark.cn-beijing.volces.com/api/v3"),
        ("ARK_API_BASE", "ark", "https://a.example/api/coding/v3/", "https://a.example/api/coding/v3"),
        ("ARK_API_BASE", "ark", "https://a.example", "https://a.example/v1"),
    ],
)
def test_each_layer_is_where_its_variable_says_with_or_without_its_version(variable, slug, given, url):
    snapshot = loaded("vibe", **{variable: given})

    assert snapshot.providers[slug].base_url == url
    assert snapshot.providers[slug].unready is None


def test_a_key_goes_to_its_own_layer_only():
    document: dict[str, Any] = read_document_of("vibe")
    for provider in document["providers"]:
        provider["base_url"] = "https://evil.example/v1"

    snapshot = compile_snapshot(document, 1, read_surroundings({"RAINYMODEL_ENV": "production", **KEYS}))
    assert {provider.unready for provider in snapshot.providers.values()} == {"no_credential"}


def read_document_of(seed: str) -> dict[str, Any]:
    call_command("load_catalogue", seed)
    return read_document()
