"""A summary in Markdown, for the job page of a CI service: a view of `interop.json`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from wri_conformance.interop import ranges, reading
from wri_conformance.interop.reading import Matrix
from wri_conformance.interop.verdicts import MISSING, QUIET, SYMBOLS, WORDS, Verdict

_MOST: Final = 60  # sentences; a job page is no archive


def render(document: Mapping[str, Any]) -> str:
    """Return the Markdown text for a document that `interop.json` describes."""
    matrix = reading.matrix(document)
    lines = [
        "## Which client can talk to which scheduler",
        "",
        (
            f"{len(matrix.operations)} operations, {len(matrix.pairs)} pairs, "
            f"{len(matrix.cells)} cells, {document['seconds'] / 60:.0f} min, "
            f"wri {document['suite']['version']}."
        ),
        "",
        *_table(matrix),
        "",
        " · ".join(
            [*(f"{SYMBOLS[v]} {WORDS[v]}" for v in reversed(Verdict)), f"{MISSING} not tried"]
        ),
    ]
    found = ranges.statements(matrix)
    if found:
        lines += ["", "### What does not work", ""]
        lines += [sentence(one) for one in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"- … and {len(found) - _MOST} more, see interop.html")
    return "\n".join(lines) + "\n"


def sentence(one: ranges.Statement) -> str:
    """Return an item of a list for a statement."""
    return (
        f"- {SYMBOLS[one.verdict]} **{escape(one.what)}**: {escape(one.where)}: "
        f"{WORDS[one.verdict]} – {escape(one.reason)}"
    )


def escape(text: str) -> str:
    """Return a text on one line in which nothing is markup."""
    line = " ".join(text.split())
    for mark in "\\`*_[]|#":
        line = line.replace(mark, f"\\{mark}")
    return line.replace("&", "&amp;").replace("<", "&lt;")


def _table(matrix: Matrix) -> list[str]:
    short = ranges.labels(matrix.implementations)
    servers = matrix.tried("server")
    lines = [
        f"| client \\ server | {' | '.join(escape(short[one.name]) for one in servers)} |",
        f"|---|{':---:|' * len(servers)}",
    ]
    for client in matrix.tried("client"):
        cells = []
        for server in servers:
            counts = Counter(
                MISSING if cell is None else cell.verdict
                for one in matrix.operations
                for cell in [matrix.cells.get((client.name, server.name, one.id))]
            )
            cells.append(_cell(counts))
        lines.append(f"| **{escape(short[client.name])}** | {' | '.join(cells)} |")
    return lines


def _cell(counts: Counter[str]) -> str:
    if set(counts) <= {MISSING}:
        return MISSING
    parts = [f"{SYMBOLS[v]} {counts[v]}" for v in Verdict if v not in QUIET and counts[v]]
    if counts[MISSING]:
        parts.append(f"{MISSING} {counts[MISSING]}")
    return " ".join(parts) or SYMBOLS[Verdict.OK if counts[Verdict.OK] else Verdict.NOT_APPLICABLE]
