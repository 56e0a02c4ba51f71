"""The command line as a black box, with everything it leaves behind under one directory."""

import glob
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import frozen

SERVER = """\
import signal, sys
from wri_reference import WorkflowRuntimeServer

class Server(WorkflowRuntimeServer):
    def receiver(self, body):
        return {answer}

server = Server(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: server.stop("x"))
server.start()
"""


@frozen
class Done:
    """A run of `wri` that came to its end."""

    status: int
    out: str
    err: str
    results: Path

    def document(self) -> Any:
        return json.loads((self.results / "results.json").read_text(encoding="utf-8"))


@frozen
class Wri:
    """The command `wri`, with temporary files and results under `base`."""

    base: Path

    def popen(self, *args: str) -> "subprocess.Popen[str]":
        (self.base / "tmp").mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "wri", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=self.base,
            env={**os.environ, "TMPDIR": str(self.base / "tmp"), "COLUMNS": "100"},
        )

    def __call__(self, *args: str, timeout: float = 120) -> Done:
        process = self.popen(*args)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Done(process.returncode, out, err, self.base / "results")

    def test(self, *args: str, timeout: float = 120) -> Done:
        done = self("test", *args, "--results", "results", timeout=timeout)
        assert self.leftovers() == []
        assert "Traceback (most recent" not in done.out + done.err
        return done

    def leftovers(self) -> list[str]:
        """Return the files and processes of the suite that are still there."""
        found = [str(path) for path in (self.base / "tmp").iterdir()]
        for process in psutil.process_iter():
            try:
                if str(self.base) in process.environ().get("HOME", ""):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def manifest(self, start: list[str], **more: Any) -> str:
        """Write a manifest and return its path; JSON is YAML."""
        document = {
            "name": "under-test",
            "version": "1",
            "roles": {
                "server": {
                    "capabilities": ["core"],
                    "start": {"paused": start},
                    "ready": 2,
                    "end": 2,
                    **more.pop("server", {}),
                }
            },
            **more,
        }
        path = self.base / "manifest.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    def answering(self, answer: str) -> list[str]:
        """Write a server that answers every request with this expression; return its command."""
        path = self.base / "server.py"
        path.write_text(SERVER.format(answer=answer), encoding="utf-8")
        return [sys.executable, str(path), "{workflow}"]


@pytest.fixture
def wri(tmp_path: Path) -> Wri:
    return Wri(tmp_path)


@pytest.fixture
def interrupted(wri: Wri) -> Callable[[signal.Signals, str], Done]:
    """Run the suite, and send it a signal as soon as there is a server, its own or another."""

    def run(number: signal.Signals, workers: str) -> Done:
        process = wri.popen("test", "reference", "--results", "results", "-n", workers)
        contacts = str(wri.base / "tmp" / "wri-*/*/cylc-run/main*/.service/contact")
        while not glob.glob(contacts):  # noqa: PTH207 - pathlib's fails if a directory vanishes
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err, wri.base / "results")

    return run
