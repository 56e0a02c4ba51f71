"""What a person sees of a judgement: in the terminal, and in Markdown for a job page."""

from collections.abc import Iterable
from typing import Final

from wri_conformance.interop import ranges, summary
from wri_conformance.interop.ranges import statements
from wri_conformance.interop.reading import Cell, Matrix
from wri_conformance.interop.text import paint, wrapped
from wri_conformance.interop.verdicts import MISSING, SILENT, SYMBOLS, Verdict
from wri_conformance.policy.judging import Judgement, Outcome
from wri_conformance.policy.promises import Excuse, Policy

_MOST: Final = 40  # lines of a section; the page has the rest
_YELLOW: Final = "33"
_DIM: Final = "2"


def evidence(matrix: Matrix, judgement: Judgement) -> list[str]:
    """Return in words what is promised and was not tried."""
    told = list(judgement.lacking)
    if judgement.untried:
        where = ranges.where(judgement.untried, matrix)
        told.append(f"{where}: these pairs are not in the matrix")
    cells = {key: Cell(*key, Verdict.INCONCLUSIVE, "") for key in judgement.missing}
    told += [f"{one.what}: {one.where}: not tried" for one in statements(matrix, cells)]
    return told


def lines(
    policy: Policy, matrix: Matrix, judgement: Judgement, *, width: int, colour: bool
) -> list[str]:
    """Return the judgement for a terminal of `width` columns."""
    text = [
        paint(policy.title, "1", colour=colour),
        *(
            paint(line, _DIM, colour=colour)
            for line in wrapped(about(policy, matrix, judgement), width)
        ),
    ]

    def section(title: str, rows: Iterable[tuple[str, str, Verdict | str, str]]) -> None:
        every = list(rows)
        if not every:
            return
        text.extend(["", paint(title, "1", colour=colour)])
        for symbol, line, style, note in every[:_MOST]:
            first, *rest = wrapped(line, width - 4)
            text.append(f"{paint(symbol, style, colour=colour)} {first}")
            text.extend(f"    {more}" for more in rest)
            parts = wrapped(note, width - 4) if note else []
            text.extend(paint(f"    {part}", _DIM, colour=colour) for part in parts)
        if len(every) > _MOST:
            text.append(f"  … and {len(every) - _MOST} more")

    for outcome in judgement.outcomes:
        text.extend(["", *_promise(outcome, width, colour=colour)])
        for one in statements(matrix, {**outcome.broken, **outcome.undecided}):
            first, *rest = wrapped(str(one), width - 6)
            text.append(f"  {paint(SYMBOLS[one.verdict], one.verdict, colour=colour)} {first}")
            text.extend(f"      {more}" for more in rest)
            why = wrapped(one.reason, width - 6, most=2)
            text.extend(paint(f"      {line}", _DIM, colour=colour) for line in why)
    section(
        "no evidence",
        ((MISSING, line, _YELLOW, "") for line in evidence(matrix, judgement)),
    )
    section("stale exceptions", (("✗", line, Verdict.FAILED, "") for line in judgement.stale))
    section(
        "exceptions",
        (
            ("!", _excuse(one, count), Verdict.REFUSED, one.url)
            for one, count in judgement.excuses.values()
        ),
    )
    section(
        "exceptions that have expired",
        (
            ("✗", _excuse(one, count), Verdict.FAILED, one.url)
            for one, count in judgement.expired.values()
        ),
    )
    outside = {cell.key: cell for cell in judgement.outside}
    section(
        "silent failures where nothing is promised",
        ((SYMBOLS[one.verdict], str(one), one.verdict, "") for one in statements(matrix, outside)),
    )
    good = not judgement.exit
    verdict = Verdict.OK if good else Verdict.FAILED
    return [*text, "", paint(last(judgement), verdict, colour=colour)]


def about(policy: Policy, matrix: Matrix, judgement: Judgement) -> str:
    """Return what was judged, in one line."""
    told = (
        f"{policy.path.name}: {judgement.judged} cells, {judgement.pairs} promised pairs of "
        f"{len(matrix.pairs)} in the matrix"
    )
    if judgement.unjudged:
        told += f"; no version of Cylc, so nothing is promised: {', '.join(judgement.unjudged)}"
    return told


def _promise(outcome: Outcome, width: int, *, colour: bool) -> list[str]:
    good = not outcome.broken and not outcome.undecided and outcome.judged
    symbol, verdict = ("✓", Verdict.OK) if good else ("✗", Verdict.FAILED)
    first, *rest = wrapped(outcome.promise.name, width - 2)
    told = [f"{symbol} {first}", *(f"  {line}" for line in rest)]
    return [
        *(paint(line, verdict, colour=colour) for line in told),
        *(f"  {line}" for line in wrapped(counts(outcome), width - 2)),
    ]


def counts(outcome: Outcome) -> str:
    """Return how many cells of a promise came to what."""
    silent = sum(cell.verdict in SILENT for cell in outcome.broken.values())
    parts = [
        (len(outcome.kept), "ok"),
        (len(outcome.allowed), "accepted"),
        (len(outcome.excused), "excused"),
        (silent, "broken silently"),
        (len(outcome.broken) - silent, "broken"),
        (len(outcome.undecided), "inconclusive"),
    ]
    return ", ".join(f"{number} {word}" for number, word in parts if number) or "nothing was judged"


def _excuse(one: Excuse, count: int) -> str:
    until = f" (until {one.expires.isoformat()})" if one.expires else ""
    return f"{', '.join(one.match)}, {count} cell{'s' * (count != 1)}{until}: {one.reason}"


def last(judgement: Judgement) -> str:
    """Return the last word."""
    silent = {
        key
        for outcome in judgement.outcomes
        for key, cell in outcome.broken.items()
        if cell.verdict in SILENT
    }
    parts = []
    if judgement.broken:
        number = _number(len(judgement.broken), "cell breaks", "cells break")
        parts.append(f"{number} it{f' ({len(silent)} silently)' if silent else ''}")
    if judgement.undecided:
        parts.append(f"{len(judgement.undecided)} inconclusive")
    untried = len(judgement.missing)
    gaps = len(judgement.lacking) + len(judgement.untried)
    if untried:
        parts.append(_number(untried, "cell was not tried", "cells were not tried"))
    if gaps:
        parts.append(_number(gaps, "gap in the evidence", "gaps in the evidence"))
    if judgement.stale:
        parts.append(_number(len(judgement.stale), "stale exception", "stale exceptions"))
    if not judgement.judged:
        return "; ".join(["nothing was judged: no verdict", *parts])
    if not parts:
        return "the promise is kept"
    if judgement.broken:
        head = "the promise is broken"
    elif judgement.undecided or untried or gaps:
        head = "there is no evidence that the promise is kept"
    else:
        head = "the policy is out of date"
    return "; ".join([head, *parts])


def _number(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def markdown(policy: Policy, matrix: Matrix, judgement: Judgement) -> str:
    """Return the judgement as Markdown."""
    sure = summary.escape
    good = not judgement.exit
    title = f"[{sure(policy.title)}]({policy.url})" if policy.url else sure(policy.title)
    text = [
        f"## {'✅' if good else '❌'} {sure(last(judgement))}",
        "",
        f"{title}: {sure(about(policy, matrix, judgement))}.",
        "",
    ]
    for outcome in judgement.outcomes:
        kept = not outcome.broken and not outcome.undecided and outcome.judged
        text += [
            f"### {'✅' if kept else '❌'} {sure(outcome.promise.name)}",
            "",
            f"{counts(outcome)}.",
            "",
        ]
        text += _listed(
            map(summary.sentence, statements(matrix, {**outcome.broken, **outcome.undecided}))
        )
    outside = {cell.key: cell for cell in judgement.outside}
    for heading, rows in (
        ("No evidence", [f"- {MISSING} {sure(one)}" for one in evidence(matrix, judgement)]),
        ("Stale exceptions", [f"- ✗ {sure(one)}" for one in judgement.stale]),
        ("Exceptions", [_item(*pair) for pair in judgement.excuses.values()]),
        ("Exceptions that have expired", [_item(*pair) for pair in judgement.expired.values()]),
        (
            "Silent failures where nothing is promised",
            [summary.sentence(one) for one in statements(matrix, outside)],
        ),
    ):
        if rows:
            text += [f"### {heading}", "", *_listed(rows)]
    return "\n".join(text).rstrip() + "\n"


def _listed(rows: Iterable[str]) -> list[str]:
    every = list(rows)
    more = [f"- … and {len(every) - _MOST} more"] if len(every) > _MOST else []
    return [*every[:_MOST], *more, ""] if every else []


def _item(one: Excuse, count: int) -> str:
    link = f" ([more]({one.url}))" if one.url else ""
    return f"- {summary.escape(_excuse(one, count))}{link}"
