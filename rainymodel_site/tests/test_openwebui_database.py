"""`manage.py openwebui init`: a database and a user of its own for Open WebUI, whatever they are called."""

import base64
import hashlib
import hmac
import os
import secrets
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from rainymodel_site.openwebui import Refused, read_plan
from rainymodel_site.openwebui.running import run
from rainymodel_site.openwebui.statements import verifier
from rainymodel_site.postgres import EmbeddedPostgres
from rainymodel_site.postgres.binaries import find_binaries
from rainymodel_site.tests.running import finished, python

PASSWORD = "pa$$'w\"ö\\rd; --"
HOSTILE = {
    "plain": ("openwebui", "openwebui"),
    "injection": ('"; DROP DATABASE x; --', "'; DROP ROLE x; --"),
    "spaces": ("open web ui", "a user"),
    "unicode": ("öffnen💬", "benutzer-ü"),
    "psql": ("host=elsewhere :name `id`", "\\q :user \\"),
    "percent": ("100%I%s{}", "%(name)s$$"),
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def given(request) -> Iterator[dict[str, str]]:
    """An environment whose names are hostile and new; both are dropped at the end."""
    mark = secrets.token_hex(3)
    database, user = (f"{name}{mark}" for name in request.param)
    yield environment(OPENWEBUI_DB_NAME=database, OPENWEBUI_DB_USER=user)
    drop(database, user)


@pytest.fixture
def plain() -> Iterator[dict[str, str]]:
    mark = secrets.token_hex(3)
    yield environment(OPENWEBUI_DB_NAME=f"chats_{mark}", OPENWEBUI_DB_USER=f"webui_{mark}")
    drop(f"chats_{mark}", f"webui_{mark}")


def environment(**more: str) -> dict[str, str]:
    return {"DATABASE_URL": os.environ["DATABASE_URL"], "OPENWEBUI_DB_PASSWORD": PASSWORD} | more


def drop(database: str, *users: str) -> None:
    with admin() as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))
        for user in users:
            connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(user)))


def admin() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def url_of(user: str, database: str) -> str:
    """The test server's URL for another user and database; its socket asks for no password."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(netloc=f"{quote(user, safe='')}:x@", path=f"/{quote(database, safe='')}"))


def tables_can_be_made(user: str, database: str) -> bool:
    try:
        with psycopg.connect(url_of(user, database), autocommit=True) as connection:
            connection.execute("CREATE TABLE probe (id int)")
            connection.execute("DROP TABLE probe")
    except (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError):
        return False
    return True


def stored_verifier(user: str) -> str:
    with admin() as connection:
        return connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (user,)).fetchone()[
            0
        ]


def proves(stored: str, password: str) -> bool:
    """RFC 5802: whether a verifier belongs to the password (one that SASLprep leaves alone)."""
    kind, turns_and_salt, keys = stored.split("$")
    turns, salt = turns_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(turns))
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    expected = [base64.b64encode(key).decode() for key in (hashlib.sha256(client).digest(), server)]
    return kind == "SCRAM-SHA-256" and keys.split(":") == expected


def command(*arguments: str, **settings: str) -> tuple[int, str, str]:
    with python("manage.py", "openwebui", *arguments, **settings) as process:
        return finished(process)


def test_the_user_has_the_password_and_makes_tables_where_nobody_else_does(given):
    outcome = run(read_plan(given), given)

    database, user = given["OPENWEBUI_DB_NAME"], given["OPENWEBUI_DB_USER"]
    assert (outcome.made_user, outcome.made_database) == (True, True)
    assert proves(stored_verifier(user), PASSWORD)
    assert tables_can_be_made(user, database)
    stranger = f"stranger_{secrets.token_hex(3)}"
    with admin() as connection:
        connection.execute(f"CREATE ROLE {stranger} LOGIN")
    try:
        assert not tables_can_be_made(stranger, database)
        assert not tables_can_be_made(user, "rainymodel")
    finally:
        drop_role(stranger)


def drop_role(name: str) -> None:
    with admin() as connection:
        connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def test_psql_makes_the_same_from_the_file(given, tmp_path):
    file = tmp_path / "made.sql"
    code, said, errors = command("init", "--output", str(file), **given)
    assert (code, errors) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text() + said

    for _ in range(2):  # it may be run again
        psql(file)

    assert proves(stored_verifier(given["OPENWEBUI_DB_USER"]), PASSWORD)
    assert tables_can_be_made(given["OPENWEBUI_DB_USER"], given["OPENWEBUI_DB_NAME"])


def psql(file: Path) -> None:
    program = find_binaries().directory / "psql"
    words = [program, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", file, os.environ["DATABASE_URL"]]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory) -> Iterator[str]:
    """A server that trusts its administrator and asks everybody else for a password."""
    root = tmp_path_factory.mktemp("strict")
    with EmbeddedPostgres(root, durable=False) as server:
        rules = "local all rainymodel trust\nlocal all all scram-sha-256\n"
        (root / "data/pg_hba.conf").write_text(rules)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
        yield server.dsn


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_user_signs_in_with_the_password_and_with_no_other(name, strict_server):
    given = environment(DATABASE_URL=strict_server, OPENWEBUI_DB_NAME=name[0], OPENWEBUI_DB_USER=name[1])
    plan = read_plan(given)
    run(plan, given)

    with psycopg.connect(plan.url(masked=False)) as connection:
        assert (connection.info.user, connection.info.dbname) == (plan.user, plan.database)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(replace(plan, password="another").url(masked=False))


def test_the_servers_log_never_sees_the_password(strict_server):
    given = environment(DATABASE_URL=strict_server, OPENWEBUI_DB_PASSWORD="only-the-client-knows")
    run(read_plan(given), given)

    socket_directory = conninfo_to_dict(strict_server)["host"]
    log = (Path(socket_directory).parent / "server.log").read_text()
    assert "ALTER ROLE" in log
    assert "only-the-client-knows" not in log


def test_a_second_run_keeps_the_data_and_takes_the_new_password(plain):
    run(read_plan(plain), plain)
    database, user = plain["OPENWEBUI_DB_NAME"], plain["OPENWEBUI_DB_USER"]
    with psycopg.connect(url_of(user, database), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    changed = plain | {"OPENWEBUI_DB_PASSWORD": "a new one"}

    outcome = run(read_plan(changed), changed)

    assert (outcome.made_user, outcome.made_database) == (False, False)
    assert proves(stored_verifier(user), "a new one")
    with psycopg.connect(url_of(user, database)) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_an_administrator_without_superuser_rights_is_enough(plain):
    boss = f"boss_{secrets.token_hex(3)}"
    with admin() as connection:
        connection.execute(f"CREATE ROLE {boss} LOGIN CREATEDB CREATEROLE")
    try:
        by_boss = plain | {"OPENWEBUI_ADMIN_DATABASE_URL": url_of(boss, "postgres")}
        run(read_plan(by_boss), by_boss)
        run(read_plan(by_boss), by_boss)

        assert tables_can_be_made(plain["OPENWEBUI_DB_USER"], plain["OPENWEBUI_DB_NAME"])
    finally:
        drop(plain["OPENWEBUI_DB_NAME"], plain["OPENWEBUI_DB_USER"], boss)


def test_a_user_without_the_right_is_told_which_variable_helps(plain):
    poor = f"poor_{secrets.token_hex(3)}"
    with admin() as connection:
        connection.execute(f"CREATE ROLE {poor} LOGIN")
    try:
        by_poor = plain | {"OPENWEBUI_ADMIN_DATABASE_URL": url_of(poor, "postgres")}
        with pytest.raises(Refused, match=r"permission denied.*set OPENWEBUI_ADMIN_DATABASE_URL"):
            run(read_plan(by_poor), by_poor)
    finally:
        drop_role(poor)


def test_executing_prints_the_address_without_the_password(plain):
    code, said, errors = command("init", "-x", **plain)

    assert (code, errors) == (0, "")
    assert f"User {plain['OPENWEBUI_DB_USER']}: made" in said
    assert f"DATABASE_URL=postgresql://{plain['OPENWEBUI_DB_USER']}:***@" in said
    assert PASSWORD not in said


def test_standard_output_gets_the_statements_without_any_password(plain):
    code, said, _ = command("init", "--output", "-", **plain)

    assert code == 0
    assert "SCRAM-SHA-256" not in said
    assert PASSWORD not in said
    assert f'\\password "{plain["OPENWEBUI_DB_USER"]}"' in said
    assert "It holds nothing of the password" in said
    assert "verifier" not in said


def test_without_options_the_file_is_in_the_state_directory(plain, tmp_path):
    code, said, _ = command("init", **plain, RAINYMODEL_STATE_DIR=str(tmp_path))

    assert code == 0
    assert str(tmp_path / "openwebui.sql") in said
    written = (tmp_path / "openwebui.sql").read_text()
    assert "CREATE DATABASE" in written
    assert "it holds a verifier of the password" in written


def test_a_password_can_come_from_a_file(plain, tmp_path):
    (tmp_path / "password").write_text("from a file\n")
    from_file = plain | {
        "OPENWEBUI_DB_PASSWORD": "",
        "OPENWEBUI_DB_PASSWORD_FILE": str(tmp_path / "password"),
    }

    run(read_plan(from_file), from_file)

    assert proves(stored_verifier(plain["OPENWEBUI_DB_USER"]), "from a file")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"OPENWEBUI_DB_PASSWORD": ""}, "OPENWEBUI_DB_PASSWORD is not set"),
        ({"OPENWEBUI_DB_PASSWORD": "a\0b"}, "OPENWEBUI_DB_PASSWORD holds a NUL"),
        ({"OPENWEBUI_DB_NAME": "a\0b"}, "OPENWEBUI_DB_NAME holds a control character"),
        ({"OPENWEBUI_DB_USER": "a\nb"}, "OPENWEBUI_DB_USER holds a control character"),
        ({"OPENWEBUI_DB_USER": "ü" * 32}, "OPENWEBUI_DB_USER is 64 bytes long"),
        ({"OPENWEBUI_DB_NAME": "template1"}, "OPENWEBUI_DB_NAME is template1, which is the server's own"),
    ],
    ids=["no password", "NUL in password", "NUL in name", "line break", "too long", "server's own"],
)
def test_a_wrong_variable_is_named(settings, said):
    with pytest.raises(Refused, match=said):
        read_plan(environment(**settings))


@pytest.mark.parametrize(
    ("variable", "value"), [("OPENWEBUI_DB_USER", "rainymodel"), ("OPENWEBUI_DB_NAME", "rainymodel")]
)
def test_the_gateways_own_user_and_database_are_spared(variable, value):
    url = os.environ["DATABASE_URL"].replace(
        conninfo_to_dict(os.environ["DATABASE_URL"])["dbname"], "rainymodel"
    )
    given = environment(**{variable: value}, DATABASE_URL=url)

    with pytest.raises(Refused, match=f"{variable} is rainymodel, .* choose another"):
        run(read_plan(given), given)


def test_a_superuser_is_spared():
    name = f"chief_{secrets.token_hex(3)}"
    with admin() as connection:
        connection.execute(f"CREATE ROLE {name} SUPERUSER")
    try:
        given = environment(OPENWEBUI_DB_USER=name)
        with pytest.raises(Refused, match="is a superuser there"):
            run(read_plan(given), given)
    finally:
        drop_role(name)


def test_a_server_that_is_away_is_told_without_a_password():
    code, said, errors = command(
        "init", "-x", **environment(DATABASE_URL="postgresql://user:hunter2@127.0.0.1:1/rainymodel")
    )

    assert code == 1
    assert errors.startswith("CommandError: The database server cannot be reached")
    assert len(errors.strip().splitlines()) == 1
    assert "hunter2" not in said + errors
    assert PASSWORD not in said + errors


def test_a_file_that_cannot_be_written_is_named(plain, tmp_path):
    code, _, errors = command("init", "--output", str(tmp_path), **plain)

    assert code == 1
    assert f"{tmp_path} cannot be written" in errors


def test_a_directory_that_is_not_there_is_named_and_not_made(plain, tmp_path):
    code, _, errors = command("init", "--output", str(tmp_path / "none" / "x.sql"), **plain)

    assert code == 1
    assert f"there is no directory {tmp_path / 'none'}. Make it first." in errors
    assert not (tmp_path / "none").exists()


def test_a_plan_does_not_show_its_password():
    plan = read_plan(environment(OPENWEBUI_DB_HOST="::1", OPENWEBUI_DB_PORT="5433"))

    assert PASSWORD not in repr(plan)
    assert plan.url(masked=True) == "postgresql://openwebui:***@[::1]:5433/openwebui"
    assert conninfo_to_dict(plan.url(masked=False))["password"] == PASSWORD


def test_two_verifiers_of_one_password_differ_and_both_prove_it():
    first, second = verifier(PASSWORD), verifier(PASSWORD)

    assert first != second
    assert proves(first, PASSWORD) and proves(second, PASSWORD)
    assert not proves(first, "another")
