"""Where a request would go and why not elsewhere: the page, the API and what they share."""

import pytest
from django.test import Client

from accounts.models import ApiKey, Role
from rainymodel_site.console.explain import Question, explain
from rainymodel_site.console.explain_catalogue import CatalogueMissing, KeyMissing
from rainymodel_site.tests.api_client import MASTER, Api, refused, someone, with_key
from rainymodel_site.tests.explaining import held, log_row, publish_small, worker
from routing.models import Route

pytestmark = pytest.mark.django_db
PAGE = "/admin/console/explain/"


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    publish_small(monkeypatch)


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(someone("root", Role.ADMIN))
    return client


def slugs(question: Question) -> list[str]:
    return [place.deployment.slug for place in explain(question).ordered]


def test_the_whole_order_and_all_that_is_left_out_are_told(operator: Api):
    answer = operator.post("explain/", {"model": "weather-mini", "needs": ["tools"]}).json()

    assert (answer["alias"], answer["policy"], answer["revision"]) == ("weather-mini", "auto", 1)
    assert answer["refused"] is None
    (place,) = answer["ordered"]
    assert (place["deployment"], place["provider"], place["tier"]) == ("sun/bright", "sun", "free")
    assert {name: float(amount) for name, amount in place["price"].items()} == {
        "input": 0,
        "cached_input": 0,
        "output": 0,
    }
    assert answer["rejected"] == [
        {
            "deployment": "moon/pale",
            "provider": "moon",
            "tier": "direct",
            "model": "pale",
            "reason": "capability",
            "sentence": "Cannot do what was asked: tools.",
        }
    ]


def test_the_master_key_may_ask_and_nobody_else_but_admins(operator: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAINYMODEL_MASTER_KEY", MASTER)
    body = {"model": "weather-mini"}

    assert Api(MASTER).post("explain", body).json()["ordered"][0]["deployment"] == "sun/bright"
    refused(Api(user=someone("dev", Role.DEVELOPER)).post("explain", body), 403, "operators_only")
    refused(with_key(someone("root", Role.ADMIN))[0].post("explain", body), 403, "operators_only")
    refused(Api().post("explain", body), 401, "missing_api_key")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_field", "model"),
        ({"model": "x", "needs": ["magic"]}, "invalid_value", "needs"),
        ({"model": "x", "input_tokens": -1}, "invalid_value", "input_tokens"),
        ({"model": "x", "wishes": 1}, "unknown_field", "wishes"),
        ({"model": "x", "revision": "77"}, "revision_not_found", "revision"),
        ({"model": "x", "revision": "newest"}, "revision_not_found", "revision"),
        ({"model": "x", "key": "nobody's"}, "key_not_found", "key"),
        ({"model": "x", "key": "sk-rm_abcdefgh_secret"}, "key_not_found", "key"),
    ],
    ids=["no model", "need", "negative", "unknown field", "number", "word", "key", "a key's text"],
)
def test_a_question_that_makes_no_sense_is_refused_by_its_field(operator: Api, body, code, param):
    message = refused(operator.post("explain/", body), 400, code, param)

    assert "secret" not in message.replace("is a secret", "")


def test_why_a_query_cannot_be_planned_is_an_answer_and_no_error(operator: Api):
    answer = operator.post("explain/", {"model": "weather", "policy": "cheap"}).json()

    assert "Unknown policy 'cheap'" in answer["refused"]
    assert (answer["code"], answer["ordered"], answer["rejected"]) == ("invalid_policy", [], [])


def test_the_scopes_and_the_highest_tier_of_a_key_count():
    with_key(someone(), "narrow", aliases=["weather"])
    with_key(someone(), "low", highest_tier="free")

    assert "may not use the model" in explain(Question("weather-mini", key="narrow")).refused
    found = explain(Question("weather-mini", key="low"))
    assert [(one.deployment.slug, one.reason) for one in found.rejected] == [
        ("moon/pale", "tier_not_allowed")
    ]
    assert "Give the key a higher tier" in found.rejected[0].sentence


def test_of_several_keys_of_one_label_none_is_guessed():
    with_key(someone(), "twin")
    _, second = with_key(someone("bob"), "twin")

    with pytest.raises(KeyMissing, match="Several keys are called 'twin'"):
        explain(Question("weather-mini", key="twin"))
    assert explain(Question("weather-mini", key=str(second.pk))).ordered


def test_a_revoked_key_is_planned_for_and_said_to_be_revoked():
    _, row = with_key(someone())
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=row.created_at)

    found = explain(Question("weather-mini", key=str(row.pk)))

    assert any("This key is revoked" in note for note in found.notes)


def test_the_draft_and_older_revisions_answer_for_themselves():
    Route.objects.filter(alias__name="weather-mini", deployment__slug="sun/bright").delete()

    assert slugs(Question("weather-mini")) == ["sun/bright", "moon/pale"]
    assert slugs(Question("weather-mini", revision="draft")) == ["moon/pale"]
    assert slugs(Question("weather-mini", revision="1")) == ["sun/bright", "moon/pale"]
    assert explain(Question("weather-mini", revision="draft")).catalogue.number is None
    with pytest.raises(CatalogueMissing, match="no revision '2'"):
        explain(Question("weather-mini", revision="2"))


def test_what_the_workers_hold_is_told_beside_the_order(operator: Api):
    first, second = worker(0), worker(1)
    held(second, "sun/bright")

    (place, other) = operator.post("explain/", {"model": "weather-mini"}).json()["ordered"]

    assert place["skip"] is None  # the first worker still lets requests pass
    assert place["workers"][0] == {
        "workers": "worker 1",
        "state": "held",
        "sentence": "no requests for 5 minutes after it refused our credential",
    }
    assert other["workers"] == []
    held(first, "sun/bright")
    again = operator.post("explain/", {"model": "weather-mini"}).json()["ordered"]
    assert [one["skip"] for one in again] == ["held", None]


def test_the_page_answers_a_linked_question(browser: Client):
    text = browser.get(f"{PAGE}?model=weather-mini&needs=tools&input_tokens=10").content.decode()

    assert "sun/bright" in text
    assert "canary" not in text
    assert "Cannot do what was asked: tools." in text
    assert 'value="tools" checked' in text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "Ask about a model"),
        ("model=nothing", "&#x27;nothing&#x27; does not exist here"),
        ("model=weather&revision=99", "There is no revision"),
        ("model=weather&input_tokens=many", "whole number of tokens"),
        ("model=weather&key=nobody", "No key is called"),
        ("model=weather&dialect=latin", "Clients speak one of"),
        ("model=%3Cscript%3E", "&lt;script&gt;"),
    ],
    ids=["nothing", "model", "revision", "size", "key", "dialect", "hostile"],
)
def test_the_page_says_in_words_what_is_wrong(browser: Client, query: str, told: str):
    answer = browser.get(f"{PAGE}?{query}")

    assert answer.status_code == 200
    assert told in answer.content.decode()


def test_a_request_of_the_log_is_explained_beside_what_happened(browser: Client):
    attempts = [
        {"deployment": "sun/bright", "upstream": "sun", "tier": "free", "word": "timeout", "total_ms": 900},
        {"deployment": "moon/pale", "upstream": "moon", "tier": "direct", "word": "", "total_ms": 50},
    ]
    row = log_row(attempts=attempts, attempt_count=2, deployment="moon/pale", input_tokens_estimate=33)
    Route.objects.filter(deployment__slug="moon/pale").delete()

    text = browser.get(f"{PAGE}?request={row.pk}").content.decode()

    assert "revision 1" in text
    assert "moon/pale answered, after sun/bright" in text
    assert "timed out" in text
    assert 'name="input_tokens" value="33"' in text


def test_a_request_that_is_not_there_is_not_found(browser: Client):
    assert browser.get(f"{PAGE}?request=0193").status_code == 404
    assert browser.get(f"{PAGE}?request=01930000-0000-7000-8000-000000000000").status_code == 404


def test_a_developer_sees_explanations_and_cannot_probe_keys():
    with_key(someone(), "narrow", aliases=["weather"])
    client = Client()
    client.force_login(someone("dev", Role.DEVELOPER))

    text = client.get(f"{PAGE}?model=weather-mini&key=narrow").content.decode()

    assert "Tried in this order" in text
    assert 'name="key"' not in text
