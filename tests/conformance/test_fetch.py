"""Releases and checkouts of cylc-flow, and the interpreters that they run with."""

import subprocess
import sys
from pathlib import Path

import pytest

from wri_conformance import interpreters, releases
from wri_conformance.interpreters import Interpreter
from wri_conformance.mistakes import Mistake

HERE = [
    Interpreter(f"/python/{version}", tuple(map(int, version.split("."))))
    for version in ("3.9.18", "3.11.7", "3.11.2", "3.12.1")
]


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_believed_when_it_has_run(tmp_path: Path) -> None:
    shim = program(tmp_path / "python3.9", "echo 'pyenv: no such command' >&2; exit 127")
    other = program(tmp_path / "python3.12", "echo 3.12.1")
    gone = str(tmp_path / "python3.13")
    works, fails = interpreters.examine([sys.executable, shim, other, gone])
    assert [one.path for one in works] == [sys.executable, other]
    assert works[0].version == sys.version_info[:3]
    assert works[1] == Interpreter(other, (3, 12, 1))
    assert works[1].minor == "3.12"
    assert fails[shim] == "pyenv: no such command"
    assert "No such file" in fails[gone]


def test_there_is_an_interpreter_here() -> None:
    works, _ = interpreters.examine(interpreters.candidates())
    assert sys.version_info[:2] in {one.version[:2] for one in works}


@pytest.mark.parametrize(
    ("name", "package", "python"),
    [
        ("8.0.4", "cylc-flow==8.0.4", (3, 9, 18)),
        ("8.2.0", "cylc-flow==8.2.0", (3, 9, 18)),
        ("cylc-flow==8.5.4", "cylc-flow==8.5.4", (3, 11, 7)),
        ("cylc-flow-8.4.1", "cylc-flow==8.4.1", (3, 11, 7)),
        ("8.3.0rc1", "cylc-flow==8.3.0rc1", (3, 9, 18)),
        ("8.7.0", "cylc-flow==8.7.0", (3, 12, 1)),
    ],
)
def test_a_release_gets_a_python_that_it_runs_with(
    name: str, package: str, python: tuple[int, ...]
) -> None:
    one = releases.find(name, HERE)
    assert one.packages[0] == package
    assert releases.interpreter(one, HERE, []).version == python


def test_the_oldest_get_setuptools_that_have_what_they_import() -> None:
    assert any("setuptools" in package for package in releases.find("8.2.7", HERE).packages)
    assert releases.find("8.5.4", HERE).packages == ("cylc-flow==8.5.4",)


def test_a_python_that_is_missing_is_told_with_what_there_is() -> None:
    one = releases.find("8.7.0", HERE)
    with pytest.raises(Mistake) as caught:
        releases.interpreter(one, HERE[:3], ["/shims/python3.12: no such command"])
    text = str(caught.value)
    assert "8.7.0 runs with Python 3.12 or 3.13" in text
    assert "there is 3.9, 3.11" in text
    assert "/shims/python3.12: no such command" in text


@pytest.mark.parametrize(
    ("file", "text", "python"),
    [
        ("pyproject.toml", '[project]\nrequires-python = ">=3.9,<3.12"', (3, 11, 7)),
        ("setup.cfg", "[options]\npython_requires = <3.10", (3, 9, 18)),
        ("setup.cfg", "[metadata]\nname = x", (3, 12, 1)),
    ],
)
def test_a_checkout_says_itself_what_it_runs_with(
    tmp_path: Path, file: str, text: str, python: tuple[int, ...]
) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / file).write_text(text)
    one = releases.find(str(tmp_path), HERE)
    assert one.packages == (f"--editable={tmp_path}",)
    assert releases.interpreter(one, HERE, []).version == python


@pytest.mark.parametrize("name", ["8.9", "9.0.0", "no/such/place", "8.5.4.dev", "--help-me"])
def test_what_is_neither_a_release_nor_a_checkout(name: str) -> None:
    with pytest.raises(Mistake, match="neither a release nor a directory"):
        releases.find(name, HERE)


def test_a_directory_that_pip_cannot_install(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="pip cannot install this directory"):
        releases.find(str(tmp_path), HERE)


@pytest.mark.cylc
def test_the_command(cylc_bin: Path) -> None:
    command = [sys.executable, "-m", "wri", "fetch", "8.5.4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    programs = Path(done.stdout.split()[-1])
    version = subprocess.run(
        [programs / "cylc", "version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == "8.5.4"


def test_bad_usage_is_status_4() -> None:
    command = [sys.executable, "-m", "wri", "fetch", "no-such-thing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 4
    assert "neither a release nor a directory" in done.stderr
    assert "Traceback" not in done.stderr
