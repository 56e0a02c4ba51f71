"""The adapter of `cylc client`: what it makes of the output and the exit status of a command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wri.data

ADAPTER = wri.data.root() / "conformance" / "implementations" / "cylc_command.py"
CONNECT = {"id": 1, "do": "connect", "connection": "main", "workflow": "w"}
REQUEST = {"id": 2, "do": "request", "connection": "main", "command": "api", "args": {}}


def ask(
    tmp_path: Path, said: str, complained: str, status: int
) -> subprocess.CompletedProcess[str]:
    """Let the adapter make a request with a `cylc` that does what is told here."""
    program = tmp_path / "cylc"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"print({said!r})\nprint({complained!r}, file=sys.stderr)\nsys.exit({status})\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, ADAPTER],
        input="".join(json.dumps(command) + "\n" for command in (CONNECT, REQUEST)),
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("said", "complained", "status", "answer"),
    [
        ("[1]", "WARNING - beside the point", 0, {"result": "data", "data": [1]}),
        ("", "RequestError: no", 1, {"result": "error", "message": "no"}),
        ("", "WARNING - w\nClientTimeout: a\nb", 1, {"result": "timeout", "message": "a\nb"}),
        ("", "WorkflowStopped: w", 1, {"result": "stopped", "message": "w"}),
        ("", "CylcVersionError: old", 1, {"result": "client-error", "message": "old"}),
        (
            "",
            "RequestError: Traceback (most recent call last):\nKeyError: x",
            1,
            {"result": "error", "message": "Traceback (most recent call last):\nKeyError: x"},
        ),
    ],
)
def test_an_outcome_is_that_of_the_command(
    tmp_path: Path, said: str, complained: str, status: int, answer: dict[str, Any]
) -> None:
    done = ask(tmp_path, said, complained, status)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[1]) == {"id": 2, **answer}


@pytest.mark.parametrize(
    "complained",
    ["Traceback (most recent call last):\n  File x\nKeyError: RequestError: no", "usage: cylc"],
)
def test_a_crash_of_the_command_is_one_of_the_adapter(tmp_path: Path, complained: str) -> None:
    done = ask(tmp_path, "", complained, 1)
    assert done.returncode == 1
    assert complained in done.stderr
    assert len(done.stdout.splitlines()) == 1
