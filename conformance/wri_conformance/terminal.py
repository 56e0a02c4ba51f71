"""What a person sees of a run: header, progress, summary, and the files that repeat it."""

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wri import __version__
from wri_conformance import markdown, webpage
from wri_conformance.evidence import block
from wri_conformance.results import Report
from wri_conformance.verdict import Exit, Result, Verdict, unsteady

COLUMNS = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.WARN,
    Verdict.KNOWN_FAILURE,
    Verdict.INCONCLUSIVE,
    Verdict.ERROR,
    Verdict.NOT_APPLICABLE,
)
COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.WARN: "yellow",
    Verdict.KNOWN_FAILURE: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "red",
    Verdict.NOT_APPLICABLE: "blue",
}
TITLES = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.WARN: "warn",
    Verdict.KNOWN_FAILURE: "known",
    Verdict.INCONCLUSIVE: "inconcl.",
    Verdict.ERROR: "error",
    Verdict.NOT_APPLICABLE: "n/a",
}


def sayer(config: pytest.Config) -> Callable[[str], None]:
    """Return a function that tells the user what takes long, before pytest prints anything."""
    quiet = config.getoption("quiet", default=0)

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    return say


def header(report: Report) -> list[str]:
    """Return the lines that say what is tested against what."""
    claimed = ", ".join(report.manifest.capabilities)
    lines = [
        f"wri {__version__}, specification revision {report.specification.revision}",
        (
            f"implementation: {report.manifest.name} ({report.version or 'version unknown'}), "
            f"claims {claimed}"
        ),
    ]
    if missing := report.not_claimed():
        lines.append(f"not claimed: {', '.join(missing)}")
    return lines


def status(report: Any) -> tuple[str, str, Any] | None:
    """Return category, letter and word of a scenario for pytest, or None to leave it alone."""
    if not hasattr(report, "wri") or report.when != "call":
        return None
    document = json.loads(report.wri)
    verdicts = {result["verdict"] for result in document["results"]}
    for verdict, category, letter in (
        (Verdict.ERROR, "failed", "E"),
        (Verdict.FAIL, "failed", "F"),
        (Verdict.KNOWN_FAILURE, "known", "k"),
        (Verdict.INCONCLUSIVE, "inconclusive", "?"),
        (Verdict.WARN, "warned", "w"),
        (Verdict.NOT_APPLICABLE, "not applicable", "-"),
    ):
        if verdict.value in verdicts:
            mark = {COLOURS[verdict]: True}
            return category, letter, (verdict.value.upper(), mark)
    return "passed", ".", ("PASS", {"green": True})


def group(result: Result) -> str:
    """Return the section of a check: the first two parts of its scenario's id."""
    return "/".join(result.scenario.split("/")[:-1][:2]) or "scenarios"


def by_group(results: list[Result]) -> dict[str, Counter[Verdict]]:
    """Return how many checks of each section came to each verdict."""
    table: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for result in results:
        table[group(result)][result.verdict] += 1
    return dict(table)


def verdict_line(report: Report) -> tuple[str, bool]:
    """Return the last word on a run, and whether it is a good one."""
    holds, fails, _undecided = report.conforms_to()
    name = f"{report.manifest.name} {report.version}".strip()
    counts = report.counts
    tried = sum(counts.values()) - counts[Verdict.NOT_APPLICABLE]
    if report.interrupted:
        return f"interrupted after {tried} checks: no verdict", False
    if not tried:
        return "nothing was tried: no verdict", False
    if counts[Verdict.ERROR]:
        return f"the suite itself failed in {counts[Verdict.ERROR]} checks: no verdict", False
    parts = []
    if not report.complete:
        parts.append(f"{name}: {tried} checks of a selection, {counts[Verdict.FAIL]} failed")
        return parts[0], report.exit is Exit.CONFORMANT
    if holds:
        parts.append(f"{name} conforms to: {', '.join(holds)}")
    if fails:
        known = counts[Verdict.KNOWN_FAILURE]
        parts.append(
            f"{name} does not conform to: {', '.join(fails)}"
            f" ({counts[Verdict.FAIL]} checks failed, {known} known)"
        )
    return "; ".join(parts), report.exit is Exit.CONFORMANT


def summary(
    writer: Any, report: Report, directory: str | None, here: Path, survivors: list[str]
) -> None:
    """Write the summary to pytest's terminal reporter; paths are relative to `here`."""
    results = report.results
    if report.fatal:
        writer.section("the implementation is not ready", red=True)
        writer.line(report.fatal)
    _list_warnings(writer, report, results)
    _list_known(writer, results)
    _list_not_applicable(writer, results)
    _list_unsteady(writer, results)
    if results:
        writer.section("checks")
        _table(writer, by_group(results), report.counts)
    for entry in report.stale:
        writer.line(f"stale known failure: {entry}", red=True)
    for name in survivors:
        writer.line(f"this process would not die: {name}", red=True)
    if directory:
        writer.line(f"report: {os.path.relpath(Path(directory) / 'report.html', here)}")
    text, good = verdict_line(report)
    writer.line(text, bold=True, green=good, red=not good)


def _list_warnings(writer: Any, report: Report, results: list[Result]) -> None:
    shown = [r for r in results if r.verdict in {Verdict.WARN, Verdict.INCONCLUSIVE}]
    if not shown:
        return
    writer.section("warnings and inconclusive checks", yellow=True)
    for result in shown:
        for line in block(result, report.specification):
            writer.line(line)
        writer.line("")


def _list_known(writer: Any, results: list[Result]) -> None:
    reasons = Counter(r.known for r in results if r.verdict is Verdict.KNOWN_FAILURE)
    if not reasons:
        return
    writer.section("known failures", cyan=True)
    for reason, count in reasons.most_common():
        writer.line(f"{count:4} checks: {reason}")


def _list_not_applicable(writer: Any, results: list[Result]) -> None:
    reasons = Counter(r.message for r in results if r.verdict is Verdict.NOT_APPLICABLE)
    if not reasons:
        return
    writer.section("not applicable", blue=True)
    for reason, count in reasons.most_common():
        writer.line(f"{count:4} checks: {reason}")


def _list_unsteady(writer: Any, results: list[Result]) -> None:
    rounds = max((sum(result.rounds.values()) for result in results), default=0)
    if not rounds:
        return
    found = unsteady(results)
    writer.section(f"{rounds} rounds", yellow=bool(found), green=not found)
    for result in found:
        total = sum(result.rounds.values())
        passed = result.rounds.get(Verdict.PASS.value, 0)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in result.rounds.items())
        writer.line(f"{100 * passed / total:5.1f} % pass  {result.id}  ({counts})", yellow=True)
    if not found:
        writer.line(f"each of {len(results)} checks came to the same verdict every time")


def _table(writer: Any, table: dict[str, Counter[Verdict]], total: Counter[Verdict]) -> None:
    width = max(map(len, [*table, "total"]))
    shown = [v for v in COLUMNS if total[v] or v in {Verdict.PASS, Verdict.FAIL}]
    writer.write(" " * width)
    for verdict in shown:
        writer.write(f"{TITLES[verdict]:>9}", bold=True)
    writer.line("")
    for name, counts in [*table.items(), ("total", total)]:
        writer.write(f"{name:<{width}}", bold=name == "total")
        for verdict in shown:
            count = counts[verdict]
            colour = {COLOURS[verdict]: True} if count else {"light": True}
            writer.write(f"{count or '·':>9}", bold=name == "total", **colour)
        writer.line("")


def write_files(report: Report, directory: Path) -> None:
    """Write `results.json`, `summary.md` and `report.html`."""
    document = report.to_json()
    texts = {
        "results.json": json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n",
        "summary.md": markdown.render(document),
        "report.html": webpage.render(document, report.specification),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8", errors="replace")
