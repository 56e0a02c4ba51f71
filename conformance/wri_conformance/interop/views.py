"""What a person sees of a matrix: the table in the terminal, and the files that repeat it."""

import os
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from wri_conformance.interop import page, ranges, reading, summary
from wri_conformance.interop.reading import Implementation, Matrix
from wri_conformance.interop.text import paint, wrapped
from wri_conformance.interop.verdicts import MISSING, QUIET, SYMBOLS, WORDS, Verdict, worst

_GAP: Final = 2  # columns between two small tables
_WIDEST: Final = 11  # columns of a cell of the large one
_TITLE: Final = 20  # columns of a small table, at least
_NARROWEST: Final = 4
_LONGEST: Final = 9  # characters of a name beside a row


def lines(document: Mapping[str, Any], *, width: int = 100, colour: bool = False) -> list[str]:
    """Return the tables and the list of what does not work, for a terminal of `width` columns."""
    matrix = reading.matrix(document)
    if not matrix.cells:
        return ["nothing was tried"]
    found = [
        *_heading(matrix, width, colour=colour),
        "",
        *_total(matrix, width, colour=colour),
        *_groups(matrix, width, colour=colour),
        *does_not_work(ranges.statements(matrix), width, colour=colour),
        "",
        *_last(matrix, width, colour=colour),
    ]
    return [line.rstrip() for line in found]


def show(document: Mapping[str, Any]) -> None:
    """Print the tables and the list of what does not work."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in lines(document, width=width(), colour=colour):
        print(line)


def width() -> int:
    """Return how many columns the terminal has; 100 if there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def write(document: Mapping[str, Any], directory: Path) -> None:
    """Write the views `interop.html` and `summary.md` of a valid document."""
    texts = {"interop.html": page.render(document), "summary.md": summary.render(document)}
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8", errors="replace")


def _listed(parts: Iterable[tuple[str, Verdict | str]], width: int, *, colour: bool) -> list[str]:
    """Return painted parts, as many on a line as fit."""
    rows: list[list[str]] = [[]]
    used = 0
    for text, style in parts:
        if used and used + len(text) > width:
            rows.append([])
            used = 0
        rows[-1].append(paint(text, style, colour=colour))
        used += len(text) + 2
    return ["  ".join(row) for row in rows]


def _heading(matrix: Matrix, width: int, *, colour: bool) -> list[str]:
    def listed(ones: Iterable[Implementation]) -> str:
        return ", ".join(
            one.name if one.version == one.name else f"{one.name} ({one.version})" for one in ones
        )

    bold = paint("clients in rows, servers in columns", "1", colour=colour)
    text = [f"{bold}; {len(matrix.operations)} operations"]
    clients, servers = matrix.tried("client"), matrix.tried("server")
    if clients == servers:
        text += wrapped(f"both: {listed(clients)}", width)
    else:
        text += wrapped(f"clients: {listed(clients)}", width)
        text += wrapped(f"servers: {listed(servers)}", width)
    known: list[tuple[str, Verdict | str]] = [
        (f"{SYMBOLS[one]} {WORDS[one]}", one) for one in reversed(Verdict)
    ]
    return [*text, *_listed([*known, (f"{MISSING} not tried", "33")], width, colour=colour)]


def _counts(matrix: Matrix, client: str, server: str, operations: Iterable[str]) -> Counter[str]:
    """Return how many operations came to which verdict, or were not tried."""
    cells = (matrix.cells.get((client, server, operation)) for operation in operations)
    return Counter(MISSING if cell is None else cell.verdict for cell in cells)


def _parts(counts: Counter[str]) -> list[tuple[str, Verdict]]:
    """Return symbols with numbers of what is not as it should be, the worst first."""
    found = [(f"{SYMBOLS[v]}{counts[v]}", v) for v in Verdict if v not in QUIET and counts[v]]
    if counts[MISSING]:
        found.append((f"{MISSING}{counts[MISSING]}", Verdict.INCONCLUSIVE))
    return found


def _total(matrix: Matrix, width: int, *, colour: bool) -> list[str]:
    clients, servers = matrix.tried("client"), matrix.tried("server")
    short = {name: text[:_LONGEST] for name, text in ranges.labels(matrix.implementations).items()}
    beside = max(len(short[one.name]) for one in clients) + 1
    column = min(_WIDEST, max(_NARROWEST, (width - beside) // max(1, len(servers))))
    head = "".join(f"{short[one.name][: column - 1]:<{column}}" for one in servers)
    text = [paint(" " * beside + head, "1", colour=colour)]
    every = [operation.id for operation in matrix.operations]
    for client in clients:
        row = f"{short[client.name]:<{beside}}"
        for server in servers:
            counts = _counts(matrix, client.name, server.name, every)
            row += _cell(counts, column, colour=colour)
        text.append(row)
    return text


def _cell(counts: Counter[str], column: int, *, colour: bool) -> str:
    parts = _parts(counts)
    if set(counts) == {MISSING}:
        parts = [(MISSING, Verdict.INCONCLUSIVE)]
    elif not parts:
        verdict = Verdict.OK if counts[Verdict.OK] else Verdict.NOT_APPLICABLE
        parts = [(SYMBOLS[verdict], verdict)]
    text, used = "", 0
    for number, (part, verdict) in enumerate(parts):
        space = 1 if number else 0
        room = column - 1 - (2 if number < len(parts) - 1 else 0)
        if number and used + space + len(part) > room:
            text += "…"
            used += 1
            break
        text += " " * space + paint(part, verdict, colour=colour)
        used += space + len(part)
    return text + " " * max(1, column - used)


def _groups(matrix: Matrix, width: int, *, colour: bool) -> list[str]:
    """Return a small table for each group in which something is wrong, several side by side.

    Groups whose tables are the same share one.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for operation in matrix.operations:
        groups[operation.group].append(operation.id)
    same: dict[tuple[str, ...], list[str]] = defaultdict(list)
    fine = []
    pairs = matrix.pairs
    for name, operations in groups.items():
        among = set(operations)
        wrong = any(
            cell.verdict not in QUIET for cell in matrix.cells.values() if cell.operation in among
        )
        complete = all((*pair, one) in matrix.cells for pair in pairs for one in operations)
        if wrong or not complete:
            same[tuple(_small(matrix, operations, colour=colour))].append(name)
        else:
            fine.append(f"{name} ({len(operations)})")
    tables, notes = [], []
    heads = _heads(matrix)
    wide = max(len(heads), _TITLE)
    for rows, names in same.items():
        first, *others = names
        more = f" +{len(others)}" if others else f" ({len(groups[first])})"
        title = first[: wide - len(more)] + more
        if others:
            notes += wrapped(f"{first}{more}: {', '.join(others)}", width)
        padding = " " * (wide - len(heads))
        top = paint(title, "1", colour=colour) + " " * (wide - len(title))
        tables.append([top, heads + padding, *(row + padding for row in rows)])
    beside = max(1, (width + _GAP) // (wide + _GAP))
    text: list[str] = []
    for start in range(0, len(tables), beside):
        row = tables[start : start + beside]
        text.append("")
        text += [(" " * _GAP).join(parts) for parts in zip(*row, strict=True)]
    text += ["", *notes] if notes else []
    if fine:
        ok = paint(SYMBOLS[Verdict.OK], Verdict.OK, colour=colour)
        told = wrapped(f"nothing wrong: {', '.join(fine)}", width - 2)
        text += ["", f"{ok} {told[0]}", *(f"  {line}" for line in told[1:])]
    return text


def _heads(matrix: Matrix) -> str:
    """Return the line above a small table."""
    above = _tiny(matrix.tried("server"), heads=True).values()
    beside = max(len(text) for text in _tiny(matrix.tried("client")).values()) + 1
    column = max(map(len, above)) + 1
    return " " * beside + "".join(f"{text:<{column}}" for text in above)


def _small(matrix: Matrix, operations: Sequence[str], *, colour: bool) -> list[str]:
    """Return the rows of a small table: the worst verdict of the operations for each pair."""
    servers, labels = matrix.tried("server"), _tiny(matrix.tried("client"))
    beside = max(map(len, labels.values())) + 1
    column = max(len(text) for text in _tiny(servers, heads=True).values()) + 1
    text = []
    for client, label in labels.items():
        row = f"{label:<{beside}}"
        for server in servers:
            counts = _counts(matrix, client, server.name, operations)
            verdict = worst(verdict for verdict in Verdict if counts[verdict])
            symbol = SYMBOLS[verdict]
            if counts[MISSING] and verdict in QUIET:
                verdict, symbol = Verdict.INCONCLUSIVE, MISSING
            row += paint(symbol, verdict, colour=colour) + " " * (column - 1)
        text.append(row)
    return text


def _tiny(ones: Sequence[Implementation], *, heads: bool = False) -> dict[str, str]:
    """Return the labels of rows or columns of a small table: `.5` above a column for 8.5."""
    short = ranges.labels(ones)
    majors = {text.partition(".")[0] for one in ones if one.release for text in [short[one.name]]}
    tiny = {}
    for one in ones:
        text = short[one.name]
        if one.release is None or text == one.name:
            text = text[: 2 if heads else 3]
        elif heads and len(majors) == 1:
            text = text[text.index(".") :]
        tiny[one.name] = text
    if len(set(tiny.values())) < len(tiny):
        return {one.name: short[one.name][:_LONGEST] for one in ones}
    return tiny


def does_not_work(
    found: Sequence[ranges.Statement], width: int, *, colour: bool, most: int = 60
) -> list[str]:
    """Return a line or two for each statement, under a heading."""
    if not found:
        return []
    text = ["", paint("what does not work", "1", colour=colour)]
    for one in found[:most]:
        told = wrapped(str(one), width - 4)
        symbol = paint(SYMBOLS[one.verdict], one.verdict, colour=colour)
        text.append(f"{symbol} {told[0]}")
        text += [f"    {line}" for line in told[1:]]
        why = wrapped(one.reason, width - 4, most=2)
        text += [paint(f"    {line}", "2", colour=colour) for line in why]
    if len(found) > most:
        text.append(f"  … and {len(found) - most} more, see the page")
    return text


def _last(matrix: Matrix, width: int, *, colour: bool) -> list[str]:
    counts = Counter(cell.verdict for cell in matrix.cells.values())
    parts: list[tuple[str, Verdict | str]] = [
        (f"{len(matrix.pairs)} pairs, {len(matrix.cells)} cells:", "1")
    ]
    parts += [
        (f"{SYMBOLS[one]} {counts[one]} {WORDS[one]}", one)
        for one in reversed(Verdict)
        if counts[one]
    ]
    return _listed(parts, width, colour=colour)
