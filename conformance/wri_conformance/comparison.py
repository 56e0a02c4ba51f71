"""`wri compare`: shows what broke and what was mended between runs."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from wri_conformance import comparing, schemas
from wri_conformance.comparing import Check, Comparison
from wri_conformance.mistakes import Mistake
from wri_conformance.verdict import Exit

_LISTS: Final[Mapping[str, tuple[str, int, str]]] = {
    # attribute of a comparison: words, colour, icon
    "broke": ("broke", 31, "❌"),
    "mended": ("mended", 32, "✅"),
    "otherwise": ("fail in both, for another reason now", 33, "🔶"),
    "undecided": ("decided in one of them only", 34, "❔"),
    "gone": ("only before", 34, "➖"),
    "new": ("only now", 34, "➕"),
}


def run(names: Sequence[str], markdown: str | None) -> Exit:
    """Compare files, each with the next one; print what differs, and write it as Markdown.

    Raises:
        Mistake: a file cannot be used, there are not two of them, or nothing can be written.
    """
    if len(names) < 2:  # noqa: PLR2004
        raise Mistake("nothing to compare", "give two files or more, the earlier one first")
    found = list(comparing.neighbours([read(Path(name)) for name in names]))
    for number, one in enumerate(found):
        if number:
            print()
        for line in lines(one, _paint):
            print(line)
    if markdown is not None:
        text = "\n".join(line for one in found for line in markdown_lines(one))
        try:
            Path(markdown).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise Mistake(
                f"{markdown} cannot be written: {error.strerror}", "give another place"
            ) from None
    return Exit.NOT_CONFORMANT if any(one.broke for one in found) else Exit.CONFORMANT


def read(path: Path) -> Any:
    """Return the document in a `results.json`, or in the one of a directory.

    Raises:
        Mistake: there is none.
    """
    file = path / "results.json" if path.is_dir() else path
    fix = "give a results.json that wri test has written, or its directory"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Mistake(f"cannot be read: {reason}", fix, file) from None
    if errors := schemas.problems("results.json", document):
        raise Mistake(f"is no results.json: {schemas.explain(errors)}", fix, file)
    return document


def lines(one: Comparison, paint: Callable[[str, int], str]) -> Iterator[str]:
    """Yield the lines for a terminal; `paint` colours a text."""
    yield f"{one.before} → {one.now}: {_counts(one)}"
    for attribute, (words, colour, _) in _LISTS.items():
        checks: tuple[Check, ...] = getattr(one, attribute)
        if not checks:
            continue
        yield paint(f"  {words}: {len(checks)}", colour)
        for reason, group in comparing.by_reason(checks).items():
            yield f"    {reason}"
            yield from (paint(f"      {check.id}", colour) for check in group)


def markdown_lines(one: Comparison) -> Iterator[str]:
    """Yield the lines of a section in Markdown."""
    yield f"## {one.before} → {one.now}"
    yield ""
    yield f"{_counts(one)}."
    yield ""
    for attribute, (words, _, icon) in _LISTS.items():
        checks: tuple[Check, ...] = getattr(one, attribute)
        if not checks:
            continue
        yield f"### {icon} {words}: {len(checks)}"
        yield ""
        for reason, group in comparing.by_reason(checks).items():
            yield f"- {_escape(reason)}"
            yield from (f"  - `{check.id}`" for check in group)
        yield ""


def _counts(one: Comparison) -> str:
    told = [
        f"{len(getattr(one, attribute))} {words}"
        for attribute, (words, _, _) in _LISTS.items()
        if getattr(one, attribute) or attribute in {"broke", "mended"}
    ]
    return ", ".join(told)


def _paint(text: str, colour: int) -> str:
    painted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{colour}m{text}\x1b[0m" if painted else text


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'").replace("\n", " ")
