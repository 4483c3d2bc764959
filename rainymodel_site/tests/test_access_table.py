"""Every address × everybody equals the committed table, and every answer carries the headers that protect it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.tests.live import live_gateway
from rainymodel_site.tests.access_walk import (
    Answers,
    Walk,
    all_visits,
    is_page,
    read_table,
    rows_of,
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Answers]]:
    """What everybody was answered everywhere."""
    with (
        live_gateway("uvicorn", tmp_path_factory.mktemp("access")) as gateway,
        closing(Walk(gateway)) as walk,
    ):
        yield [walk.ask(visit) for visit in all_visits()]


def test_every_address_has_a_row_and_every_row_an_address():
    rows = {(row.pattern, row.method) for row in read_table()}
    visits = {(visit.pattern, visit.method) for visit in all_visits()}

    assert visits - rows == set(), "addresses without a row in rainymodel_site/access.csv"
    assert rows - visits == set(), "rows of rainymodel_site/access.csv without an address"


def test_everybody_gets_the_status_that_the_table_says(walked: list[Answers]):
    found, table = [answers.result for answers in walked], set(read_table())
    wrong = [visit for visit in found if visit not in table]

    assert not wrong, f"the walk found, for rainymodel_site/access.csv:\n{rows_of(wrong)}"


def test_every_page_may_load_only_what_is_ours_and_can_be_framed_by_nobody(walked: list[Answers]):
    for answers in walked:
        for caller, answer in answers.by_caller.items():
            told = (answers.visit.pattern, caller)
            assert answer.headers["x-content-type-options"] == "nosniff", told
            if not is_page(answers.visit):
                continue
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy, told
            assert "object-src 'none'" in policy and "base-uri 'self'" in policy, told
            assert answer.headers["x-frame-options"] == "DENY", told
            assert answer.headers["referrer-policy"] == "same-origin", told


def test_scripts_are_evaluated_for_the_admin_alone(walked: list[Answers]):
    for answers in walked:
        for answer in answers.by_caller.values():
            policy = answer.headers.get("content-security-policy", "")
            pattern = answers.visit.pattern
            assert "unsafe-eval" not in policy or pattern.startswith("admin/"), pattern
            assert "unsafe-inline" not in policy or pattern.startswith(("admin/", "api/^docs")), pattern


def test_the_gateways_own_paths_know_nothing_of_cookies(walked: list[Answers]):
    for answers in walked:
        if not is_page(answers.visit):
            by_caller = answers.by_caller
            assert not any("set-cookie" in answer.headers for answer in by_caller.values())
            statuses = {answer.status_code for caller, answer in by_caller.items() if caller != "key"}
            assert len(statuses) == 1, answers.visit.pattern


def test_errors_of_the_api_have_one_shape(walked: list[Answers]):
    for answers in walked:
        for answer in answers.by_caller.values():
            if answers.visit.pattern.startswith(("api/", "(v1/)chat")) and answer.status_code >= 400:
                assert set(answer.json()) == {"error"}, answers.visit.pattern
                assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
