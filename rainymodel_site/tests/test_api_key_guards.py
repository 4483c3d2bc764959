"""Keys through the API: what only operators may give, and how many may be made."""

import pytest

from accounts.models import ApiKey, Role
from rainymodel_site.tests.api_client import Api, refused, someone

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Api:
    return Api(user=someone("root", Role.ADMIN))


@pytest.fixture
def ada() -> Api:
    return Api(user=someone())


def test_only_operators_give_a_key_another_limit_for_bodies(ada: Api, operator: Api):
    made = ada.post("keys/", {"label": "laptop"}).json()
    assert made["max_body_mb"] is None

    refused(ada.post("keys/", {"label": "x", "max_body_mb": 20}), 403, "operators_only")
    refused(ada.patch(f"keys/{made['id']}/", {"max_body_mb": 20}), 403, "operators_only")
    refused(operator.patch(f"keys/{made['id']}/", {"max_body_mb": 51}), 400, "invalid_value", "max_body_mb")
    assert operator.patch(f"keys/{made['id']}/", {"max_body_mb": 50}).json()["max_body_mb"] == 50
    assert ada.post(f"keys/{made['id']}/roll/", {}).status_code == 201
    assert set(ApiKey.objects.values_list("max_body_mb", flat=True)) == {50}


def test_making_keys_without_end_is_a_429(ada: Api):
    for _ in range(20):
        made = ada.post("keys/", {"label": "x"}).json()
        assert ada.delete(f"keys/{made['id']}/").status_code == 200

    answer = ada.post("keys/", {"label": "x"})

    assert "Wait a minute" in refused(answer, 429, "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "60"
