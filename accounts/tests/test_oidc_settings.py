"""The provider's address and our secret as the environment gives them."""

import pytest

from rainymodel_site.env import ConfigurationError
from rainymodel_site.sign_in_settings import read_client_secret, read_issuer


@pytest.mark.parametrize("issuer", ["https://login.orcest.ai", "https://login.example:8443/realms/orcest"])
def test_an_issuer_is_taken_as_it_is(issuer: str):
    assert read_issuer({"OIDC_ISSUER": issuer}, production=True) == issuer


def test_without_one_it_is_orcests():
    assert read_issuer({}, production=True) == "https://login.orcest.ai"


def test_plain_http_is_for_development():
    given = {"OIDC_ISSUER": "http://127.0.0.1:9000"}

    assert read_issuer(given, production=False) == "http://127.0.0.1:9000"
    with pytest.raises(ConfigurationError, match=r"^OIDC_ISSUER must be an https address"):
        read_issuer(given, production=True)


@pytest.mark.parametrize(
    "issuer",
    [
        "login.orcest.ai",
        "https://",
        "https://a?b=c",
        "https://a#b",
        "https://u:p@a",
        "https://[a",
        "https://a:port",
    ],
)
def test_what_is_no_address_stops_the_start(issuer: str):
    with pytest.raises(ConfigurationError, match=r"^OIDC_ISSUER must be"):
        read_issuer({"OIDC_ISSUER": issuer}, production=False)


def test_an_example_secret_stops_a_production_start():
    with pytest.raises(ConfigurationError, match="OIDC_CLIENT_SECRET"):
        read_client_secret({"OIDC_CLIENT_SECRET": "changeme"}, production=True)
    assert read_client_secret({"OIDC_CLIENT_SECRET": "changeme"}, production=False) == "changeme"
