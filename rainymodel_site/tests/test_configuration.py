"""What is written about the variables in three other places is what the code reads."""

import os
import re
from pathlib import Path

import pytest
import yaml

from rainymodel_site import env
from rainymodel_site.timing import LAST_WORDS

EXAMPLE = (env.PROJECT / ".env.example").read_text()
TABLE = (env.PROJECT / "docs/configuration.md").read_text()
BLUEPRINT = yaml.safe_load((env.PROJECT / "render.yaml").read_text())
SERVICE = BLUEPRINT["services"][0]
DEPLOYED = {entry["key"]: entry for entry in SERVICE["envVars"]}
INTERNAL = {"RAINYMODEL_WORKER_NUMBER"}  # told by a supervisor to its worker, by nobody else


def test_the_table_of_variables_is_the_codes():
    expected = [
        f"| `{each.name}` | {f'`{each.default}`' if each.default else '–'} | {each.mode} | {each.meaning} |"
        for each in env.VARIABLES
    ]

    assert re.findall(r"^\| `.*\|$", TABLE.partition("\n## ")[0], re.MULTILINE) == expected


def test_the_example_file_lists_every_variable_with_its_meaning_and_default():
    expected = [f"# {each.meaning}\n#{each.name}={each.default}" for each in env.VARIABLES]

    assert EXAMPLE.strip().split("\n\n")[1:] == expected


def test_the_example_file_copied_as_it_is_changes_nothing(tmp_path: Path):
    copy, environment = tmp_path / ".env", {}
    copy.write_text(EXAMPLE)
    env.load_dotenv(copy, environment)

    assert environment == {}


def test_the_example_file_with_the_marks_taken_away_can_be_read(tmp_path: Path):
    copy, environment = tmp_path / ".env", {}
    copy.write_text(re.sub(r"^#(?=[A-Z])", "", EXAMPLE, flags=re.MULTILINE))
    env.load_dotenv(copy, environment)

    assert environment == {each.name: each.default for each in env.VARIABLES}


def test_the_blueprint_names_every_variable_of_production():
    assert list(DEPLOYED) == [each.name for each in env.VARIABLES if each.mode != "development"]


def test_the_blueprint_holds_no_secret():
    secrets = {each.name for each in env.VARIABLES if each.kind == "secret"} - {"DATABASE_URL"}

    assert {name for name, entry in DEPLOYED.items() if entry.get("sync") is False} == secrets
    assert not any("value" in DEPLOYED[name] for name in secrets)


def test_the_blueprints_values_can_be_read():
    given = {name: str(entry["value"]) for name, entry in DEPLOYED.items() if "value" in entry}

    for variable in env.VARIABLES:
        read = {"number": env.number, "switch": env.switch, "list": env.items, "path": env.path}.get(
            variable.kind
        )
        if read and variable.name in given:
            read(variable.name, given)
    assert env.mode(given) == env.PRODUCTION
    assert env.number("RAINYMODEL_TRUSTED_PROXIES", given) == 1
    assert given["PORT"] == "8080"


def test_the_blueprint_waits_longer_than_a_stop_takes():
    given = {name: str(entry["value"]) for name, entry in DEPLOYED.items() if "value" in entry}
    notice, drain = (env.seconds(f"RAINYMODEL_{word}_SECONDS", 0, given) for word in ("NOTICE", "DRAIN"))

    assert SERVICE["maxShutdownDelaySeconds"] > notice + drain + LAST_WORDS


def test_the_blueprint_is_a_docker_service_with_a_managed_postgres():
    database = BLUEPRINT["databases"][0]

    assert (SERVICE["type"], SERVICE["runtime"]) == ("web", "docker")
    assert (SERVICE["branch"], SERVICE["autoDeployTrigger"]) == ("main", "commit")
    assert SERVICE["domains"] == ["rm.orcest.ai"]
    assert SERVICE["healthCheckPath"] == "/health"
    assert SERVICE["preDeployCommand"] == "bin/entrypoint release"
    assert DEPLOYED["DATABASE_URL"]["fromDatabase"] == {
        "name": database["name"],
        "property": "connectionString",
    }
    assert int(database["postgresMajorVersion"]) >= 14


def test_no_variable_is_read_that_is_not_declared():
    files = [
        file
        for app in ("accounts", "gateway", "rainymodel_site", "routing")
        for file in (env.PROJECT / app).rglob("*.py")
    ]
    sources = [file.read_text() for file in files if "tests" not in file.parts]
    read = {name for source in sources for name in re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', source)}

    assert read - set(env.DECLARED) - INTERNAL <= {"DJANGO_SETTINGS_MODULE", "PATH"}


READERS = {
    "number": env.number,
    "number or none": env.number_or_none,
    "amount": env.amount,
    "seconds": lambda name, given: env.seconds(name, 1, given),
    "switch": env.switch,
}


@pytest.mark.parametrize(
    "variable",
    [each for each in env.VARIABLES if each.kind in READERS],
    ids=lambda each: each.name,
)
def test_a_value_that_cannot_be_read_is_named(variable: env.Variable):
    with pytest.raises(env.ConfigurationError, match=f"^{variable.name} must be .*'some words'"):
        READERS[variable.kind](variable.name, {variable.name: "some words"})


def test_the_suite_does_not_see_the_users_environment():
    given = {name for name in env.DECLARED if os.environ.get(name)}
    generated = {"DJANGO_SECRET_KEY", "RAINYMODEL_KEY_PEPPER", "RAINYMODEL_SECRET_KEYS"}

    assert given - generated == {"RAINYMODEL_ENV", "RAINYMODEL_STATE_DIR", "DATABASE_URL"}
    assert Path(os.environ["RAINYMODEL_STATE_DIR"]) != env.PROJECT / "var"
