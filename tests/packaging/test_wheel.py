"""The wheel, built from the sdist, carries everything: the suite runs from it alone."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from wri import data

CHECKOUT = data.root()
CARRIED = (
    "spec",
    "schemas",
    "conformance/scenarios",
    "conformance/fixtures",
    "conformance/mutants",
    "conformance/policies",
    "conformance/streams",
)


def run(*command: str, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "-o", str(place), ".", cwd=CHECKOUT)
    return place


def files(base: str) -> set[str]:
    return {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / base).rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    }


def test_the_sdist_has_every_file(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for base in (*CARRIED, "tests", "reference", "conformance"):
        assert files(base) <= names


def test_the_wheel_has_every_file(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for base in CARRIED:
        assert {f"wri_data/{name}" for name in files(base)} <= names
    for package in ("wri", "wri_reference", "wri_conformance"):
        assert f"{package}/py.typed" in names


def test_the_wheel_has_the_implementations_in_python_and_nothing_that_is_installed(
    built: Path,
) -> None:
    """Those in other languages need the checkout, where their packages can be installed."""
    carried = {
        name
        for name in files("conformance/implementations")
        if not name.startswith("conformance/implementations/node")
    }
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if "/implementations/" in name}
    assert names == {f"wri_data/{name}" for name in carried}
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if "node_modules" in name]


def test_the_suite_runs_from_the_wheel_alone(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    (wheel,) = built.glob("*.whl")
    run(str(programs / "pip"), "install", "--quiet", str(wheel), cwd=tmp_path)
    place = run(
        str(programs / "python"), "-c", "from wri import data; print(data.root())", cwd=tmp_path
    )
    assert Path(place.strip()).is_relative_to(tmp_path)
    part = ("server/api", "server/data", "server/graphql", "publisher/deltas/late")
    select = [word for name in part for word in ("--select", name)]
    run(str(programs / "wri"), "test", "reference", "-n", "2", *select, cwd=tmp_path)
    document = json.loads((tmp_path / "wri-results" / "reference" / "results.json").read_text())
    counts = document["summary"]["counts"]
    assert counts["pass"] == sum(counts.values()) > 100
    mutants = ("silent-end", "late-reply")
    run(str(programs / "wri"), "selftest", "-n", "2", "--declared", *mutants, cwd=tmp_path)
    assert not list(Path(place.strip()).rglob("node_modules"))
