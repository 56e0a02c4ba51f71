"""Manifests of a release of cylc-flow, and known failures of some versions only."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.conformance.conftest import Wri
from wri_conformance import environments, interpreters, manifest, venvs
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import load

SPECIFICATION = load()
MANIFEST = """\
name: mine
version: "1.2"
environment:
  release: "8.5.4"
roles:
  client:
    capabilities: [request]
    adapter: [mine]
known_failures:
  - match: client/x::y::WRI-ERR-1
    versions: "<8.4.1"
    reason: it was what it was
  - match: client/x::z::WRI-ERR-1
    reason: it is what it is
"""


def write(path: Path, text: str = MANIFEST) -> Path:
    file = path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def checkout(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "pyproject.toml").write_text("[project]\n")
    return path


# -- which release


def test_a_manifest_carries_its_release() -> None:
    one = manifest.named("cylc-flow", SPECIFICATION)
    assert (one.name, one.release) == ("cylc-flow@8.5.4", "8.5.4")
    other = manifest.named("cylc-client@8.0.4", SPECIFICATION)
    assert (other.name, other.release) == ("cylc-client@8.0.4", "8.0.4")
    assert manifest.named("reference", SPECIFICATION).name == "reference"


def test_what_names_it_on_a_command_line_names_it_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    for release in ("8.3.6", str(checkout(tmp_path / "c@fe"))):
        one = manifest.named(f"{path}@{release}", SPECIFICATION)
        again = manifest.named(one.address, SPECIFICATION)
        assert (again.name, again.release) == (one.name, release)


def test_a_path_may_have_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "a@8.0.4").mkdir()
    path = write(tmp_path / "a@8.0.4")
    assert manifest.named(str(path), SPECIFICATION).release == "8.5.4"
    assert manifest.named(f"{path}@8.7.0", SPECIFICATION).release == "8.7.0"


def test_a_checkout_is_relative_to_who_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = checkout(tmp_path / "a" / "cylc"), checkout(tmp_path / "b" / "flow")
    path = write(tmp_path / "a", MANIFEST.replace("8.5.4", "cylc"))
    monkeypatch.chdir(other.parent)
    one = manifest.named(str(path), SPECIFICATION)
    assert (one.name, one.release) == ("mine@cylc", str(mine))
    one = manifest.named(f"{path}@flow", SPECIFICATION)
    assert (one.name, one.release) == ("mine@flow", str(other))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cylc-flow@nonsense", "neither a release nor a directory"),
        ("cylc-flow@", "neither a release nor a directory"),
        ("cylc-flow@7.9.1", "neither a release nor a directory"),
        ("reference@8.5.4", "has no release"),
        ("nobody@8.5.4", "no manifest 'nobody'"),
    ],
)
def test_no_such_release(name: str, words: str) -> None:
    with pytest.raises(Mistake) as caught:
        manifest.named(name, SPECIFICATION)
    assert words in caught.value.message
    assert caught.value.fix


def test_a_mistake_in_the_manifest_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, MANIFEST.replace("8.5.4", "8.x"))
    with pytest.raises(Mistake) as caught:
        manifest.named(str(path), SPECIFICATION)
    assert (caught.value.path, caught.value.line) == (path, 4)


def test_packages_or_a_release(tmp_path: Path) -> None:
    path = write(tmp_path, MANIFEST.replace('"8.5.4"', '"8.5.4"\n  pip: [cylc-flow]'))
    with pytest.raises(Mistake):
        manifest.named(str(path), SPECIFICATION)


def test_what_is_installed_needs_no_look_at_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRI_CACHE", str(tmp_path))
    monkeypatch.setattr(interpreters, "candidates", list)
    one = manifest.named("cylc-flow@8.3.6", SPECIFICATION)
    with pytest.raises(Mistake, match=r"8\.3\.6 runs with Python 3\.10 or"):
        environments.prepare(one, print)
    assert venvs.present(["cylc-flow==8.3.6"], "3.9") is None
    place = venvs._place(["cylc-flow==8.3.6"], "3.9")
    place.mkdir(parents=True)
    (place / "complete").touch()
    assert environments.prepare(one, print) == place / "bin"


def test_without_packages_there_is_no_environment() -> None:
    assert environments.prepare(manifest.named("reference", SPECIFICATION), print) is None


# -- known failures of some versions


def told(one: Manifest, version: str) -> list[str]:
    return [entry.reason for entry in manifest.measured(one, version).known_failures]


BOTH = ["it was what it was", "it is what it is"]


@pytest.mark.parametrize(
    ("versions", "version", "counts"),
    [
        ("<8.4.1", "8.4.0", True),
        ("<8.4.1", "8.4.1", False),
        (">=8.5,<8.6", "8.5.4", True),
        (">=8.5,<8.6", "8.6.0", False),
        ("<8.7", "8.7.0.dev", False),
        (">=8.7", "8.7.0.dev", True),
        (">=8.3", "8.3.0rc1", True),
    ],
)
def test_a_known_failure_counts_for_its_versions(
    tmp_path: Path, versions: str, version: str, counts: bool
) -> None:
    path = write(tmp_path, MANIFEST.replace("<8.4.1", versions))
    one = manifest.named(str(path), SPECIFICATION)
    assert told(one, version) == (BOTH if counts else BOTH[1:])


def test_a_version_that_is_none_matters_only_where_it_is_compared(tmp_path: Path) -> None:
    one = manifest.named(str(write(tmp_path)), SPECIFICATION)
    with pytest.raises(Mistake, match="'the newest' cannot be compared"):
        manifest.measured(one, "the newest")
    plain = attrs.evolve(one, known_failures=one.known_failures[1:])
    assert manifest.measured(plain, "the newest") == plain


def test_a_range_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, MANIFEST.replace("<8.4.1", "before 8.4"))
    with pytest.raises(Mistake, match="no range of versions") as caught:
        manifest.named(str(path), SPECIFICATION)
    assert (caught.value.path, caught.value.line) == (path, 11)
    assert "<8.4.1" in caught.value.fix


READY = {"ready": 60}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_knows_which_known_failures_are_about_it(wri: Wri, workers: str) -> None:
    command = wri.answering("""b'{"data": 7, "cylc_version": "8.5.4"}'""")
    checks = [
        f"server/api/list::list::WRI-{name}" for name in ("API-1", "API-2", "API-3", "ROLE-2")
    ]
    entries: list[dict[str, Any]] = [
        {"match": checks, "reason": "it is what it is", "versions": ">=1.2"},
        {"match": "server/*::*::*", "reason": "it was what it was", "versions": "<1.2"},
    ]
    path = wri.manifest(command, known_failures=entries, version="1.3", server=READY)
    done = wri.test(path, "--select", "server/api/list", "-n", workers)
    assert done.status == 0, done.out
    path = wri.manifest(command, known_failures=entries, version="1.1.9", server=READY)
    done = wri.test(path, "--select", "server/api/list", "-n", workers)
    assert "it is what it is" not in done.out
    assert "it was what it was" in done.out


def test_a_version_that_cannot_be_compared_is_bad_usage(wri: Wri) -> None:
    entry = {"match": "server/*::*::*", "reason": "it was what it was", "versions": "<1.2"}
    path = wri.manifest(wri.answering("1"), known_failures=[entry], version="unknown")
    done = wri.test(path, "--select", "server/api/list")
    assert done.status == 4
    assert "'unknown' cannot be compared" in done.err
