"""The block that a failing check shows: what was required, sent, expected and seen."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wri_conformance.specification import Specification
from wri_conformance.verdict import Result, Verdict

_WIDTH = 600  # characters of a value that are shown

WORDS = {
    Verdict.PASS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.WARN: "WARN",
    Verdict.KNOWN_FAILURE: "KNOWN",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.NOT_APPLICABLE: "N/A",
    Verdict.ERROR: "ERROR",
}


def brief(value: Any) -> str:
    """Return a value as JSON on one line, shortened."""
    # A lone surrogate is valid in JSON and in no terminal, file or connection.
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}… ({len(text)} characters)"


def block(result: Result, specification: Specification) -> list[str]:
    """Return the lines that tell of one check what a maintainer needs to know."""
    lines = [f"{WORDS[result.verdict]}  {result.id}"]
    requirement = specification.requirements.get(result.requirement)
    if requirement is not None:
        lines.append(f"  {requirement.text}")
        lines.append(f"    ({requirement.id}, {requirement.path}:{requirement.line})")
    if result.sent:
        lines.append(f"  sent      {result.sent}")
    if result.reached:
        lines.append(f"  expected  {brief(result.expected)}")
        if result.actual is not None:
            lines.append(f"  actual    {brief(result.actual)}")
    reason = result.message.splitlines() or [""]
    lines.append(f"  reason    {reason[0]}")
    lines += [f"            {line}" for line in reason[1:]]
    return lines


def trace_lines(trace: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the wire trace, one event a line, with seconds since the scenario began."""
    peers = max((len(event["peer"]) for event in trace), default=0)
    lines = []
    for event in trace:
        frames = " + ".join(frame or '""' for frame in event["frames"])
        lines.append(f"{event['t']:8.3f}  {event['peer']:<{peers}} {event['direction']} {frames}")
    return lines


def report(
    results: Sequence[Result],
    trace: Sequence[Mapping[str, Any]],
    specification: Specification,
    again: str,
    title: str = "",
) -> str:
    """Return the text for a scenario of which some checks failed.

    The first failure of each cause is shown in full; a check that failed for the very reason
    of one before it has one line.
    """
    lines = [title, ""] if title else []
    told: set[str] = set()
    for result in results:
        if result.verdict not in {Verdict.FAIL, Verdict.ERROR}:
            continue
        if result.message in told:
            lines += [f"{WORDS[result.verdict]}  {result.id}", "  for the same reason", ""]
            continue
        told.add(result.message)
        lines += [*block(result, specification), ""]
    if trace:
        lines += ["wire trace", *(f"  {line}" for line in trace_lines(trace)), ""]
    lines.append(f"run only this again:  {again}")
    return "\n".join(lines)
