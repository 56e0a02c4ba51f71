"""Starts servers to look at, each with the workflow `changes`, paused, in a home of its own."""

from collections.abc import Callable
from typing import Final

from wri_conformance import readiness
from wri_conformance.diffing.target import Target
from wri_conformance.runs import Run, StartError, Workshop
from wri_conformance.trace import Trace

_TRIES: Final = 3  # at starting one


def start(
    target: Target, workshop: Workshop, once_there: Callable[[Run], None] = lambda _: None
) -> Run:
    """Return a server that shows its workflow.

    `once_there` is called as soon as there is a contact file.

    Raises:
        StartError: it cannot be started, although it was tried several times.
        Mistake: its command cannot be executed.
    """
    for tried in range(1, _TRIES + 1):
        run = Run(
            manifest=target.manifest,
            workshop=workshop,
            home=workshop.home(),
            workflow="main",
            fixture="changes",
            state="paused",
            path=target.path,
        )
        try:
            run.start()
            once_there(run)
            readiness.wait(run, Trace())
        except StartError:
            run.close()
            if tried == _TRIES:
                raise
        else:
            return run
    raise AssertionError("not reached")
