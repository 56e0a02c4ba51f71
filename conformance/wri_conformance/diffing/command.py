"""`wri diff`: from two names to a listing and an exit status."""

import json
import sys
from pathlib import Path

from attrs import frozen

from wri_conformance.diffing import profile, target
from wri_conformance.diffing.changes import Change, Level, worst
from wri_conformance.diffing.compare import compare, unseen
from wri_conformance.diffing.display import Comparison, Terminal, markdown
from wri_conformance.mistakes import Mistake
from wri_conformance.verdict import Exit


@frozen
class Options:
    """What the user asks for; `side` is one of `changes.SIDES`, or None for all of them."""

    before: str
    after: str | None
    side: str | None = None
    json: str | None = None
    save: str | None = None
    markdown: bool = False
    fresh: bool = False
    verbose: bool = False
    exit_zero: bool = False
    patience: float = 1.0


def run(options: Options) -> Exit:
    """Compare, and print and write what is found.

    Raises:
        Mistake: a name stands for nothing, cannot be observed, or a file cannot be written.
    """
    if options.after is None and options.save is None:
        raise Mistake("there is nothing to compare with", "name two, or --save a profile of one")
    profiles = [
        profile.get(name, target.tell, fresh=options.fresh, scale=options.patience)
        for name in (options.before, options.after)
        if name is not None
    ]
    if options.save is not None:
        profile.write(Path(options.save), profiles[-1])
    if options.after is None:
        return Exit.CONFORMANT
    before, after = profiles
    found: list[Change] = [
        one for one in compare(before, after) if options.side is None or options.side in one.sides
    ]
    comparison = Comparison(_name(before), _name(after), found, unseen(before, after))
    if options.json is not None:
        _write(Path(options.json), json.dumps(comparison.as_json(), indent=1, ensure_ascii=False))
    if options.markdown:
        sys.stdout.write(markdown(comparison, verbose=options.verbose))
    else:
        Terminal().show(comparison, verbose=options.verbose)
    broken = worst(found, options.side) is Level.BREAKING
    return Exit.NOT_CONFORMANT if broken and not options.exit_zero else Exit.CONFORMANT


def _name(one: dict[str, object]) -> str:
    name, version = str(one["name"]), str(one["version"])
    return name if version in name else f"{name} ({version})"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Mistake(f"cannot be written: {error.strerror}", "give another place", path) from None
