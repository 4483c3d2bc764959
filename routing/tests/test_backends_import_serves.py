"""Both kinds of files, imported into one running gateway: the stock openai client finds every name again."""

import contextlib
from collections.abc import Iterator

import openai
import pytest

from gateway.tests.live import LiveGateway
from gateway.upstream.scripted import scripted_upstream
from rainymodel_site.tests.smoking import LITELLM_KEY, gateway_with, manage, smoke
from routing.tests.litellm_import import SAMPLES

MODELS = {
    "auto-chat": "claude-sonnet-4-6",
    "auto-claude-mini": "claude-haiku-4-5",
    "auto-codex": "gpt-5.2-codex",
    "best": "house-large",
    "house": "qwen3:8b",
    "house-large": "house-large",
    "house-small": "qwen3:8b",
}
HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A gateway that served before the files were imported."""
    with contextlib.ExitStack() as stack:
        upstreams = {
            name: stack.enter_context(scripted_upstream(name=name))
            for name in ("cliproxy", "new-api", "ark", "house")
        }
        gateway = stack.enter_context(
            gateway_with(
                {},
                tmp_path_factory.mktemp("imported"),
                upstreams,
                CLIPROXY_API_BASE=upstreams["cliproxy"].base_url,
                NEW_API_BASE=upstreams["new-api"].base_url,
                ARK_API_BASE=upstreams["ark"].base_url,
                HOUSE_API_BASE=upstreams["house"].base_url.removesuffix("/v1"),
                CHAT_AUTO_API_KEY="c",
                NEW_API_KEY="n",
                ARK_API_KEY="a",
            )
        )
        for words in (
            ("import_litellm_config", str(SAMPLES / "litellm_virtual_models.yaml")),
            ("import_backends", str(SAMPLES / "backends_house.json")),
        ):
            done = manage(gateway, *words)
            assert "Published as revision" in done.stdout, done.stdout + done.stderr
        wait_until_it_serves(gateway)
        yield gateway


def wait_until_it_serves(gateway: LiveGateway) -> None:
    """Ask until the worker has heard of what was imported; with a key that may ask often."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["plain"]) as client:
        for _ in range(2000):
            if {model.id for model in client.models.list()} >= set(MODELS):
                return
    raise AssertionError("the worker does not serve what was imported")


@pytest.fixture
def client(gateway: LiveGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=LITELLM_KEY, max_retries=0) as client:
        yield client


def test_every_name_of_both_files_is_listed(client: openai.OpenAI):
    assert {model.id for model in client.models.list()} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_name_answers_with_its_first_model(client: openai.OpenAI, name: str):
    answer = client.chat.completions.create(model=name, messages=HELLO)

    assert "hello there" in answer.choices[0].message.content
    assert answer.model == MODELS[name]


def test_a_stream_ends_well(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model="house", messages=HELLO, stream=True))

    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_a_beginning_of_a_name_is_enough(client: openai.OpenAI):
    assert client.chat.completions.create(model="house-9", messages=HELLO).model == "house-9"


def test_an_unknown_name_and_a_wrong_key_are_refused_as_openai_refuses_them(gateway: LiveGateway):
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=LITELLM_KEY, max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="nobody"):
            client.chat.completions.create(model="nobody", messages=HELLO)
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-wrong").chat.completions.create(model="house", messages=HELLO)


def test_the_sealed_key_and_the_extra_header_reach_the_upstream(gateway: LiveGateway, client: openai.OpenAI):
    client.chat.completions.create(model="house", messages=HELLO)

    headers = gateway.upstreams["house"].ledger.entries[-1].headers
    assert headers["authorization"] == "Bearer sk-house-literal-0123456789"
    assert headers["x-title"] == "House"


def test_the_smoke_questions_are_answered(gateway: LiveGateway):
    code, checks = smoke(gateway)

    assert (code, {name for name, check in checks.items() if not check["ok"]}) == (0, set())
    assert checks["an unknown model"]["detail"] == ""
    assert set(MODELS) <= set(checks)
