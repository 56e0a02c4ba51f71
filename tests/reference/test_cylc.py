"""Drop-in: Cylc's own client against this server, this client against Cylc's scheduler."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reference.conftest import WAIT, WORKFLOW, Home
from wri_reference import WorkflowRuntimeClient

pytestmark = pytest.mark.cylc

Serve = Callable[..., subprocess.Popen[str]]
Cylc = Callable[..., subprocess.CompletedProcess[str]]

FLOW = """
[scheduling]
    [[graph]]
        R1 = foo
[runtime]
    [[foo]]
        script = true
"""


@pytest.fixture
def cylc(cylc_bin: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Cylc:
    monkeypatch.setenv("PATH", f"{cylc_bin.parent}{os.pathsep}{os.environ['PATH']}")
    home.service.parent.mkdir(parents=True)
    (home.service.parent / "flow.cylc").write_text(FLOW)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(cylc_bin), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * WAIT,
            check=False,
        )

    return run


def test_the_client_of_cylc(cylc: Cylc, cylc_bin: Path, serve: Serve) -> None:
    serve()
    script = (
        "from cylc.flow.network.client import WorkflowRuntimeClient\n"
        f"print(WorkflowRuntimeClient({WORKFLOW!r})('ping_workflow'))\n"
    )
    result = subprocess.run(
        [str(cylc_bin.parent / "python"), "-c", script],
        capture_output=True,
        text=True,
        timeout=3 * WAIT,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("True\n", 0), result.stderr


def test_the_command_line_of_cylc(home: Home, cylc: Cylc, serve: Serve) -> None:
    serve()
    result = cylc("client", WORKFLOW, "ping_workflow", "-n")
    assert (result.stdout, result.returncode) == ("true\n", 0), result.stderr
    result = cylc("client", WORKFLOW, "nope", "-n")
    assert result.returncode == 1
    assert "RequestError: there is no endpoint 'nope'" in result.stderr
    fields = home.fields()
    expected = f"{WORKFLOW} localhost:{fields['CYLC_WORKFLOW_PORT']} {fields['CYLC_WORKFLOW_PID']}"
    assert expected in cylc("scan", "--color=never").stdout


def test_a_suspended_server_is_not_taken_for_dead(home: Home, cylc: Cylc, serve: Serve) -> None:
    process = serve()
    process.send_signal(signal.SIGSTOP)
    result = cylc("client", WORKFLOW, "ping_workflow", "-n", "--comms-timeout=1")
    assert result.returncode == 1
    assert "ClientTimeout" in result.stderr
    assert home.contact.exists()
    process.send_signal(signal.SIGCONT)
    assert WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)("ping_workflow") is True


@pytest.mark.usefixtures("cylc")
def test_the_scheduler_of_cylc(
    home: Home, cylc_bin: Path, wri: Callable[..., Any], eventually: Any
) -> None:
    scheduler = subprocess.Popen(
        [str(cylc_bin), "play", "--no-detach", "--pause", WORKFLOW],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(home.contact.exists)
        time.sleep(0.5)  # it writes the contact file in several steps
        client = WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)
        assert "api" in client("api")
        assert client("pb_data_elements", {"element_type": "workflow"})
        result = wri("serve", WORKFLOW)
        assert result.returncode == 1
        assert b"is running: process" in result.stderr
        assert "api" in client("api")
        scheduler.terminate()
        scheduler.wait(WAIT)
        assert not home.contact.exists()
    finally:
        scheduler.kill()
        scheduler.wait(WAIT)
