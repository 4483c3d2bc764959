"""What a provider's page advises, from what workers have reported."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway.models import Worker
from gateway.state_models import UpstreamState
from rainymodel_site.console.hints import hints_about
from routing.models import Provider

pytestmark = pytest.mark.django_db


def reported(hours_ago: float, **fields: Any) -> list[str]:
    """The advice of the provider `sun` when a worker has reported this of one of its deployments."""
    now = timezone.now()
    worker = Worker.objects.create(
        id=uuid.uuid4(), number=1, hostname="here", pid=1, started_at=now, heartbeat_at=now
    )
    known = {"deployment": "sun/ok", "provider": "sun", "state": "closed", "circuit": "closed"}
    UpstreamState.objects.create(
        worker=worker, last_at=now - timedelta(hours=hours_ago), **{**known, **fields}
    )
    return [hint.advice for hint in hints_about(Provider(slug="sun"), now)]


@pytest.mark.fault("U18")
def test_what_an_upstream_cannot_do_is_remembered_for_as_long_as_its_worker_lives():
    (advice,) = reported(200, last_word="capability", last_status=400)

    assert "Take the capability away" in advice


def test_a_refused_credential_is_told_for_as_long_as_it_is_held_and_an_hour_after():
    held = {
        "state": "held",
        "hold": "credential_refused",
        "held_until": timezone.now() + timedelta(minutes=5),
    }

    assert "credential" in reported(2, last_word="credential_refused", **held)[0]


@pytest.mark.parametrize(("hours_ago", "told"), [(0.5, 1), (1.5, 0)])
def test_what_may_have_been_put_right_is_not_told_for_ever(hours_ago: float, told: int):
    assert len(reported(hours_ago, last_word="credential_refused", last_status=401)) == told


def test_a_passing_trouble_needs_no_operator():
    assert reported(0, last_word="timeout", state="open", circuit="open") == []
