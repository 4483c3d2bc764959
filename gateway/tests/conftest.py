"""Live gateways, one for each server, started when a test first asks and shared by the whole run."""

from collections.abc import Iterator

import pytest

from gateway.tests.live import LiveGateway, live_gateway


@pytest.fixture(scope="session")
def uvicorn_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """The gateway as production serves it."""
    with live_gateway("uvicorn", tmp_path_factory.mktemp("uvicorn")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def daphne_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """The gateway as `manage.py runserver` serves it."""
    with live_gateway("daphne", tmp_path_factory.mktemp("daphne")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def litellm_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One whose catalogue also holds upstreams that litellm translates for."""
    with live_gateway("uvicorn", tmp_path_factory.mktemp("litellm"), with_litellm=True) as gateway:
        yield gateway


@pytest.fixture(params=["uvicorn", "daphne"])
def gateway(request: pytest.FixtureRequest) -> LiveGateway:
    """Each server in turn: the contract holds under both."""
    return request.getfixturevalue(f"{request.param}_gateway")
