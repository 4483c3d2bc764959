"""The checkout installs, is locked, and keeps its own rules; the checks notice when it does not."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest

from rainymodel_site import env

ROOT = env.PROJECT
APPS = ("accounts", "gateway", "rainymodel_site", "routing")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tool(name: str) -> ModuleType:
    """A script of bin/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"bin/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_directory_with_code_is_a_package_that_an_installation_finds():
    patterns = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    found = [path.parent for top in APPS for path in (ROOT / top).rglob("*.py")]

    assert sorted(patterns) == [f"{app}*" for app in APPS]
    assert {path for path in found if not (path / "__init__.py").exists()} == set()


def test_the_locks_belong_to_pyproject_and_carry_hashes():
    assert list(tool("locks").problems(ROOT)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", '"aiohttp==', '"aiohttp>=', "requirements.txt was not made from"),
        ("pyproject.toml", '"hypothesis>=6', '"hypothesis>=5', "requirements-dev.txt was not made from"),
        ("requirements.txt", "--hash=sha256:", "--hash=md5:", "has no hash for"),
        ("requirements-dev.txt", "\naiohttp==", "\naiohttp==0", "has another version of aiohttp"),
    ],
)
def test_a_lock_that_fell_behind_is_noticed(tmp_path, file, old, new, problem):
    for name in ("pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    changed = (tmp_path / file).read_text()
    assert old in changed
    (tmp_path / file).write_text(changed.replace(old, new))

    assert any(problem in found for found in tool("locks").problems(tmp_path))


def test_no_file_is_too_long():
    assert list(tool("lengths").long_files(ROOT)) == []


def test_a_long_file_is_noticed_except_among_tests_and_migrations(tmp_path):
    for place in ("app", "app/tests", "app/migrations", ".venv", "build"):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "long.py").write_text("\n" * 401)
    (tmp_path / "app/fits.py").write_text("\n" * 400)

    assert [str(file) for file, _ in tool("lengths").long_files(tmp_path)] == ["app/long.py"]


def test_litellm_is_pinned_to_the_reviewed_version():
    assert "litellm==1.106.2" in PROJECT["project"]["dependencies"]


def test_make_alone_lists_every_target_that_is_meant_for_people():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^  make (\w+) ", listed, re.MULTILINE) == [
        "help", "run", "test", "check", "fmt", "bench", "reliability", "chaos", "soak", "lock",
    ]  # fmt: skip


def test_an_old_python_is_told_in_one_sentence(tmp_path):
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    fake.chmod(0o755)
    for name in ("sh", "grep", "env", "dirname"):
        os.symlink(shutil.which(name), tmp_path / name)
    done = subprocess.run(
        [ROOT / "bin/install", tmp_path / "venv", ROOT / "requirements.txt"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("RainyModel needs Python 3.11 or newer; here it is Python 3.9.2.")


@pytest.mark.parametrize("script", ["bin/install", "bin/entrypoint", ".ci/run"])
def test_a_shell_script_is_executable_and_parses(script):
    assert os.access(ROOT / script, os.X_OK)
    shell = "bash" if script == ".ci/run" else "sh"
    subprocess.run([shell, "-n", ROOT / script], check=True)


def test_the_image_can_collect_its_static_files_without_a_database_or_secrets(tmp_path):
    dockerfile = (ROOT / "Dockerfile").read_text()
    settings = {
        "RAINYMODEL_ENV": "development",
        "RAINYMODEL_STATE_DIR": "/tmp/build",
        "DATABASE_URL": "postgresql:///none",
    }
    for name, value in settings.items():
        assert f"{name}={value}" in dockerfile
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--dry-run"],
        cwd=ROOT,
        env=os.environ | settings | {"RAINYMODEL_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(re.search(r"(\d+) static files copied", done.stdout)[1]) > 100


def test_the_image_runs_as_an_ordinary_user_and_checks_its_health():
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert "FROM python:3.12-slim" in lines
    assert lines.index("USER appuser") < lines.index('ENTRYPOINT ["bin/entrypoint"]')
    assert any(
        line.startswith("HEALTHCHECK") and line.endswith('CMD ["python", "bin/healthcheck"]')
        for line in lines
    )


def test_secrets_and_state_stay_out_of_the_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert {".env", ".env.*", "var/", ".git/", "build/"} <= set(ignored)


def test_everything_has_an_owner():
    assert (ROOT / ".github/CODEOWNERS").read_text() == "* @danialsamiei\n"
