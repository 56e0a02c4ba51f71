"""`wri diff` as its users see it, with profiles in files in the place of implementations."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from wri.data import root
from wri_conformance import commands, schemas
from wri_conformance.diffing import display, folding, profile, target
from wri_conformance.diffing import observe as observing
from wri_conformance.diffing.changes import OLD_CLIENTS, Change, Level
from wri_conformance.diffing.display import Comparison, Terminal, markdown
from wri_conformance.mistakes import Mistake

EXAMPLE = root() / "schemas" / "examples" / "profile" / "valid-much-was-observed.json"
USAGE = 4


def saved(place: Path, **changes: Any) -> str:
    place.write_text(json.dumps(json.loads(EXAMPLE.read_bytes()) | changes))
    return str(place)


@pytest.fixture
def same(tmp_path: Path) -> str:
    return saved(tmp_path / "a.json")


@pytest.fixture
def without_api(tmp_path: Path) -> str:
    return saved(tmp_path / "b.json", endpoints=[], name="other", version="9")


def test_nothing_changed(same: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.diff([same, same]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "8.4.0 → 8.4.0   no change"


def test_what_breaks_is_told_by_the_status(
    same: str, without_api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.diff([same, without_api]) == 1
    out = capsys.readouterr().out
    assert "8.4.0 → other (9)   1 change: 1 breaking" in out
    assert "✗ The endpoint `api` was removed. [old clients · WRI-ROLE-1]" in out
    assert "\x1b" not in out
    assert commands.diff([same, without_api, "--exit-zero"]) == 0


def test_a_side_can_be_chosen(same: str, without_api: str) -> None:
    assert commands.diff([same, without_api, "--for", "old-clients"]) == 1
    assert commands.diff([same, without_api, "--for", "new-clients"]) == 0
    assert commands.diff([without_api, same, "--for", "new-clients"]) == 1


def test_changes_can_be_read_by_programs(same: str, without_api: str, tmp_path: Path) -> None:
    commands.diff([same, without_api, "--json", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["before"], found["after"]) == ("8.4.0", "other (9)")
    assert found["counts"]["old clients"] == {"breaking": 1, "risky": 0, "safe": 0}
    assert found["changes"] == [
        {
            "area": "endpoints",
            "kind": "endpoint-removed",
            "place": "api",
            "level": "breaking",
            "sides": ["old clients"],
            "sentence": "The endpoint `api` was removed.",
            "before": "api",
            "after": None,
            "requirement": "WRI-ROLE-1",
        }
    ]


def test_a_profile_can_be_saved_and_stand_for_its_implementation(
    same: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = str(tmp_path / "new" / "c.json.gz")
    assert commands.diff([same, "--save", packed]) == 0
    assert capsys.readouterr().out == ""
    assert commands.diff([same, packed]) == 0
    assert json.loads(gzip.decompress(Path(packed).read_bytes())) == json.loads(
        EXAMPLE.read_bytes()
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.json"], "name two, or --save"),
        (["nowhere.json", "a.json"], "there is no such profile"),
        (["a.json", "text.json"], "cannot be read as a profile"),
        (["a.json", "old.json"], "is a profile of form 0, not 1"),
        (["a.json", "list.json"], "is no profile"),
        (["a.json", "sdl.json"], "is no profile"),
        (["a.json", "proto.json"], "is no profile"),
        (["a.json", "8.99"], "8.99 is neither a release, nor a directory, a manifest or a profile"),
        (["a.json", "cylc-client"], "the manifest describes no server"),
        (["a.json", "a.json", "--json", "nowhere/x.json"], "cannot be written"),
    ],
)
def test_bad_usage(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.json")
    saved(tmp_path / "old.json", format=0)
    saved(tmp_path / "sdl.json", graphql="type {")
    saved(tmp_path / "proto.json", protobuf="Cg==")
    (tmp_path / "text.json").write_text("x")
    (tmp_path / "list.json").write_text("[]")
    assert commands.diff(arguments) == USAGE
    err = capsys.readouterr().err
    assert err.startswith("wri diff: ")
    assert told in err
    assert "fix: " in err


def test_what_a_name_stands_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert target.stored("x.json.gz") == Path("x.json.gz")
    assert target.stored("8.5.4") is None
    assert target.release("8.5.4") == target.release("cylc-flow==8.5.4") == "8.5.4"
    assert target.release("reference") is None
    (tmp_path / "8.5.4").mkdir()
    assert target.release("8.5.4") is None  # a checkout of that name
    assert target.find("reference", print).release is None


def test_a_release_is_observed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRI_CACHE", str(tmp_path))
    seen: list[str] = []

    def observe(one: Any, *_: Any) -> Any:
        seen.append(one)
        return json.loads(EXAMPLE.read_bytes())

    monkeypatch.setattr(observing, "observe", observe)
    monkeypatch.setattr(target, "find", lambda name, _: type("T", (), {"name": name}))
    first = profile.get("8.4.0", print)
    assert profile.get("8.4.0", print) == first
    assert len(seen) == 1
    profile.get("8.4.0", print, fresh=True)
    profile.get("reference", print)
    profile.get("reference", print)
    assert len(seen) == 4
    (tmp_path / "profiles" / "8.4.0.json.gz").write_bytes(b"cut off")
    assert profile.get("8.4.0", print) == first
    assert len(seen) == 5


def change(number: int, level: Level = Level.BREAKING) -> Change:
    sentence = f"The field f{number} | was removed."
    return Change("protobuf", "K", f"M.f{number}", level, (OLD_CLIENTS,), sentence)


def test_long_lists_are_folded_unless_asked() -> None:
    comparison = Comparison("a", "b", [change(n) for n in range(12)])
    out = io.StringIO()
    Terminal(out).show(comparison)
    assert out.getvalue().count("✗") == 1
    assert "Likewise M.f1, M.f2," in " ".join(out.getvalue().split())
    assert "and 5 others" in " ".join(out.getvalue().split())
    assert "-v lists" in out.getvalue()
    Terminal(out := io.StringIO()).show(comparison, verbose=True)
    assert out.getvalue().count("✗") == 12
    assert "-v lists" not in out.getvalue()
    assert len(list(folding.entries(comparison.changes[:3], all_of_them=False))) == 3


def test_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    Terminal(out := io.StringIO()).show(Comparison("a", "b", [change(n) for n in range(12)]))
    body = out.getvalue().split("breaking")[1]
    assert max(map(len, body.splitlines())) <= 70


def test_markdown_for_a_pull_request() -> None:
    text = markdown(Comparison("a", "b", [change(1), change(2, Level.SAFE)], ["package"]))
    assert text.startswith("## On the wire: a → b\n")
    assert "| old clients | 1 | – | 1 | made for a, with a scheduler of b |" in text
    assert "| ❌ | The field f1 \\| was removed. | old clients |  |" in text
    assert "<details><summary>✅ 1 safe</summary>" in text
    assert text.endswith("Not compared: package.\n")
    assert "no change" in markdown(Comparison("a", "a", []))


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    display.Terminal(out := Tty()).show(Comparison("a", "b", [change(1)]))
    assert "\x1b[31;1m✗\x1b[0m" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    display.Terminal(out := Tty()).show(Comparison("a", "b", [change(1)]))
    assert "\x1b" not in out.getvalue()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match="cannot be written"):
        profile.write(tmp_path / "file" / "x.json", {})


def test_the_example_is_a_profile() -> None:
    assert schemas.problems("profile.json", profile.read(EXAMPLE)) == []
