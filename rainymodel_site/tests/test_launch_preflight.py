"""What is looked at before anything starts, and what is said about it."""

from pathlib import Path

import pytest

from rainymodel_site import env
from rainymodel_site.preflight import database_refusal, production_refusal
from rainymodel_site.timing import StopTiming, read_stop_timing


def test_a_dotenv_that_is_not_text_is_told(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"HF_TOKEN=\xff\n")

    with pytest.raises(env.ConfigurationError, match=r"\.env cannot be read: it is not UTF-8 text"):
        env.load_dotenv(tmp_path / ".env")


def test_a_dotenv_that_is_a_directory_is_told(tmp_path: Path):
    with pytest.raises(env.ConfigurationError, match="cannot be read: Is a directory"):
        env.load_dotenv(tmp_path)


def test_a_dotenv_with_a_broken_line_names_the_line(tmp_path: Path):
    (tmp_path / ".env").write_text("# fine\nHF TOKEN\n")

    with pytest.raises(env.ConfigurationError, match="line 2 is not of the form NAME=value"):
        env.load_dotenv(tmp_path / ".env")


def test_a_database_is_refused_without_repeating_its_password():
    for url in ("nonsense://user:hunter2@host/db", "postgresql://user:hunter2@127.0.0.1:1/db"):
        assert "hunter2" not in database_refusal(url)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, None),
        ({"RAINYMODEL_MASTER_KEY": "a-long-random-string", "RAINYMODEL_API_KEYS": "one, two"}, None),
        ({"RAINYMODEL_MASTER_KEY": "changeme"}, "RAINYMODEL_MASTER_KEY"),
        ({"RAINYMODEL_API_KEYS": "one,sk-rm-orcide-default"}, "RAINYMODEL_API_KEYS"),
        ({"LITELLM_MASTER_KEY": "sk-1234"}, "LITELLM_MASTER_KEY"),
        ({"LITELLM_MASTER_KEY": "sk-a-long-random-string"}, None),
    ],
)
def test_keys_that_everybody_knows_are_refused_in_production(environment, named):
    refusal = production_refusal(environment)

    assert (refusal or "").partition(" ")[0] == (named or "")


def test_a_stop_is_quick_in_development_and_patient_in_production(monkeypatch):
    monkeypatch.setenv("RAINYMODEL_ENV", "development")
    assert read_stop_timing() == StopTiming(notice=0, drain=10)
    assert read_stop_timing().patience < 20
    monkeypatch.setenv("RAINYMODEL_ENV", "production")
    assert read_stop_timing() == StopTiming(notice=3, drain=60)
    monkeypatch.setenv("RAINYMODEL_DRAIN_SECONDS", "1.5")
    assert read_stop_timing() == StopTiming(notice=3, drain=1.5)
