"""A catalogue as a text file: there and back without loss, and refusals that name the line."""

import json
import random
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.audit import CHAIN_LOCK
from accounts.models import AuditEntry
from routing.catalogue import read_document
from routing.catalogue_text import FileRefused, dump_text, read_text
from routing.draft import DraftMoved, draft_mark, export_text, import_text, preview_import
from routing.models import Alias, CatalogueRevision, Deployment, PublishingSwitch, Route
from routing.publish import UnknownRevision, publish
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db


@pytest.fixture
def text():
    """The small catalogue, published and exported."""
    load_small()
    publish("ada")
    return export_text("1")


def shuffled(value, dice):
    """The same with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: shuffled(value[key], dice) for key in keys}
    return [shuffled(item, dice) for item in value] if isinstance(value, list) else value


def test_a_revision_comes_back_as_it_was(text):
    before = read_document()
    Alias.objects.filter(name="moon-*").delete()
    Route.objects.filter(alias__name="weather-mini").update(weight=7)
    Deployment.objects.filter(slug="moon/pale").update(parameter_policy={}, output_limit=None)

    changes = import_text(text, "grace", "kept.json")

    assert read_document() == before
    assert [change.subject for change in changes] == [
        "deployment moon/pale",
        "alias moon-*",
        "alias weather-mini",
    ]


def test_text_that_is_not_plain_survives(text):
    odd = 'Ein „Wetter“ \\ "quoted"\t☔ \u2028 </script>'
    Alias.objects.filter(name="weather").update(description=odd)
    exported = export_text("draft")
    Alias.objects.filter(name="weather").update(description="")

    import_text(exported, "grace", "kept.json")

    assert Alias.objects.get(name="weather").description == odd


def test_equal_catalogues_give_equal_files_with_one_field_or_route_a_line(text):
    document = CatalogueRevision.objects.get(number=1).document
    mixed = shuffled(document, random.Random(7))
    mixed["aliases"].reverse()

    assert dump_text(mixed, "RainyModel catalogue, revision 1") == text
    assert '    "description": "General purpose.",\n' in text
    assert '      {"deployment": "moon/pale", "position": 1, "weight": 3, "enabled": false}\n' in text
    assert read_text(text) | {"about": "RainyModel catalogue, revision 1"} == json.loads(text)


def test_the_draft_and_its_published_revision_differ_in_their_heading_only(text):
    draft = export_text("draft")

    assert [
        one for one, other in zip(text.splitlines(), draft.splitlines(), strict=True) if one != other
    ] == ['"about": "RainyModel catalogue, revision 1",']


def test_an_import_holds_publishing_and_is_in_the_audit(text):
    Alias.objects.filter(name="weather").update(description="changed")

    import_text(text, "grace", "kept.json")

    assert PublishingSwitch.load().held
    assert CatalogueRevision.objects.count() == 1
    entry = AuditEntry.objects.get(action="imported")
    assert (entry.actor, entry.subject) == ("grace", "kept.json")
    assert entry.changes["changes"][1] == ["alias weather: description: changed → General purpose."]


def test_importing_what_the_draft_says_already_changes_nothing(text):
    assert import_text(text, "grace", "kept.json") == ()
    assert not PublishingSwitch.load().held


def test_a_preview_keeps_nothing(text):
    Alias.objects.filter(name="weather").delete()
    before = read_document()

    found = preview_import(text)

    assert [line for change in found.changes for line in change.lines] == ["alias weather: added"]
    assert read_document() == before
    assert not AuditEntry.objects.filter(action="imported").exists()


def test_an_import_after_somebody_edited_the_draft_is_refused(text):
    seen = draft_mark()
    Alias.objects.filter(name="weather").update(description="meanwhile")

    with pytest.raises(DraftMoved, match="edited since you looked"):
        import_text(text, "grace", "kept.json", seen)


BAD = {
    "no_json": ('"rank": 1\n', '"rank": 1,\n', "This is not JSON"),
    "wrong_type": ('"rank": 1\n', '"rank": "first"\n', "tier 'free': rank"),
    "true_for_a_number": ('"rank": 1\n', '"rank": true\n', "tier 'free': rank"),
    "unknown_field": ('"rank": 1\n', '"rank": 1, "colour": "red"\n', "tier 'free' has the field 'colour'"),
    "missing_field": ('    "billing": "free",\n', "", "tier 'free' lacks the field 'billing'"),
    "null": ('"billing": "free"', '"billing": null', "tier 'free' has null for 'billing'"),
    "unknown_word": ('"billing": "free"', '"billing": "barter"', "'barter' is not a valid choice"),
    "unknown_section": ('"tiers": [', '"weather": [], "tiers": [', "no section 'weather'"),
    "unknown_reference": ('"tier": "free",', '"tier": "golden",', "names the tier 'golden'"),
    "a_moment_of_another_form": ("2026-01-01T00:00:00Z", "2026-01-01", "it would become"),
    "infinity": ('"rank": 1\n', '"rank": Infinity\n', "Infinity is not a number"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_a_sentence_and_the_line_and_nothing_changes(text, case):
    good, bad, said = BAD[case]
    before = read_document()
    assert good in text

    with pytest.raises(FileRefused) as refused:
        import_text(text.replace(good, bad, 1), "grace", "bad.json")

    assert said in str(refused.value)
    assert str(refused.value).startswith(f"Line {refused.value.line}: ")
    assert read_document() == before


def test_the_line_is_the_one_of_the_thing(text):
    lines = text.splitlines()
    at = lines.index('    "slug": "moon/pale",') + 1

    head, tail = "\n".join(lines[:at]), "\n".join(lines[at:])
    bad = head + "\n" + tail.replace('"context_window": null', '"context_window": -1', 1) + "\n"

    with pytest.raises(FileRefused) as refused:
        import_text(bad, "grace", "bad.json")

    assert (refused.value.line, "moon/pale" in str(refused.value)) == (at, True)


@pytest.mark.parametrize(
    "nonsense",
    ["", "[]", "null", "7", "{", '{"schema": 1}', '{"schema": 99}', "[" * 100_000, '{"schema": 1' + "0" * 5000 + "}",
     '{"a": "\\ud800"}', '{"a": 1, "a": 2}', '{"schema": 1, "tiers": [7]}', '{"\\u0000": 1}'],
    ids=["empty", "list", "null", "number", "cut", "no_sections", "other_schema", "deep", "long_number", "surrogate",
         "twice", "no_object", "nul"],
)  # fmt: skip
def test_nonsense_is_refused(nonsense):
    with pytest.raises(FileRefused):
        read_text(nonsense)


def test_a_field_that_may_be_empty_may_be_absent_as_in_files_of_older_versions(text):
    older = "".join(
        line for line in text.splitlines(keepends=True) if '"concurrency_limit": null' not in line
    )
    assert older != text

    assert import_text(older, "grace", "older.json") == ()


def test_routes_may_stand_in_another_order_than_their_positions(text):
    first = '      {"deployment": "moon/pale", "position": 0, "weight": 1, "enabled": true},\n'
    second = '      {"deployment": "sun/bright", "position": 1, "weight": 1, "enabled": true}\n'
    assert first + second in text
    swapped = text.replace(first + second, second.replace("}\n", "},\n") + first.replace("},\n", "}\n"))

    assert import_text(swapped, "grace", "kept.json") == ()


def test_the_commands_write_and_read_files(text, tmp_path):
    file, said = tmp_path / "kept.json", StringIO()
    out = StringIO()
    call_command("export_revision", "1", stdout=out)
    file.write_text(out.getvalue(), encoding="utf-8")
    Alias.objects.filter(name="weather").update(description="changed")

    call_command("import_revision", file, "--dry-run", stdout=said)
    assert Alias.objects.get(name="weather").description == "changed"
    call_command("import_revision", file, stdout=said)

    assert out.getvalue() == text
    line = "alias weather: description: changed → General purpose."
    assert said.getvalue().splitlines() == [
        line,
        line,
        "It is in the draft, and publishing is held. Review it, then: manage.py publish",
    ]
    assert Alias.objects.get(name="weather").description == "General purpose."


def test_the_commands_refuse_with_a_sentence(text, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xff")
    for arguments, said in (
        (("export_revision", "7"), "There is no revision 7"),
        (("export_revision", "newest"), "neither the number of a revision nor the word draft"),
        (("import_revision", bad), "not UTF-8"),
        (("import_revision", tmp_path / "none.json"), "cannot be read"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command(*arguments, stdout=StringIO())
    with pytest.raises(UnknownRevision):
        export_text("-1")


def test_a_large_file_of_nothing_much_is_refused_like_any_other(text):
    empty = "\n" * 200_000
    with pytest.raises(FileRefused, match="has the field 'odd'"):
        read_text(text.replace("{\n", "{" + empty, 1).replace('"rank": 1', '"rank": 1, "odd": 1', 1))
    many = ",".join(f'"{number}": 1' for number in range(60_000))
    with pytest.raises(FileRefused, match="has the field '59999' twice"):
        read_text(f'{{{many}, "59999": 1}}')


def test_a_preview_leaves_the_audit_and_its_lock_alone(text, tmp_path):
    file = tmp_path / "kept.json"
    file.write_text(text, encoding="utf-8")
    Alias.objects.filter(name="weather").delete()

    with CaptureQueriesContext(connection) as asked:
        preview_import(text)
        call_command("import_revision", file, "--dry-run", stdout=StringIO())

    statements = [query["sql"] for query in asked]
    assert any('INSERT INTO "routing_alias"' in statement for statement in statements)
    assert not [one for one in statements if "auditentry" in one or str(CHAIN_LOCK) in one]
    import_text(text, "grace", "kept.json")
    assert AuditEntry.objects.filter(action="created", subject="weather").exists()
