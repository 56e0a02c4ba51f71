"""A process that outlives the suite for a moment, to clean up after it.

Whatever ends the suite, SIGKILL included, closes the pipe on which this process waits. It
then kills what the suite had started and removes its directory. Started once per process of
the suite, as `python -m wri_conformance.guard TOKEN DIRECTORY`.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from wri_conformance import processes


def start(token: str, directory: Path) -> "subprocess.Popen[bytes]":
    """Start the guard of `token` and `directory`; closing its stdin makes it clean up."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "wri_conformance.guard", token, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _main(token: str, directory: str) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    sys.stdin.buffer.read()
    processes.sweep(token)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
