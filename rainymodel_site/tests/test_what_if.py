"""Logged requests through another catalogue: what moves, what nobody answers any more, and what it would cost."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Role
from rainymodel_site.console.what_if_run import Stopped, run, tell
from rainymodel_site.console.what_if_start import DIED, NEVER_BEGAN, CannotReplay, Wanted, ask, bury, cancel
from rainymodel_site.models import Replay
from rainymodel_site.tests.api_client import someone, with_key
from rainymodel_site.tests.explaining import log_row, publish_small
from routing.models import Alias, Deployment, Provider, Route, TierPolicy

pytestmark = pytest.mark.django_db
PAGE = "/admin/console/what-if/"


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    publish_small(monkeypatch)


def replayed(**wanted: Any) -> dict[str, Any]:
    """The result of a replay, run here."""
    replay = ask(Wanted(**wanted))
    run(replay)
    replay.refresh_from_db()
    assert replay.state == Replay.State.DONE, replay.problem
    return dict(replay.result)


def flows(result: dict[str, Any], kind: str = "providers") -> dict[tuple[str, str], int]:
    return {(flow["from"], flow["to"]): flow["requests"] for flow in result[kind]}


def test_an_unchanged_draft_moves_nothing():
    log_row(input_tokens=100, output_tokens=10)
    log_row(requested_model="no-such-model", alias="", policy="", revision=0, state="client_error")

    result = replayed()

    assert (result["requests"], result["moved"], result["stranded"], result["stranded_before"]) == (
        2,
        0,
        0,
        1,
    )
    assert result["cost"]["difference"] == "0"


def test_without_a_provider_requests_go_to_the_next_and_cost_what_they_cost_there():
    for _ in range(3):
        log_row(input_tokens=1_000_000, output_tokens=1_000_000)

    result = replayed(revision="live", down=("sun",))

    assert flows(result) == {("sun", "moon"): 3}
    assert flows(result, "tiers") == {("free", "direct"): 3}
    assert result["cost"] == {
        "before": "0",
        "after": "2.10",  # three times 0.28 and 0.42
        "difference": "2.10",
        "known": 3,
        "unknown": 0,
    }
    assert [(row["name"], row["moved"]) for row in result["aliases"]] == [("weather-mini", 3)]


def test_a_deployment_alone_may_be_down():
    log_row()

    assert flows(replayed(revision="live", down_deployments=("sun/bright",))) == {("sun", "moon"): 1}


def test_what_nobody_could_answer_any_more_is_named_with_its_need_and_the_reason():
    log_row(needs=["vision"])
    log_row(needs=["vision"])
    log_row()

    result = replayed(revision="live", down=("sun",))

    assert result["stranded"] == 2
    assert result["newly_stranded"] == [
        {
            "alias": "weather-mini",
            "needs": ["vision"],
            "why": "cannot do what was asked; pretended to be down",
            "requests": 2,
        }
    ]


def test_what_led_to_no_alias_is_one_line_whatever_clients_wrote():
    for number in range(3):
        log_row(requested_model=f"made up {number}", alias="", policy="", revision=0, state="client_error")

    result = replayed()

    assert (result["requests"], [row["name"] for row in result["aliases"]]) == (3, ["(no alias)"])


def test_a_new_alias_of_the_draft_answers_what_nobody_does_now():
    log_row(requested_model="storm", alias="", policy="", revision=0, state="client_error")
    alias = Alias.objects.create(name="storm")
    Route.objects.create(alias=alias, deployment=Deployment.objects.get(slug="sun/bright"), position=1)

    result = replayed()

    assert (result["rescued"], flows(result)) == (1, {("nobody", "sun"): 1})


def test_a_cost_that_is_not_known_stays_unknown():
    log_row(input_tokens=10)
    log_row()  # nothing is known of what it used
    Deployment.objects.get(slug="moon/pale").prices.all().delete()

    result = replayed(down=("sun",))

    assert result["cost"] == {"before": None, "after": None, "difference": None, "known": 0, "unknown": 2}


def test_the_scopes_of_keys_count_and_the_result_is_told_for_each_key():
    _, low = with_key(someone(), "low", highest_tier="free")
    log_row(key_id=low.pk, key_label="low")
    log_row(key_label="of the environment")

    result = replayed(revision="live", down=("sun",))

    assert {row["name"]: (row["moved"], row["stranded"]) for row in result["keys"]} == {
        "low": (1, 1),
        "of the environment": (1, 0),
    }


def test_a_request_that_named_no_policy_follows_the_drafts_default():
    log_row()
    log_row(policy="dear")
    Alias.objects.filter(name="weather-mini").update(policy=TierPolicy.objects.get(name="dear"))

    assert flows(replayed()) == {("sun", "moon"): 1, ("moon", "moon"): 1}


def test_only_the_days_asked_for_are_read():
    log_row(minutes_ago=10)
    log_row(minutes_ago=60 * 30)

    assert replayed(days=1)["requests"] == 1
    assert replayed(days=7)["requests"] == 2


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"days": 0}, "1 to 31 days"),
        ({"down": ("mars",)}, "no provider 'mars'"),
        ({"down_deployments": ("mars/red",)}, "no deployment 'mars/red'"),
        ({"revision": "9"}, "no revision '9'"),
    ],
    ids=["days", "provider", "deployment", "revision"],
)
def test_what_is_not_there_is_refused_before_anything_starts(wanted: dict[str, Any], told: str):
    with pytest.raises(Exception, match=told):
        ask(Wanted(**wanted))
    assert not Replay.objects.exists()


def test_one_replay_runs_at_a_time_and_asking_is_audited():
    ask(Wanted(down=("sun",)))

    with pytest.raises(CannotReplay, match="Another replay is under way"):
        ask(Wanted())
    assert AuditEntry.objects.get(action="asked what if").changes == {"down": [None, "sun"]}


def test_a_cancelled_replay_stops_and_says_no_more():
    replay = ask(Wanted())
    assert cancel(replay)

    run(replay)

    replay.refresh_from_db()
    assert (replay.state, replay.result, replay.started_at) == (Replay.State.CANCELLED, None, None)
    assert not cancel(replay)


def test_one_that_is_cancelled_while_it_runs_notices_at_its_next_word():
    replay = ask(Wanted())
    Replay.objects.filter(pk=replay.pk).update(state=Replay.State.RUNNING)
    tell(replay, progress=0.5)
    cancel(replay)

    with pytest.raises(Stopped):
        tell(replay, progress=0.6)
    replay.refresh_from_db()
    assert replay.progress == 0.5


@pytest.mark.parametrize(("state", "told"), [("running", DIED), ("waiting", NEVER_BEGAN)])
def test_a_process_that_died_is_noticed_and_the_next_may_begin(state: str, told: str):
    replay = ask(Wanted())
    long_ago = timezone.now() - timedelta(minutes=5)
    Replay.objects.filter(pk=replay.pk).update(
        state=state, asked_at=long_ago, heartbeat_at=long_ago if state == "running" else None
    )

    bury()

    replay.refresh_from_db()
    assert (replay.state, replay.problem) == (Replay.State.FAILED, told)
    assert ask(Wanted()).state == Replay.State.WAITING


def test_a_draft_that_cannot_serve_is_said_in_words():
    replay = ask(Wanted())
    Provider.objects.filter(slug="sun").update(extra_headers={}, base_url="${NOWHERE}/v1")

    run(replay)

    replay.refresh_from_db()
    assert replay.state == Replay.State.FAILED
    assert "The draft cannot be used" in replay.problem


def test_at_a_terminal_the_result_comes_as_words_and_as_json():
    log_row(needs=["vision"], input_tokens=5)
    log_row(input_tokens=1_000_000)

    def said(*arguments: str) -> str:
        out = StringIO()
        call_command("replay", "--revision", "live", "--down", "sun", *arguments, stdout=out)
        return out.getvalue()

    words = said()
    assert "2 requests, revision 1 → revision 1" in words
    assert "free → direct: 1" in words
    assert "weather-mini with vision: 1" in words
    assert json.loads(said("--json"))["stranded"] == 1
    with pytest.raises(CommandError, match="no provider 'mars'"):
        call_command("replay", "--down", "mars")


@pytest.mark.parametrize("state", ["waiting", "running", "done", "cancelled", "failed"])
def test_the_page_shows_every_state_to_who_reads_the_log(state: str):
    log_row(needs=["vision"], input_tokens=5)
    replay = ask(Wanted(revision="live", down=("sun",)))
    run(replay)
    Replay.objects.filter(pk=replay.pk).update(state=state, heartbeat_at=timezone.now(), problem="<oh>")
    client = Client()
    client.force_login(someone("dev", Role.DEVELOPER))

    text = client.get(f"{PAGE}{replay.pk}/").content.decode()

    polls = f'hx-get="{PAGE}{replay.pk}/"' in text
    assert polls is (state in ("waiting", "running"))
    assert ("Nobody would answer these" in text) is (state == "done")
    assert "<oh>" not in text
    assert f"{PAGE}{replay.pk}/" in client.get(PAGE).content.decode()


def test_developers_may_look_and_not_start():
    client = Client()
    client.force_login(someone("dev", Role.DEVELOPER))

    client.post(PAGE, {"days": "1", "revision": "draft"})

    assert not Replay.objects.exists()
    assert client.post(f"{PAGE}1/cancel/").status_code == 403


def test_where_no_process_can_be_started_it_is_cancelled_and_said(monkeypatch: pytest.MonkeyPatch):
    client = Client()
    client.force_login(someone("root", Role.ADMIN))
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    response = client.post(PAGE, {"days": "1", "revision": "draft"}, follow=True)

    assert "No process could be started for it" in response.content.decode()
    assert Replay.objects.get().state == Replay.State.CANCELLED
