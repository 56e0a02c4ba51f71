"""What can become of an operation between a client and a scheduler, and how it is shown."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What came of an operation, the worst first: silence is worse than a failure that is told."""

    SILENTLY_DIFFERENT = "silently-different"
    SILENTLY_IGNORED = "silently-ignored"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
    OK = "ok"
    NOT_APPLICABLE = "not-applicable"


SILENT: Final = frozenset({Verdict.SILENTLY_DIFFERENT, Verdict.SILENTLY_IGNORED})
"""A success was told that there was not."""

QUIET: Final = frozenset({Verdict.OK, Verdict.NOT_APPLICABLE})
"""Nothing is wrong."""

SYMBOLS: Final = {
    Verdict.SILENTLY_DIFFERENT: "≠",
    Verdict.SILENTLY_IGNORED: "∅",
    Verdict.FAILED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.REFUSED: "⊘",
    Verdict.OK: "✓",
    Verdict.NOT_APPLICABLE: "·",
}
MISSING: Final = "□"
"""The symbol of what was not tried."""

WORDS: Final = {verdict: verdict.replace("-", " ") for verdict in Verdict}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts; not applicable if there is none."""
    order = list(Verdict)
    return min(verdicts, key=order.index, default=Verdict.NOT_APPLICABLE)
