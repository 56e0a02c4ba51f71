"""What is recorded against the releases themselves, installed and introspected now."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.graphql.conftest import RELEASES, recorded, recorded_text
from tests.graphql.introspect import QUERY, facts
from wri_conformance import venvs
from wri_reference import WorkflowRuntimeClient

pytestmark = pytest.mark.cylc

SCRIPT = Path(__file__).with_name("introspect.py")
WORKFLOW = "introspected"
WAIT = 20.0
FLOW = """
[scheduling]
    [[graph]]
        R1 = foo
[runtime]
    [[foo]]
"""
USUAL = "8.5.4"
INTERPRETERS = {
    "8.0.4": "3.9",
    "8.1.4": "3.9",
    "8.2.7": "3.9",
    "8.3.6": "3.10",
    "8.4.4": "3.11",
    "8.6.5": "3.12",
    "8.7.0": "3.13",
}


def interpreter(version: str) -> str:
    """Return a Python of that version; one that is on the path may still be unable to run."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for python in (sys.executable, shutil.which(f"python{version}"), *map(str, kept)):
        if python:
            done = subprocess.run(
                [python, "-c", script], capture_output=True, text=True, check=False
            )
            if done.stdout.strip() == version:
                return python
    pytest.skip(f"there is no Python {version}")


def introspected(python: Path) -> str:
    return subprocess.run(
        [str(python), str(SCRIPT)], capture_output=True, text=True, check=True
    ).stdout


def test_the_installed_release(cylc_bin: Path) -> None:
    assert introspected(cylc_bin.parent / "python") == recorded_text(USUAL)


@pytest.mark.parametrize("release", [release for release in RELEASES if release != USUAL])
def test_other_releases(release: str) -> None:
    if os.environ.get("WRI_RELEASES") != "all":
        pytest.skip("asked for by WRI_RELEASES=all")
    # The older ones import pkg_resources, which newer setuptools do not bring.
    packages = (f"cylc-flow=={release}", "setuptools<81")
    programs = venvs.ensure(packages, print, interpreter(INTERPRETERS[release]))
    assert introspected(programs / "python") == recorded_text(release)


def test_a_running_scheduler(
    cylc_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{cylc_bin.parent}{os.pathsep}{os.environ['PATH']}")
    place = tmp_path / "cylc-run" / WORKFLOW
    place.mkdir(parents=True)
    (place / "flow.cylc").write_text(FLOW)
    scheduler = subprocess.Popen(
        [str(cylc_bin), "play", "--no-detach", "--pause", WORKFLOW],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + WAIT
        while not (place / ".service" / "contact").exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(0.5)  # it writes the contact file in several steps
        client = WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)
        assert facts(client("graphql", {"request_string": QUERY})) == recorded(USUAL)
    finally:
        scheduler.terminate()
        try:
            scheduler.wait(WAIT)
        finally:
            scheduler.kill()
