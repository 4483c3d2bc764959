"""Every exception of litellm's has an outcome."""

import inspect
import subprocess
import sys

import pytest

from gateway.upstream.litellm_errors import MAPPED, outcome_of
from gateway.upstream.litellm_wire import import_litellm
from routing.engine.outcome import FALLBACK_WORDS, Fault


def test_the_table_knows_every_exception_class_of_litellm():
    exceptions = import_litellm().exceptions

    found = {
        name
        for name, member in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(member, Exception) and member.__module__ == exceptions.__name__
    }

    assert len(found) > 30
    assert found - MAPPED == set()


@pytest.mark.parametrize("name", sorted(MAPPED))
@pytest.mark.parametrize("sent", [False, True], ids=["before-sending", "after-an-answer"])
def test_every_outcome_has_a_word_that_logs_know(name: str, sent: bool):
    outcome = outcome_of(name, "something went wrong", sent=sent)

    assert outcome.word in (*FALLBACK_WORDS, "content_filter")


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("RateLimitError", "Rate limit reached", "rate_limited"),
        ("RateLimitError", "You exceeded your current quota", "quota_exhausted"),
        ("BadRequestError", "prompt is too long: 9 tokens", "context_too_long"),
        ("BadRequestError", "this model does not support images", "capability"),
        ("BadRequestError", "usage not found in the answer", "bad_response"),
        ("PaymentRequiredError", "", "quota_exhausted"),
        ("ServiceUnavailableError", "", "server_error"),
        ("Timeout", "", "timeout"),
        ("UnheardOfError", "", "bad_response"),
    ],
)
def test_text_and_status_decide_where_a_class_stands_for_several_things(name: str, text: str, word: str):
    assert outcome_of(name, text).word == word


def test_retry_after_comes_from_the_headers():
    assert outcome_of("RateLimitError", "slow down", {"Retry-After": "9"}).retry_after == 9.0


def test_what_fails_before_sending_says_nothing_about_the_upstreams_health():
    for name in ("APIConnectionError", "InternalServerError", "BadRequestError", "Timeout", "UnheardOfError"):
        assert outcome_of(name, "", sent=False).fault is Fault.CAPABILITY


def test_the_credential_is_not_repeated():
    outcome = outcome_of("BadRequestError", "content_filter for plain-secret", credential="plain-secret")

    assert "plain-secret" not in repr(outcome)


def test_the_table_does_not_import_litellm():
    code = "import sys, gateway.upstream.litellm_errors; sys.exit('litellm' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
