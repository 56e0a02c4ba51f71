"""`wri policy`: reads a policy and matrices, judges, and tells what came of it."""

import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wri_conformance.interop import reading, views
from wri_conformance.mistakes import Mistake
from wri_conformance.policy import display, promises
from wri_conformance.policy.judging import judge
from wri_conformance.verdict import Exit


def run(policy: str, matrices: Sequence[str], only: Sequence[str], markdown: str | None) -> Exit:
    """Judge, print, and return the exit status.

    Raises:
        Mistake: a file cannot be used, or not be written.
    """
    promised = promises.load(promises.find(policy))
    read = [reading.matrix(reading.read(Path(name))) for name in matrices]
    matrix = read[0] if len(read) == 1 else reading.merged(read)
    judgement = judge(promised, matrix, dt.datetime.now(tz=dt.UTC).date(), only)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in display.lines(promised, matrix, judgement, width=views.width(), colour=colour):
        print(line)
    if markdown is not None:
        try:
            Path(markdown).write_text(
                display.markdown(promised, matrix, judgement), encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise Mistake(
                f"{markdown} cannot be written: {error.strerror}", "give another place"
            ) from None
    return judgement.exit
