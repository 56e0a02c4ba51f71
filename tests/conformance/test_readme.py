"""What README.md promises: its manifest is one, its commands exist, its set-up is marked."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from wri.data import root
from wri_conformance import manifest
from wri_conformance.specification import load

README = (root() / "README.md").read_text(encoding="utf-8")


def test_the_manifests_are_manifests(tmp_path: Path) -> None:
    found = []
    for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        path = tmp_path / "manifest.yaml"
        path.write_text(block, encoding="utf-8")
        found.append(manifest.load(path, load()).capabilities)
    assert found == [("core", "publish"), ("request",)]


def test_the_commands_exist() -> None:
    named = set(re.findall(r"\bwri ([a-z-]+)\b", README)) & {
        "test",
        "fuzz",
        "diff",
        "selftest",
        "fetch",
        "policy",
        "replay",
        "list",
        "show",
        "explain",
        "check-adapter",
        "interop",
        "compare",
        "serve",
        "call",
        "subscribe",
    }
    assert {entry.name for entry in entry_points(group="wri.commands")} == named


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_set_up_is_marked_once(name: str) -> None:
    found = re.findall(rf"<!-- command: {name} -->\n```\n(.+)\n```\n", README)
    assert len(found) == 1
    assert found[0].startswith("python3 -m venv .venv && ")
