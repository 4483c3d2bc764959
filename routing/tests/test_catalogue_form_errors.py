"""What an operator may not enter: each mistake is an error beside its field, and nothing is saved."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from routing.models import Alias, CatalogueRevision, Deployment, Provider, Tier
from routing.publish import publish
from routing.tests.pages import add, edit, errors
from routing.tests.small_catalogue import load_small

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    """Signed in with every right, on the small catalogue."""
    load_small()
    publish("start")
    client.force_login(get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True))
    return client


def newest() -> CatalogueRevision:
    return CatalogueRevision.objects.first()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("base_url", "https://${DATABASE_URL}/v1", "DATABASE_URL may not stand in a URL"),
        ("base_url", "http://api.sun.example/v1", "needs https"),
        ("base_url", "https://10.0.0.1/v1", "full DNS name"),
        ("base_url", "http://169.254.169.254/", "metadata"),
        ("base_url", "", "needs a base URL"),
        ("extra_headers", '["a"]', "Write an object"),
        ("extra_headers", '{"Authorization": "Bearer x"}', "set by the gateway itself"),
        ("extra_headers", '{"cookie": "a=b"}', "set by the gateway itself"),
        ("extra_headers", '{"X-A": "one\\r\\nHost: two"}', "one line"),
        ("extra_headers", '{"X-A": 1}', "one line"),
        ("extra_headers", '{"X-A": NaN}', "one line"),
        ("extra_headers", '{"X A": "b"}', "is not a header name"),
        ("extra_headers", '{"x-a": "1", "X-A": "2"}', "named twice"),
        ("extra_headers", "{broken", "valid JSON"),
        ("credential_variable", "sk-real-secret", "Never the secret itself"),
        ("secret", "two words", "one line of visible characters"),
        ("upstream", "Not A Label", "lower-case"),
        ("first_content_limit", "0", "greater than or equal"),
        ("first_content_limit", "nan", "Enter a number"),
        ("concurrency_limit", "0", "greater than or equal"),
        ("open_after", "99999999", "less than or equal"),
        ("quota_window", "week", "valid choice"),
        ("litellm_prefix", "no slash", "a slash"),
        ("litellm_prefix", "bedrock/", "past this gateway"),
    ],
)
def test_bad_input_for_a_provider_is_a_form_error(operator, field, value, message):
    response = edit(operator, Provider.objects.get(slug="sun"), **{field: value})

    assert message in " ".join(errors(response)[field])
    assert newest().number == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("parameter_policy", '{"model": "other"}', "cannot be renamed or dropped"),
        ("parameter_policy", '{"max_tokens": 5}', "null to drop it"),
        ("parameter_policy", '{"temperature": NaN}', "null to drop it"),
        ("parameter_policy", "[]]", "valid JSON"),
        ("parameter_policy", "7", "Write an object"),
        ("model", "two words", "without spaces"),
        ("model", "a*b*c", "at most one *"),
        ("model", "nul\x00byte", "Null characters are not allowed"),
        ("slug", "sun/bright", "already exists"),
        ("context_window", "-1", "greater than or equal"),
    ],
)
def test_bad_input_for_a_deployment_is_a_form_error(operator, field, value, message):
    response = edit(operator, Deployment.objects.get(slug="moon/pale"), **{field: value})

    assert message in " ".join(errors(response)[field])
    assert newest().number == 1


def test_a_name_that_is_taken_is_a_form_error_also_when_it_was_made_up_here(operator):
    sun, free = Provider.objects.get(slug="sun"), Tier.objects.get(slug="free")

    response = add(operator, Deployment, provider=str(sun.pk), model="bright", tier=str(free.pk), quality="0")

    assert "already exists" in " ".join(errors(response)["slug"])


def test_two_routes_to_one_deployment_are_a_form_error(operator):
    alias = Alias.objects.get(name="weather-mini")
    first = str(alias.routes.first().deployment_id)

    response = edit(operator, alias, **{"routes-1-deployment": first})

    assert response.status_code == 200
    assert "Please correct" in response.content.decode()
    assert newest().number == 1
