"""`manage.py smoke` against the Vibe router's catalogue: who answers, which layer takes over, what fails and how."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from bench.ports import free_port
from gateway.tests.live import LiveGateway
from gateway.upstream.scripted import scripted_upstream
from rainymodel_site.tests.smoking import LITELLM_KEY, gateway_with, manage, smoke
from routing.management.commands.load_catalogue import read_seed

FIRST_LAYERS = {
    "auto-chat": ("cliproxy", "claude-sonnet-4-6"),
    "auto-chat-mini": ("cliproxy", "gemini-2.5-flash"),
    "auto-claude": ("cliproxy", "claude-sonnet-4-5"),
    "auto-claude-mini": ("cliproxy", "claude-haiku-4-5"),
    "auto-codex": ("new-api", "gpt-5.2-codex"),
    "auto-codex-mini": ("new-api", "gpt-5.1-codex-mini"),
}
NAMES = ",".join(FIRST_LAYERS)


@pytest.fixture(scope="module")
def vibe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """All three layers answer."""
    with contextlib.ExitStack() as stack:
        upstreams = {
            name: stack.enter_context(scripted_upstream(name=name)) for name in ("cliproxy", "new-api", "ark")
        }
        yield stack.enter_context(
            gateway_with(
                read_seed("vibe"),
                tmp_path_factory.mktemp("vibe"),
                upstreams,
                CLIPROXY_API_BASE=upstreams["cliproxy"].base_url,
                NEW_API_BASE=upstreams["new-api"].base_url,
                ARK_API_BASE=upstreams["ark"].base_url,
                CHAT_AUTO_API_KEY="c",
                NEW_API_KEY="n",
                ARK_API_KEY="a",
            )
        )


@pytest.fixture(scope="module")
def crippled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """Nobody listens where CLIProxyAPI should be, and New API has no key."""
    with (
        scripted_upstream(name="ark") as ark,
        gateway_with(
            read_seed("vibe"),
            tmp_path_factory.mktemp("crippled"),
            {"ark": ark},
            CLIPROXY_API_BASE=f"http://127.0.0.1:{free_port()}",
            NEW_API_BASE="http://127.0.0.1:1",
            ARK_API_BASE=ark.base_url,
            CHAT_AUTO_API_KEY="c",
            ARK_API_KEY="a",
        ) as gateway,
    ):
        yield gateway


def test_every_listed_model_answers_from_its_first_layer(vibe: LiveGateway):
    code, checks = smoke(vibe)

    assert {name: (checks[name]["upstream"], checks[name]["model"]) for name in FIRST_LAYERS} == FIRST_LAYERS
    assert (code, {name for name, check in checks.items() if not check["ok"]}) == (0, set())
    assert checks["models"]["detail"] == "6 models"
    assert checks["auto-chat, streamed"]["upstream"] == "cliproxy"
    assert {"health", "models without a key", "an unknown model", "a wrong key"} <= set(checks)


def test_a_star_in_the_catalogue_takes_unknown_names_and_the_check_says_so(vibe: LiveGateway):
    _, checks = smoke(vibe, "--model", "auto-chat")

    assert checks["an unknown model"]["detail"] == "200: a pattern hands every name on"


def test_only_the_named_models_are_asked(vibe: LiveGateway):
    _, checks = smoke(vibe, "--model", "auto-chat", "--models", "auto-codex,claude-any")

    asked = [name for name in checks if name.startswith(("auto-", "claude-")) and "streamed" not in name]
    assert asked == ["auto-chat", "auto-codex", "claude-any"]
    assert checks["claude-any"]["model"] == "claude-any"


def test_each_layer_can_be_asked_by_itself(vibe: LiveGateway):
    code, checks = smoke(vibe, "--model", "auto-chat", "--layers")

    layers = {name: check["model"] for name, check in checks.items() if " at " in name}
    assert code == 0
    assert layers == {
        "  auto-chat at cliproxy": "claude-sonnet-4-6",
        "  auto-chat at new-api": "gpt-5",
        "  auto-chat at ark": "glm-4.7",
    }


def test_a_key_from_create_key_works(vibe: LiveGateway):
    key = manage(vibe, "create_key", "smoke", "--quiet").stdout.strip()

    code, checks = smoke(vibe, "--models", NAMES, key=key)
    assert key.startswith("sk-rm_")
    assert (code, len(checks)) == (0, 12)


def test_the_key_may_come_from_the_environment_and_each_check_is_a_line(vibe: LiveGateway):
    done = manage(
        vibe, "smoke", "--url", f"{vibe.url}/v1/", "--model", "auto-codex", RAINYMODEL_API_KEY=LITELLM_KEY
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("✓ auto-codex ") and line.endswith("new-api gpt-5.2-codex") for line in lines)
    assert lines[-1] == "All 7 checks passed."
    assert LITELLM_KEY not in done.stdout + done.stderr


def test_when_the_first_layer_is_dead_the_next_one_answers(crippled: LiveGateway):
    _, checks = smoke(crippled, "--model", "auto-claude")

    check = checks["auto-claude"]
    assert (check["ok"], check["upstream"], check["model"]) == (True, "ark", "glm-4.7")
    assert check["tried"].startswith("cliproxy")


def test_what_nobody_is_set_up_for_fails_unless_it_is_allowed(crippled: LiveGateway):
    strict, checks = smoke(crippled, "--model", "auto-codex")
    lenient, allowed = smoke(crippled, "--models", "auto-claude,auto-codex", "--allow-unconfigured")

    assert checks["auto-codex"]["detail"].startswith("not set up (503 ")
    assert (strict, checks["auto-codex"]["ok"]) == (1, False)
    assert allowed["auto-codex"]["ok"] is True
    assert "auto-claude, streamed" in allowed
    assert lenient == 0


def test_a_wrong_key_fails_and_is_not_printed(vibe: LiveGateway):
    code, checks = smoke(vibe, "--model", "auto-chat", key="sk-wrong-key-0123456789")

    assert code == 1
    assert checks["models"]["detail"].startswith("401 ")
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "models", "auto-chat", "an unknown model",
    }  # fmt: skip


def test_another_gateway_without_our_headers_is_asked_the_same(vibe: LiveGateway):
    _, checks = smoke(vibe, "--model", "gpt-4o", url=vibe.upstreams["ark"].base_url)

    assert checks["gpt-4o"]["ok"] is True
    assert (checks["gpt-4o"]["upstream"], checks["gpt-4o"]["model"]) == ("", "")
    assert checks["models without a key"]["detail"].startswith("200")
    assert checks["gpt-4o, streamed"]["ok"] is True


def test_nobody_there_is_one_failure_and_no_more_questions(vibe: LiveGateway):
    code, checks = smoke(vibe, url=f"http://127.0.0.1:{free_port()}")

    assert (code, list(checks)) == (1, ["health"])
    assert checks["health"]["detail"].startswith("no answer (")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--url", "localhost:8080", "--key", "k"], "--url must be an address"),
        (["--url", "http://localhost:1"], "Give an API key with --key, or in RAINYMODEL_API_KEY."),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(vibe: LiveGateway, words: list[str], problem: str):
    done = manage(vibe, "smoke", *words, RAINYMODEL_API_KEY="")

    assert done.returncode == 1
    assert problem in done.stderr


@pytest.mark.parametrize("path", ["/ui", "/ui/"])
def test_where_litellms_admin_was_the_way_leads_to_ours(vibe: LiveGateway, path: str):
    with httpx.Client(base_url=vibe.url, follow_redirects=True) as client:
        seen = client.get(path)

    assert "/admin/" in [answer.headers["location"] for answer in seen.history]
    assert seen.url.path in {"/admin/", "/admin/login/", "/signin/"}
