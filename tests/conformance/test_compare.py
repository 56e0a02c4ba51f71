"""What broke and what was mended between runs, and `wri compare`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import Wri
from wri_conformance import comparing, comparison
from wri_conformance.comparing import Check
from wri_conformance.mistakes import Mistake

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "results" / "valid-failure.json"


def document(version: str, *results: dict[str, Any], name: str = "mine") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    found["implementation"] = {"name": name, "version": version}
    scenario = {"id": "server/x", "title": "X", "seconds": 1, "attempts": 1, "trace": []}
    found["scenarios"] = [{**scenario, "results": list(results)}] if results else []
    return found


def check(step: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"server/x::{step}::WRI-ERR-4",
        "scenario": "server/x",
        "step": step,
        "requirement": "WRI-ERR-4",
        "verdict": verdict,
        **more,
    }


def steps(checks: tuple[Check, ...]) -> dict[str, str]:
    return {one.id.split("::")[1]: one.reason for one in checks}


@pytest.mark.parametrize(
    ("before", "now", "where", "reason"),
    [
        (("pass", {}), ("known-failure", {"known": "since"}), "broke", "since"),
        (("pass", {}), ("fail", {"message": "one\ntwo"}), "broke", "not known: one"),
        (("pass", {}), ("warn", {}), "broke", "not known: no message"),
        (("known-failure", {"known": "was"}), ("pass", {}), "mended", "was"),
        (("fail", {"message": "m"}), ("pass", {}), "mended", "not known: m"),
        (("known-failure", {"known": "a"}), ("known-failure", {"known": "b"}), "otherwise", "b"),
        (
            ("known-failure", {"known": "a"}),
            ("fail", {"message": "m"}),
            "otherwise",
            "not known: m",
        ),
        (("pass", {}), ("inconclusive", {}), "undecided", "pass → inconclusive"),
        (("not-applicable", {}), ("known-failure", {}), "undecided", ""),
        (("error", {}), ("pass", {}), "undecided", "error → pass"),
        (("pass", {}), None, "gone", "pass"),
        (None, ("fail", {}), "new", "fail"),
    ],
)
def test_what_became_of_a_check(
    before: tuple[str, dict[str, Any]] | None,
    now: tuple[str, dict[str, Any]] | None,
    where: str,
    reason: str,
) -> None:
    old, new = (
        document("1", *([check("y", found[0], **found[1])] if found else []))
        for found in (before, now)
    )
    one = comparing.compare(old, new)
    told = {
        name: steps(getattr(one, name))
        for name in ("broke", "mended", "otherwise", "undecided", "gone", "new")
    }
    found = {name: value for name, value in told.items() if value}
    assert list(found) == [where]
    assert reason in found[where]["y"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (check("y", "pass"), check("y", "pass")),
        (check("y", "not-applicable"), check("y", "not-applicable")),
        (check("y", "known-failure", known="a"), check("y", "known-failure", known="a")),
        (check("y", "fail", message="one"), check("y", "fail", message="other")),
    ],
)
def test_what_comes_to_the_same_is_not_told(before: dict[str, Any], now: dict[str, Any]) -> None:
    one = comparing.compare(document("1", before), document("2", now))
    assert one == comparing.Comparison("mine 1", "mine 2")


def test_a_name_that_carries_the_version_is_enough() -> None:
    one = comparing.compare(document("8.4.4", name="c@8.4.4"), document("8.5.4", name="c"))
    assert (one.before, one.now) == ("c@8.4.4", "c 8.5.4")


def test_checks_are_grouped_by_reason_the_most_first() -> None:
    groups = comparing.by_reason([Check("a::b::C", "x"), Check("d", "y"), Check("e", "y")])
    assert {reason: [c.id for c in group] for reason, group in groups.items()} == {
        "y": ["d", "e"],
        "x": ["a::b::C"],
    }
    assert list(groups) == ["y", "x"]
    assert groups["x"][0].requirement == "C"


def test_markdown_says_the_same() -> None:
    one = comparing.compare(
        document("1", check("a", "pass"), check("b", "known-failure", known="<was>")),
        document("2", check("a", "fail", message="m"), check("b", "pass")),
    )
    text = "\n".join(comparison.markdown_lines(one))
    assert "## mine 1 → mine 2" in text
    assert "1 broke, 1 mended." in text
    assert "- not known: m\n  - `server/x::a::WRI-ERR-4`" in text
    assert "- &lt;was>\n  - `server/x::b::WRI-ERR-4`" in text


def test_what_is_no_results_file(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(Mistake, match=r"is no results\.json"):
        comparison.read(tmp_path)
    with pytest.raises(Mistake, match="cannot be read"):
        comparison.read(tmp_path / "gone")


# -- as a black box


def write(path: Path, *documents: dict[str, Any]) -> list[str]:
    names = []
    for number, one in enumerate(documents):
        (path / f"{number}.json").write_text(json.dumps(one), encoding="utf-8")
        names.append(f"{number}.json")
    return names


def test_the_command_compares_neighbours(wri: Wri) -> None:
    names = write(
        wri.base,
        document("1", check("a", "pass")),
        document("2", check("a", "known-failure", known="it does")),
        document("3", check("a", "pass")),
    )
    done = wri("compare", *names, "--markdown", "told.md")
    assert done.status == 1
    first, second = done.out.split("\n\n")
    assert first.startswith("mine 1 → mine 2: 1 broke, 0 mended")
    assert "it does\n      server/x::a::WRI-ERR-4" in first
    assert second.startswith("mine 2 → mine 3: 0 broke, 1 mended")
    assert "\x1b" not in done.out
    assert (wri.base / "told.md").read_text(encoding="utf-8").count("## mine") == 2
    assert wri("compare", *names[1:]).status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["0.json"], "nothing to compare"),
        (["0.json", "gone.json"], "gone.json: cannot be read"),
        (["0.json", "0.json", "--markdown", "no/such/place.md"], "cannot be written"),
        ([], "required"),
    ],
)
def test_bad_usage(wri: Wri, arguments: list[str], words: str) -> None:
    write(wri.base, document("1", check("a", "pass")))
    done = wri("compare", *arguments)
    assert done.status == 4
    assert words in done.err
    assert "Traceback" not in done.err
