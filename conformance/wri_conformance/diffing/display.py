"""Shows a comparison: on a terminal, in Markdown for a pull request, and as JSON."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

from attrs import define, field

from wri_conformance.diffing.changes import Change, Level
from wri_conformance.diffing.folding import by_area, counts, entries, legend, whom

_MARKS: Final[Mapping[Level, tuple[str, str]]] = {
    Level.BREAKING: ("✗", "31;1"),
    Level.RISKY: ("!", "33"),
    Level.SAFE: ("·", "2"),
}
_EMOJI: Final[Mapping[Level, str]] = {Level.BREAKING: "❌", Level.RISKY: "⚠️", Level.SAFE: "✅"}
_WIDEST: Final = 120
_NARROWEST: Final = 60


@define
class Comparison:
    """What is shown: the names of both sides, the changes, and what was not compared."""

    before: str
    after: str
    changes: Sequence[Change]
    unseen: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "format": 1,
            "before": self.before,
            "after": self.after,
            "counts": {
                side: {str(level): number for level, number in levels.items()}
                for side, levels in counts(self.changes).items()
            },
            "not_compared": list(self.unseen),
            "changes": [one.as_json() for one in self.changes],
        }


def _numbers(changes: Sequence[Change]) -> str:
    if not changes:
        return "no change"
    levels = {level: sum(one.level is level for one in changes) for level in Level}
    told = ", ".join(f"{number} {level}" for level, number in levels.items() if number)
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}: {told}"


@define
class Terminal:
    """Writes a comparison to a terminal, or to a file if it is none."""

    out: TextIO = field(factory=lambda: sys.stdout)

    def _paint(self, text: str, colour: str) -> str:
        if not self.out.isatty() or "NO_COLOR" in os.environ:
            return text
        return f"\x1b[{colour}m{text}\x1b[0m"

    @property
    def _width(self) -> int:
        return max(_NARROWEST, min(shutil.get_terminal_size((100, 0)).columns, _WIDEST))

    def show(self, one: Comparison, *, verbose: bool = False) -> None:
        """Write it, folded unless `verbose`."""
        title = f"{one.before} → {one.after}"
        print(f"{self._paint(title, '1')}   {_numbers(one.changes)}", file=self.out)
        folded = False
        for area, changes in by_area(one.changes).items():
            print(f"\n{self._paint(area, '1;4')}", file=self.out)
            for entry in entries(changes, all_of_them=verbose):
                folded = folded or bool(entry.more)
                self._line(entry.change, entry.sentence)
        if one.unseen:
            print(self._paint(f"\nnot compared: {', '.join(one.unseen)}", "2"), file=self.out)
        if one.changes:
            self._table(one)
        if folded:
            print(self._paint("-v lists what is folded into one line here", "2"), file=self.out)

    def _line(self, change: Change, sentence: str) -> None:
        mark, colour = _MARKS[change.level]
        tail = f"[{whom(change.sides)}{' · ' + change.requirement if change.requirement else ''}]"
        lines = textwrap.wrap(
            f"{sentence} {tail.replace(' ', chr(0xA0))}",
            self._width - 4,
            break_long_words=False,
            break_on_hyphens=False,
        )
        text = "\n    ".join(lines).replace(chr(0xA0), " ")
        text = text.removesuffix(tail) + self._paint(tail, "2")
        print(f"  {self._paint(mark, colour)} {text}", file=self.out)

    def _table(self, one: Comparison) -> None:
        print(file=self.out)
        names = legend(one.before, one.after)
        width = max(map(len, names))
        head = "".join(f"{level:>10}" for level in Level)
        print(f"{'':{width}}{head}", file=self.out)
        for side, levels in counts(one.changes).items():
            cells = "".join(
                self._paint(f"{number or '–':>10}", _MARKS[level][1] if number else "2")
                for level, number in levels.items()
            )
            print(f"{side:{width}}{cells}   {self._paint(names[side], '2')}", file=self.out)


def markdown(one: Comparison, *, verbose: bool = False) -> str:
    """Return a comparison for a pull request, what is safe folded away."""
    return "\n".join(_markdown(one, verbose=verbose)) + "\n"


def _markdown(one: Comparison, *, verbose: bool) -> Iterator[str]:
    yield f"## On the wire: {_cell(one.before)} → {_cell(one.after)}"
    yield ""
    yield f"{_numbers(one.changes)}."
    if one.changes:
        names = legend(one.before, one.after)
        yield ""
        yield f"| for | {' | '.join(f'{_EMOJI[level]} {level}' for level in Level)} | |"
        yield "|---|--:|--:|--:|---|"
        for side, levels in counts(one.changes).items():
            numbers = " | ".join(str(number or "–") for number in levels.values())
            yield f"| {side} | {numbers} | {_cell(names[side])} |"
    some = [change for change in one.changes if change.level is not Level.SAFE]
    yield from _sections(some, verbose=verbose)
    safe = [change for change in one.changes if change.level is Level.SAFE]
    if safe:
        yield ""
        yield f"<details><summary>{_EMOJI[Level.SAFE]} {len(safe)} safe</summary>"
        yield from _sections(safe, verbose=verbose)
        yield ""
        yield "</details>"
    if one.unseen:
        yield ""
        yield f"Not compared: {', '.join(one.unseen)}."


def _sections(changes: Sequence[Change], *, verbose: bool) -> Iterator[str]:
    for area, mine in by_area(changes).items():
        yield ""
        yield f"### {area}"
        yield ""
        yield "| | what | for | requirement |"
        yield "|---|---|---|---|"
        for entry in entries(mine, all_of_them=verbose):
            change = entry.change
            yield (
                f"| {_EMOJI[change.level]} | {_cell(entry.sentence)} | {whom(change.sides)} "
                f"| {change.requirement} |"
            )


def _cell(text: str) -> str:
    """Return a text that is shown as it is in a cell of a table."""
    for character in "\\|<*_[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
