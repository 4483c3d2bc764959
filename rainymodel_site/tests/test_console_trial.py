"""One tiny request to a deployment, as the gateway would send it, and what is said about it."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream
from rainymodel_site.console.trial import first_words, tiny_payload
from rainymodel_site.tests.listing_server import listing_server
from routing.loader import load_rows
from routing.models import Deployment

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def upstream():
    with scripted_upstream() as running:
        yield running


def load(upstream: ScriptedUpstream, *models: str, **fields: Any) -> None:
    """Deployments of these models, whose names choose what the upstream plays."""
    here = {"base_url": upstream.base_url, "address_class": "private", "first_content_limit": 1}
    load_rows(
        {
            "tiers": {"internal": {"name": "Internal", "billing": "self_hosted", "rank": 1}},
            "policies": {"auto": {"steps": ["internal"]}},
            "providers": {"sun": {"upstream": "sun", **here, **fields}, "bare": {"upstream": "bare", **here}},
            "deployments": {
                f"sun/{model}": {"provider": "sun", "model": model, "tier": "internal"} for model in models
            },
        },
        overwrite=True,
    )


def tried(*names: str) -> str:
    output = StringIO()
    call_command("try_upstream", *names, stdout=output, stderr=StringIO())
    return output.getvalue()


def failed(*names: str) -> str:
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("try_upstream", *names, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_an_answer_is_told_with_its_time_tokens_and_first_words(upstream):
    load(upstream, "ok")
    upstream.ledger.reset()

    text = tried("sun/ok")

    assert text.startswith("ok   sun/ok: sun answered in ")
    assert " ms, " in text
    assert " tokens." in text
    assert "“" in text
    assert upstream.ledger.totals.requests == 1


def test_a_provider_is_tried_with_its_first_enabled_deployment(upstream):
    load(upstream, "b-ok", "a-ok", "any-*")

    assert "sun/a-ok: sun answered" in tried("sun")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("unauthorized", "refused our credential"),
        ("status:code=404", "is not set up right (status 404). Check the base URL and the model's name"),
        ("status:code=429", "is limiting our rate"),
        ("insufficient_quota", "has used up its quota"),
        ("status:code=500", "failed (status 500)"),
        ("html", "sent a broken answer"),
        ("hangup", "could not be reached"),
        ("slow:first=30", "timed out"),
    ],
)
def test_a_failure_is_told_in_plain_words_with_what_to_do(upstream, model, said):
    load(upstream, model)

    text = failed(f"sun/{model}")

    assert text.startswith("FAIL")
    assert said in text


def test_several_are_tried_with_a_line_for_each(upstream):
    load(upstream, "ok", "status:code=500")

    first, second = failed("sun/ok", "sun/status:code=500").splitlines()

    assert first.startswith("ok   sun/ok")
    assert second.startswith("FAIL sun/status:code=500")


def test_what_is_switched_off_can_be_tried_before_it_serves(upstream):
    load(upstream, "ok", enabled=False)

    assert "answered in" in tried("sun/ok")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"credential_variable": "SUN_KEY"}, "RAINYMODEL_CREDENTIALS does not allow SUN_KEY"),
        ({"base_url": "http://10.9.8.7:11434/v1"}, "10.9.8.7:11434 is not in RAINYMODEL_PRIVATE_UPSTREAMS"),
    ],
    ids=["credential", "address"],
)
def test_what_cannot_be_called_from_here_is_not_called_and_said_why(upstream, fields, said):
    load(upstream, "ok", **fields)
    upstream.ledger.reset()

    assert f"Not called: {said}" in failed("sun/ok")
    assert upstream.ledger.totals.requests == 0


def test_a_pattern_has_no_one_model_to_ask(upstream):
    load(upstream, "any-*")

    assert "holds a *" in failed("sun/any-*")


@pytest.mark.parametrize(
    ("name", "said"),
    [("nobody", "There is no provider and no deployment"), ("bare", "has no deployment yet")],
)
def test_a_name_that_leads_nowhere_is_refused(upstream, name, said):
    load(upstream, "ok")

    with pytest.raises(CommandError, match=said):
        tried(name)


def test_each_dialects_answer_begins_somewhere():
    assert first_words({"choices": [{"message": {"content": " OK. "}}]}) == "OK."
    assert first_words({"choices": [{"text": "OK"}]}) == "OK"
    assert first_words({"data": [{"embedding": [0.1, 0.2]}]}) == "a vector of 2 numbers"
    assert first_words({"output": [{"content": [{"text": "OK"}]}]}) == "OK"
    assert first_words({"choices": [{"message": {"content": None}}]}) == ""
    assert first_words({"choices": [{"message": {"content": "x" * 200}}]}) == "x" * 80 + "…"


def test_an_embedding_deployment_is_asked_for_a_vector(upstream):
    vector = {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
    }
    with listing_server({"/v1/embeddings": (200, vector)}) as server:
        load(upstream, "vectors", base_url=f"{server.url}/v1")
        Deployment.objects.filter(slug="sun/vectors").update(dialects=["embeddings"])

        assert "“a vector of 2 numbers”" in tried("sun/vectors")
    assert [path for _, path, _ in server.asked] == ["/v1/embeddings"]


def test_chat_is_preferred_where_a_deployment_speaks_several_dialects():
    assert tiny_payload({"embeddings", "chat"})[0] == "chat"
