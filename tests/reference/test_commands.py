"""The command line, from outside."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.reference.conftest import ENDPOINTS, WAIT, WORKFLOW, Home, Peer
from wri_reference import WorkflowRuntimeClient

Wri = Callable[..., subprocess.CompletedProcess[bytes]]
Serve = Callable[..., subprocess.Popen[str]]


def assert_failed(result: subprocess.CompletedProcess[bytes], status: int, start: str) -> None:
    """Expect one line on standard error, and neither a result nor a traceback."""
    assert result.returncode == status, result.stderr
    assert result.stdout == b""
    assert result.stderr.decode().startswith(start), result.stderr
    assert result.stderr.count(b"\n") == 1
    assert b"Traceback" not in result.stderr


def test_call(serve: Serve, wri: Wri) -> None:
    serve()
    result = wri("call", WORKFLOW, "ping_workflow", "-n")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"true\n", b"")
    result = wri("call", WORKFLOW, "api", stdin=b"{}")
    assert json.loads(result.stdout) == ENDPOINTS
    result = wri("call", WORKFLOW, "api", stdin=b' {"endpoint": "ping_workflow"}\n')
    assert "alive" in json.loads(result.stdout)
    assert_failed(
        wri("call", WORKFLOW, "nope", "--no-input"), 1, "RequestError: there is no endpoint 'nope'"
    )


def test_results_in_any_language_and_locale(peer: Callable[..., Peer], wri: Wri) -> None:
    peer(lambda _: [b'{"data": "\\u00e9\\ud800"}'])
    result = wri("call", WORKFLOW, "api", "-n")
    assert result.stdout == '"é\\ud800"\n'.encode()


def test_raw_results(peer: Callable[..., Peer], wri: Wri) -> None:
    peer(lambda _: [b"\x0a\xff"])
    assert wri("call", WORKFLOW, "pb_x", "-n").stdout == b"\x0a\xff"


@pytest.mark.parametrize(
    "stdin", [b"", b"{", b"[1]", b"null", b"\xff", b'{"x": NaN}', b"[" * 100_000, b"\xef\xbb\xbf{}"]
)
def test_bad_arguments_on_standard_input(wri: Wri, stdin: bytes) -> None:
    assert_failed(wri("call", WORKFLOW, "api", stdin=stdin), 1, "ClientError: standard input: the ")


def test_a_workflow_that_is_not_running(home: Home, wri: Wri) -> None:
    assert_failed(
        wri("call", WORKFLOW, "api", "-n"),
        1,
        f"WorkflowStopped: my-workflow is not running: there is no {home.contact}",
    )


def test_missing_keys(home: Home, serve: Serve, wri: Wri) -> None:
    serve()
    (home.service / "client.key_secret").unlink()
    assert_failed(wri("call", WORKFLOW, "api", "-n"), 1, "ClientError: the keys of the client, /")


def test_a_time_out(peer: Callable[..., Peer], wri: Wri) -> None:
    peer(lambda _: None)
    result = wri("call", WORKFLOW, "api", "-n", "--timeout", "0.2")
    assert_failed(result, 1, "ClientTimeout: my-workflow at localhost:")


@pytest.mark.parametrize(
    "args",
    [
        ("call",),
        ("call", WORKFLOW),
        ("call", WORKFLOW, "api", "--nope"),
        ("call", WORKFLOW, "api", "-n", "--timeout", "0"),
        ("call", WORKFLOW, "api", "-n", "--timeout", "nan"),
        ("call", WORKFLOW, "api", "-n", "--timeout", "abc"),
        ("serve",),
        ("serve", "../x"),
        ("serve", WORKFLOW, "--port-range", "1"),
        ("serve", WORKFLOW, "--port-range", "7000..7000"),
        ("serve", WORKFLOW, "--port-range", "a..b"),
        ("serve", WORKFLOW, "--port-range", "1..70000"),
    ],
)
def test_bad_usage(home: Home, wri: Wri, args: tuple[str, ...]) -> None:
    result = wri(*args)
    assert result.returncode == 4
    assert result.stdout == b""
    assert b"Traceback" not in result.stderr
    assert not home.service.exists()


@pytest.mark.parametrize("command", ["serve", "call"])
def test_help(wri: Wri, command: str) -> None:
    result = wri(command, "--help")
    assert result.returncode == 0
    assert b"WORKFLOW" in result.stdout
    assert b"exit status:" in result.stdout


def test_a_run_directory_that_cannot_be_made(home: Home, wri: Wri) -> None:
    (home.path / "cylc-run").write_text("a file")
    assert_failed(wri("serve", WORKFLOW), 1, "StartError: ")
    assert_failed(wri("call", WORKFLOW, "api", "-n"), 1, "WorkflowStopped: ")


def test_a_reader_that_went_away(serve: Serve) -> None:
    serve()
    process = subprocess.Popen(
        [sys.executable, "-m", "wri", "call", WORKFLOW, "api", "-n"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(WAIT) == 1
    process.stderr.close()


def test_interrupted(peer: Callable[..., Peer], eventually: Any) -> None:
    one = peer(lambda _: None)
    process = subprocess.Popen(
        [sys.executable, "-m", "wri", "call", WORKFLOW, "api", "-n", "--timeout", "60"],
        stderr=subprocess.PIPE,
    )
    eventually(lambda: one.bodies)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(WAIT) == 2
    process.stderr.close()


def test_serving_without_standard_output(home: Home, eventually: Any) -> None:
    process = subprocess.Popen(f"exec {sys.executable} -m wri serve {WORKFLOW} >&-", shell=True)
    try:
        eventually(home.contact.exists)
        assert WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)("ping_workflow") is True
        process.terminate()
        assert process.wait(WAIT) == 0
    finally:
        process.kill()
        process.wait(WAIT)


def test_what_it_says(home: Home, wri: Wri) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wri", "serve", WORKFLOW], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    fields = home.fields()
    process.terminate()
    rest = process.stdout.read()
    process.wait(WAIT)
    process.stdout.close()
    assert line == (
        f"serving {WORKFLOW} at tcp://localhost:{fields['CYLC_WORKFLOW_PORT']}, "
        f"publishing at tcp://localhost:{fields['CYLC_WORKFLOW_PUBLISH_PORT']}\n"
    )
    assert rest == ""


def test_more_connections_than_the_soft_limit(home: Home, eventually: Any) -> None:
    command = f"ulimit -S -n 128; exec {sys.executable} -m wri serve {WORKFLOW}"
    process = subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL)
    try:
        eventually(home.contact.exists)
        port = int(home.fields()["CYLC_WORKFLOW_PORT"])
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)("ping_workflow") is True
    finally:
        process.kill()
        process.wait(WAIT)
