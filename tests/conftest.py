"""What all tests share: a real cylc-flow, installed once and kept."""

import os
import signal
from pathlib import Path

import pytest

from wri_conformance import venvs
from wri_conformance.mistakes import Mistake

CYLC = ("cylc-flow==8.5.4",)

# What a shell starts in the background ignores interrupts, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Most tests wait for another process most of the time, so that two fit on a core."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def cylc_bin() -> Path:
    """The `cylc` command of a cached environment.

    Where packages cannot be installed, tests that need it are skipped, but fail in CI.
    """
    try:
        return venvs.ensure(CYLC, print) / "cylc"
    except Mistake as mistake:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(mistake))
