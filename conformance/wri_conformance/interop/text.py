"""Lines for a terminal: colours, and words that fit."""

import textwrap
from typing import Final

from wri_conformance.interop.verdicts import Verdict

_COLOURS: Final = {
    Verdict.SILENTLY_DIFFERENT: "35;1",
    Verdict.SILENTLY_IGNORED: "31;1",
    Verdict.FAILED: "31",
    Verdict.INCONCLUSIVE: "33",
    Verdict.REFUSED: "36",
    Verdict.OK: "32",
    Verdict.NOT_APPLICABLE: "2",
}


def paint(text: str, style: Verdict | str, *, colour: bool) -> str:
    """Return a text in the colour of a verdict, or in an SGR style, for a terminal that has any."""
    if not colour:
        return text
    code = _COLOURS[style] if isinstance(style, Verdict) else style
    return f"\x1b[{code}m{text}\x1b[0m"


def wrapped(text: str, width: int, most: int = 0) -> list[str]:
    """Return a text on lines of `width` columns, one at least, and `most` at most.

    Words are left whole: names have hyphens, and are searched for.
    """
    found = textwrap.wrap(
        text, max(width, 20), break_on_hyphens=False, max_lines=most or None, placeholder=" …"
    )
    return found or [""]
