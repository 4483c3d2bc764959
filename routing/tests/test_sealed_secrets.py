"""Provider secrets at rest: sealed under a ring, bound to provider and address, never told again."""

import base64
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from rainymodel_site.env import ConfigurationError
from rainymodel_site.management.commands.serve import Command as Serve
from routing.catalogue import read_document
from routing.environment import credentials
from routing.models import Provider, ProviderSecret
from routing.provider_secrets import forget_secrets, secret_state, set_secret, surroundings_here
from routing.sealing import open_sealed, read_ring, seal
from routing.tests.small_catalogue import load_small

URL = "https://api.sun.example/v1"


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_a_secret_opens_for_its_own_provider_and_address_only():
    ring = read_ring(key())
    sealed = ring.seal("sk-canary", "sun", URL)

    assert ring.open(sealed, "sun", URL) == "sk-canary"
    assert ring.open(sealed, "moon", URL) is None
    assert ring.open(sealed, "sun", "https://evil.example/v1") is None
    assert b"sk-canary" not in sealed


def test_every_sealing_is_different():
    ring = read_ring(key())

    assert ring.seal("same", "sun", URL) != ring.seal("same", "sun", URL)


@pytest.mark.fault("I28")
def test_the_first_key_seals_and_all_keys_open():
    old, new = key(), key()
    sealed = read_ring(old).seal("sk-canary", "sun", URL)

    rotating = read_ring(f"{new}, {old}")
    assert rotating.open(sealed, "sun", URL) == "sk-canary"
    assert not rotating.seals_with_first(sealed)
    assert read_ring(new).open(rotating.seal("x", "sun", URL), "sun", URL) == "x"
    assert read_ring(new).open(sealed, "sun", URL) is None


@pytest.mark.fault("I28")
@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s[:-1],
        lambda s: s[:12],
        lambda s: b"",
        lambda s: b"\x02" + s[1:],
        lambda s: s[:-1] + b"\x00\x01",
    ],
)
def test_a_damaged_secret_does_not_open_and_crashes_nothing(damage):
    ring = read_ring(key())

    assert ring.open(damage(ring.seal("sk-canary", "sun", URL)), "sun", URL) is None


GOOD_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.fault("I28")
@pytest.mark.parametrize(
    "text", ["", " , ", "short", base64.b64encode(b"x" * 16).decode(), "!" * 44, GOOD_KEY + ",nonsense"]
)
def test_a_ring_that_cannot_be_read_names_its_variable(text):
    with pytest.raises(ConfigurationError, match="RAINYMODEL_SECRET_KEYS"):
        read_ring(text)


def test_no_key_is_shown_by_a_ring():
    text = key()

    assert text not in repr(read_ring(text))
    assert repr(base64.b64decode(text))[2:-1] not in repr(read_ring(text))


def test_the_projects_ring_seals_and_opens():
    assert open_sealed(seal("sk-canary", "sun", URL), "sun", URL) == "sk-canary"


@pytest.mark.django_db
def test_a_secret_that_was_set_is_used_and_only_its_ending_is_told():
    load_small()
    sun = Provider.objects.get(slug="sun")
    set_secret(sun, "sk-canary-0123456789", "ada")

    here = surroundings_here()
    assert credentials(read_document(), here)["sun"] == "sk-canary-0123456789"
    state = secret_state(sun, here)
    assert (state.opens, state.last_four, state.set_by) == (True, "6789", "ada")
    assert "canary" not in str(ProviderSecret.objects.values().get()) + str(read_document()) + repr(state)


@pytest.mark.django_db
def test_a_short_secret_does_not_even_tell_its_ending():
    load_small()
    sun = Provider.objects.get(slug="sun")
    set_secret(sun, "hunter2", "ada")

    assert secret_state(sun, surroundings_here()).last_four == ""


@pytest.mark.django_db
def test_another_base_url_does_not_get_the_secret_and_the_old_one_finds_it_again():
    load_small()
    sun = Provider.objects.get(slug="sun")
    set_secret(sun, "sk-canary-0123456789", "ada")
    sun.base_url = "https://evil.example/v1"
    sun.save()

    assert "sun" not in credentials(read_document(), surroundings_here())
    assert secret_state(sun, surroundings_here()) is None
    sun.base_url = URL
    sun.save()
    assert "sun" in credentials(read_document(), surroundings_here())


@pytest.mark.django_db
def test_forgetting_deletes_the_secrets_of_every_address():
    load_small()
    sun = Provider.objects.get(slug="sun")
    set_secret(sun, "one", "ada")
    sun.base_url = "https://api2.sun.example/v1"
    set_secret(sun, "two", "ada")

    assert forget_secrets(sun) == 2
    assert not ProviderSecret.objects.exists()


@pytest.mark.fault("I28")
@pytest.mark.django_db
def test_rotating_seals_everything_under_the_first_key_and_leaves_what_does_not_open(settings):
    load_small()
    old, new = key(), key()
    settings.SEALING_KEYS = old
    set_secret(Provider.objects.get(slug="sun"), "sk-canary", "ada")
    settings.SEALING_KEYS = key()
    set_secret(Provider.objects.get(slug="moon"), "lost", "ada")
    when = dict(ProviderSecret.objects.values_list("provider_slug", "set_at"))

    settings.SEALING_KEYS = f"{new},{old}"
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    assert out.getvalue() == "Re-sealed 1 provider secrets. 1 do not open; enter them again.\n"

    settings.SEALING_KEYS = new
    found = surroundings_here().secrets
    assert found == {("sun", URL): "sk-canary", ("moon", "https://api.moon.example/v1"): None}
    assert dict(ProviderSecret.objects.values_list("provider_slug", "set_at")) == when


@pytest.mark.fault("I28")
@pytest.mark.django_db
def test_a_start_with_a_ring_that_opens_nothing_is_refused(settings):
    load_small()
    set_secret(Provider.objects.get(slug="sun"), "sk-canary-1234567890", "operator")
    Serve().check_database()

    settings.SEALING_KEYS = key()

    with pytest.raises(CommandError, match="RAINYMODEL_SECRET_KEYS opens none of the 1 provider secrets"):
        Serve().check_database()
