"""Makes what a peer has sent fit for reports: short, printable, and valid JSON. Pure."""

import json
from typing import Any, Final

LONGEST_VALUE: Final = 20_000
"""Characters of a value as JSON; of a longer one the beginning is told as text."""

LONGEST_TEXT: Final = 2_000
"""Characters of a message for people."""

_HEAD: Final = 2_000


def value(found: Any) -> Any:
    """Return a value as it is, or the beginning of its text if it does not fit into a report."""
    try:
        text = json.dumps(found, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return message(_text(found))
    if len(text) <= LONGEST_VALUE:
        return found
    return f"{text[:_HEAD]}… ({len(text)} characters)"


def _text(found: Any) -> str:
    try:
        return json.dumps(found, default=repr)
    except (ValueError, RecursionError):
        return f"a {type(found).__name__} that cannot be shown"


def message(text: str) -> str:
    """Return a text that breaks no terminal and no file, shortened; its lines stay lines."""
    shown = (
        text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
    )
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in shown)
