"""A summary in Markdown, for the job page of a CI service: a view of `results.json`."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 50  # failures that are listed; a job page is no archive
_ICONS = {
    "pass": "✅",
    "fail": "❌",
    "warn": "⚠️",
    "known-failure": "🔷",
    "inconclusive": "❔",
    "error": "💥",
    "not-applicable": "➖",
}


def render(document: Mapping[str, Any]) -> str:
    """Return the Markdown text for a document that `results.json` describes."""
    implementation = document["implementation"]
    summary = document["summary"]
    lines = [
        f"## {implementation['name']} {implementation['version']}: Workflow Runtime Interface",
        "",
        (
            f"Specification revision {document['specification']['revision']}, "
            f"wri {document['suite']['version']}, {document['seconds']:.0f} s."
        ),
        "",
        f"**Conforms to:** {', '.join(summary['conforms_to']) or '–'}  ",
        f"**Does not conform to:** {', '.join(summary['does_not_conform_to']) or '–'}  ",
        f"**Not decided:** {', '.join(summary['not_decided']) or '–'}  ",
        f"**Not claimed:** {', '.join(summary['not_claimed']) or '–'}",
        "",
    ]
    if summary["fatal"]:
        lines += ["```text", summary["fatal"], "```", ""]
    lines += _table(document)
    for entry in summary["stale_known_failures"]:
        lines.append(f"- stale known failure: {_escape(entry)}")
    lines += _details(document, "fail", "Failures")
    lines += _details(document, "error", "Errors of the suite")
    lines += _details(document, "warn", "Warnings")
    lines += _details(document, "inconclusive", "Inconclusive")
    lines += _known(document)
    return "\n".join(lines) + "\n"


def _results(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for scenario in document["scenarios"]:
        yield from scenario["results"]


def _table(document: Mapping[str, Any]) -> list[str]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for result in _results(document):
        table["/".join(result["scenario"].split("/")[:-1][:2])][result["verdict"]] += 1
    if not table:
        return []
    counts = document["summary"]["counts"]
    shown = [verdict for verdict in _ICONS if counts.get(verdict)]
    lines = [
        f"| | {' | '.join(f'{_ICONS[verdict]} {verdict}' for verdict in shown)} |",
        f"|---|{'---:|' * len(shown)}",
    ]
    for name, row in table.items():
        lines.append(f"| {name} | {' | '.join(str(row[v] or '') for v in shown)} |")
    total = " | ".join(f"**{counts.get(verdict, 0)}**" for verdict in shown)
    return [*lines, f"| **total** | {total} |", ""]


def _details(document: Mapping[str, Any], verdict: str, title: str) -> list[str]:
    found = [result for result in _results(document) if result["verdict"] == verdict]
    if not found:
        return []
    lines = ["", f"### {title}", ""]
    for result in found[:_MOST]:
        reason = _escape(result.get("message", "").replace("\n", " "))
        lines.append(f"- {_ICONS[verdict]} `{result['id']}`: {reason}")
    if len(found) > _MOST:
        lines.append(f"- … and {len(found) - _MOST} more, see results.json")
    return lines


def _known(document: Mapping[str, Any]) -> list[str]:
    reasons = Counter(
        result["known"] for result in _results(document) if result["verdict"] == "known-failure"
    )
    if not reasons:
        return []
    lines = ["", "### Known failures", ""]
    lines += [f"- {count} checks: {_escape(reason)}" for reason, count in reasons.most_common()]
    return lines


def _escape(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|").replace("`", "'")
