"""The server as a process: sockets, admission, hostile input, life cycle."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from tests.reference.conftest import ENDPOINTS, WAIT, WORKFLOW, Home
from wri_reference import (
    StartError,
    WorkflowRuntimeClient,
    WorkflowRuntimeServer,
    _contact,
    _keys,
)

Serve = Callable[..., subprocess.Popen[str]]
Ping = Callable[[], bool]
Eventually = Callable[[Callable[[], object]], None]

API = b'{"command": "api", "args": {}}'
PING = b'{"command": "ping_workflow", "args": {}}'


def ask(peer: Any, *body: bytes) -> Any:
    """Send a request on a REQ socket and return the decoded response."""
    peer.send_multipart(body)
    assert peer.poll(WAIT * 1000), "no response"
    (frame,) = peer.recv_multipart()
    return json.loads(frame)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- start and stop ---------------------------------------------------------------------------


def test_the_files_of_a_running_server(home: Home, serve: Serve) -> None:
    old = os.umask(0)
    try:
        process = serve()
    finally:
        os.umask(old)
    text = home.contact.read_text()
    fields = home.fields()
    assert text.endswith("\n")
    assert len(text.splitlines()) == len(fields)
    assert fields["CYLC_WORKFLOW_PID"] == str(process.pid)
    assert fields["CYLC_WORKFLOW_COMMAND"] == " ".join(psutil.Process(process.pid).cmdline())
    assert fields["CYLC_WORKFLOW_OWNER"] == psutil.Process(process.pid).username()
    assert fields["CYLC_WORKFLOW_ID"] == WORKFLOW
    assert fields["CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST"] == str(home.service.parent)
    assert fields["CYLC_WORKFLOW_PORT"] != fields["CYLC_WORKFLOW_PUBLISH_PORT"]
    assert mode(home.contact) == 0o644
    for name in ("server.key_secret", "client.key_secret"):
        assert mode(home.service / name) == 0o600
        pair = _keys.parse_pair((home.service / name).read_bytes())
        assert zmq.curve_public(pair.secret) == pair.public
    assert not mode(home.service) & 0o022
    for path in home.service.rglob("*"):
        assert not path.name.endswith(str(process.pid)), "a temporary file was left"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_clean_stop(
    home: Home, serve: Serve, context: zmq.Context[Any], number: signal.Signals
) -> None:
    process = serve()
    fields = home.fields()
    subscriber = home.socket(zmq.SUB, context, _contact.PUBLISH_PORT)
    subscriber.subscribe(b"")
    monitor = subscriber.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    assert monitor.poll(WAIT * 1000)
    time.sleep(0.2)  # the subscription follows the handshake, and nothing acknowledges it
    process.send_signal(number)
    last = [b""]
    while last[0] != b"shutdown":  # on a busy machine, what is published at first comes as well
        assert subscriber.poll(WAIT * 1000)
        last = subscriber.recv_multipart()
    assert last == [b"shutdown", b"REQUEST(NOW)"]
    assert process.wait(WAIT) == 0
    assert not home.contact.exists()
    assert [path.name for path in home.service.rglob("*") if path.is_file()] == ["uuid"]
    for port in (fields["CYLC_WORKFLOW_PORT"], fields["CYLC_WORKFLOW_PUBLISH_PORT"]):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), 1)


def test_a_signal_just_after_a_request(serve: Serve, ping: Ping) -> None:
    """The server is on its way back to waiting, and has to see the signal nevertheless."""
    for _ in range(8):
        process = serve()
        assert ping()
        process.terminate()
        assert process.wait(WAIT) == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart(home: Home, serve: Serve, ping: Ping, end: signal.Signals) -> None:
    first = serve()
    before = home.fields()
    keys = _keys.parse_pair((home.service / "client.key_secret").read_bytes())
    first.send_signal(end)
    first.wait(WAIT)
    assert home.contact.exists() == (end == signal.SIGKILL)
    serve()
    after = home.fields()
    assert after["CYLC_WORKFLOW_UUID"] == before["CYLC_WORKFLOW_UUID"]
    assert after["CYLC_WORKFLOW_PID"] != before["CYLC_WORKFLOW_PID"]
    assert _keys.parse_pair((home.service / "client.key_secret").read_bytes()) != keys
    assert len(list((home.service / "client_public_keys").iterdir())) == 1
    assert ping()


@pytest.mark.parametrize("contact", [b"", b"garbage\n", b"\xff\xfe", b"CYLC_WORKFLOW_PID=x\n"])
def test_a_start_over_garbage(home: Home, serve: Serve, ping: Ping, contact: bytes) -> None:
    home.service.mkdir(parents=True)
    for name in ("contact", "server.key", "server.key_secret", "client.key_secret", "uuid"):
        (home.service / name).write_bytes(contact)
        (home.service / name).chmod(0o666)
    (home.service / "client_public_keys").mkdir()
    (home.service / "client_public_keys" / "old.key").write_bytes(contact)
    serve()
    assert ping()
    assert re.fullmatch("[0-9a-f-]{36}", home.fields()["CYLC_WORKFLOW_UUID"])
    assert mode(home.service / "server.key_secret") == 0o600


def test_a_second_server_is_refused(
    home: Home, serve: Serve, wri: Callable[..., Any], ping: Ping
) -> None:
    process = serve()
    files = {p: p.read_bytes() for p in home.service.rglob("*") if p.is_file()}
    result = wri("serve", WORKFLOW)
    assert result.returncode == 1
    assert result.stderr.startswith(b"StartError: another server is running in ")
    assert result.stderr.count(b"\n") == 1
    assert {p: p.read_bytes() for p in home.service.rglob("*") if p.is_file()} == files
    assert process.poll() is None
    assert ping()


def _write_contact_of(home: Home, process: psutil.Process, **changes: str) -> bytes:
    home.service.mkdir(parents=True)
    fields = {
        "CYLC_WORKFLOW_HOST": "localhost",
        "CYLC_WORKFLOW_PID": str(process.pid),
        "CYLC_WORKFLOW_COMMAND": " ".join(process.cmdline()),
    }
    text = _contact.format_contact(fields | changes)
    home.contact.write_bytes(text)
    return text


def test_the_server_of_another_implementation_is_left_alone(
    home: Home, wri: Callable[..., Any]
) -> None:
    text = _write_contact_of(home, psutil.Process())
    result = wri("serve", WORKFLOW)
    assert result.returncode == 1
    assert f"process {os.getpid()} on localhost".encode() in result.stderr
    assert home.contact.read_bytes() == text
    assert not (home.service / "server.key").exists()


def test_a_server_that_may_run_elsewhere_is_left_alone(home: Home, wri: Callable[..., Any]) -> None:
    text = _write_contact_of(home, psutil.Process(), CYLC_WORKFLOW_HOST="elsewhere.invalid")
    result = wri("serve", WORKFLOW)
    assert result.returncode == 1
    assert b"remove that file" in result.stderr
    assert home.contact.read_bytes() == text


def test_a_process_id_that_was_used_again(home: Home, serve: Serve, ping: Ping) -> None:
    _write_contact_of(home, psutil.Process(), CYLC_WORKFLOW_COMMAND="another program")
    serve()
    assert ping()


def test_a_contact_file_with_the_id_of_the_new_server_itself(home: Home) -> None:
    """As in a container, where each start has the same process id and command line."""
    _write_contact_of(home, psutil.Process())
    server = WorkflowRuntimeServer(WORKFLOW)
    server.stop("AUTOMATIC")
    server.start()
    assert not home.contact.exists()


def test_the_stop_of_a_server_whose_contact_file_was_replaced(home: Home, serve: Serve) -> None:
    process = serve()
    home.contact.write_text("of=somebody else\n")
    process.terminate()
    assert process.wait(WAIT) == 0
    assert home.contact.read_text() == "of=somebody else\n"


def test_ports_from_a_range(home: Home, serve: Serve, wri: Callable[..., Any]) -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        with contextlib.suppress(OSError):  # taken by somebody else: as good
            second.bind(("127.0.0.1", port + 1))
            second.listen()
        first.listen()
        result = wri("serve", WORKFLOW, "--port-range", f"{port}..{port + 1}")
    assert result.returncode == 1
    assert f"no port from {port} to {port + 1} is free".encode() in result.stderr
    assert not home.contact.exists()
    assert not (home.service / "server.key").exists()
    serve("--port-range", "20000..29999")
    assert 20000 <= int(home.fields()["CYLC_WORKFLOW_PORT"]) <= 29999


def test_a_server_in_a_thread(home: Home, ping: Ping) -> None:
    server = WorkflowRuntimeServer(WORKFLOW)
    barrier = threading.Barrier(2)
    thread = threading.Thread(target=server.start, args=(barrier,), daemon=True)
    thread.start()
    barrier.wait(WAIT)
    assert home.contact.exists()
    assert ping()
    second = WorkflowRuntimeServer(WORKFLOW)
    aborted = threading.Barrier(2)
    with pytest.raises(StartError, match="another server"):
        second.start(aborted)
    assert aborted.broken
    assert ping()
    began = time.monotonic()
    server.stop("REQUEST(CLEAN)")
    thread.join(WAIT)
    assert not thread.is_alive()
    assert time.monotonic() - began < 2
    assert not home.contact.exists()


def test_publications(home: Home, context: zmq.Context[Any], eventually: Eventually) -> None:
    server = WorkflowRuntimeServer(WORKFLOW)
    barrier = threading.Barrier(2)
    thread = threading.Thread(target=server.start, args=(barrier,), daemon=True)
    thread.start()
    barrier.wait(WAIT)
    subscriber = home.socket(zmq.SUB, context, _contact.PUBLISH_PORT)
    subscriber.subscribe(b"task")
    subscriber.subscribe(b"shutdown")

    def subscribed() -> bool:
        server.publish("task", b"probe")
        return bool(subscriber.poll(50))

    eventually(subscribed)
    server.publish("other", b"1")
    server.publish("tasks", b"2")
    server.stop("AUTOMATIC")
    server.stop("a later reason")
    thread.join(WAIT)
    received: list[Any] = []
    while not received or received[-1][0] != b"shutdown":
        assert subscriber.poll(WAIT * 1000)
        received.append(subscriber.recv_multipart())
    assert [frames for frames in received if frames != [b"task", b"probe"]] == [
        [b"tasks", b"2"],
        [b"shutdown", b"AUTOMATIC"],
    ]
    assert not subscriber.poll(200)


def test_the_process_needs_no_event_loop(home: Home) -> None:
    """A start is fast because it imports little."""
    script = (
        "import sys, wri_reference.server; print('asyncio' in sys.modules, 'rich' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=WAIT
    )
    assert result.stdout.split() == ["False", "False"]


# -- framing ----------------------------------------------------------------------------------


def test_envelopes_come_back_unchanged(home: Home, serve: Serve, context: zmq.Context[Any]) -> None:
    serve()
    peer = home.socket(zmq.DEALER, context)
    for envelope in ([], [b"\0\1\2\3"], [b"a", b"\xff" * 300, b"c"]):
        peer.send_multipart([*envelope, b"", PING])
        assert peer.poll(WAIT * 1000)
        frames = peer.recv_multipart()
        assert frames[:-1] == [*envelope, b""]
        assert json.loads(frames[-1])["data"] is True


def test_a_message_without_delimiter_is_discarded(
    home: Home, serve: Serve, context: zmq.Context[Any]
) -> None:
    serve()
    peer = home.socket(zmq.DEALER, context)
    peer.send(PING)
    peer.send_multipart([b"id", PING])
    peer.send_multipart([b"next", b"", PING])
    assert peer.poll(WAIT * 1000)
    assert peer.recv_multipart()[0] == b"next"
    assert not peer.poll(200)


def test_a_burst_is_answered_in_order(home: Home, serve: Serve, context: zmq.Context[Any]) -> None:
    serve()
    peer = home.socket(zmq.DEALER, context)
    expected = [str(number).encode() for number in range(2000)]
    for number in expected:
        peer.send_multipart([number, b"", PING])
    received: list[Any] = []
    while len(received) < len(expected):
        assert peer.poll(WAIT * 1000)
        received.append(peer.recv_multipart()[0])
    assert received == expected


@pytest.mark.parametrize(
    "body",
    [
        [b""],
        [b"\xff"],
        [b"[]"],
        [b"null"],
        [b'{"command": [], "args": {}}'],
        [b'{"command": "operate", "args": {}}'],
        [b'{"command": "stop", "args": {"reason": "x"}}'],
        [b'{"command": "__reduce__", "args": {}}'],
        [b'{"command": "api", "args": [], "meta": {}}'],
        [API, b""],
        [API, b"", b"x"],
        [b'{"command": "api", "args": ' + b"[" * 100_000],
    ],
)
def test_bad_bodies_are_answered_with_an_error(
    home: Home, context: zmq.Context[Any], running: None, body: list[bytes]
) -> None:
    peer = home.socket(zmq.REQ, context)
    assert set(ask(peer, *body)) == {"error", "cylc_version"}
    assert ask(peer, PING)["data"] is True


@pytest.fixture
def running(serve: Serve) -> None:
    serve()


# -- admission --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [_contact.PORT, _contact.PUBLISH_PORT])
@pytest.mark.parametrize("case", ["unknown key", "stolen public key", "wrong server key", "NULL"])
def test_a_stranger_is_refused(
    home: Home, serve: Serve, context: zmq.Context[Any], ping: Ping, case: str, key: str
) -> None:
    serve()
    kind = zmq.REQ if key == _contact.PORT else zmq.SUB
    peer = context.socket(kind)
    public, secret = zmq.curve_keypair()
    client = _keys.parse_pair((home.service / "client.key_secret").read_bytes())
    server_key = _keys.parse_public((home.service / "server.key").read_bytes())
    if case != "NULL":
        peer.curve_serverkey = public if case == "wrong server key" else server_key
        peer.curve_publickey = public if case == "unknown key" else client.public
        peer.curve_secretkey = client.secret if case == "wrong server key" else secret
    monitor = peer.get_monitor_socket(
        zmq.EVENT_HANDSHAKE_SUCCEEDED
        | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    )
    peer.connect(f"tcp://127.0.0.1:{home.fields()[key]}")
    if kind == zmq.REQ:
        peer.send(PING)
    else:
        peer.subscribe(b"")
    assert monitor.poll(WAIT * 1000)
    event = int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder)
    assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED
    if case == "unknown key":
        assert event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert not peer.poll(300)
    assert ping()


def test_the_keys_of_an_earlier_run_are_refused(
    home: Home, serve: Serve, context: zmq.Context[Any]
) -> None:
    first = serve()
    old = _keys.parse_pair((home.service / "client.key_secret").read_bytes())
    first.kill()
    first.wait(WAIT)
    serve()
    peer = context.socket(zmq.REQ)
    peer.curve_serverkey = _keys.parse_public((home.service / "server.key").read_bytes())
    peer.curve_publickey, peer.curve_secretkey = old
    monitor = peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    peer.connect(f"tcp://127.0.0.1:{home.fields()[_contact.PORT]}")
    assert monitor.poll(WAIT * 1000)


# -- limits -----------------------------------------------------------------------------------


def test_long_messages(home: Home, serve: Serve, context: zmq.Context[Any], ping: Ping) -> None:
    serve()
    peer = home.socket(zmq.REQ, context)
    valid = json.dumps({"command": "ping_workflow", "args": {"x": "y" * (1 << 20)}}).encode()
    assert ask(peer, valid)["data"] is True
    peer.send(b"[" * (50 << 20))
    waits = []
    while not peer.poll(0):
        began = time.monotonic()
        assert ping()
        waits.append(time.monotonic() - began)
    assert max(waits, default=0) < 5
    frame = peer.recv()
    assert b"52428800 bytes" in frame
    assert len(frame) < 1000


def test_a_client_that_never_reads(
    home: Home, serve: Serve, context: zmq.Context[Any], ping: Ping
) -> None:
    process = serve()
    peer = home.socket(zmq.DEALER, context)
    peer.setsockopt(zmq.SNDHWM, 0)
    for _ in range(50_000):
        peer.send_multipart([b"", API])
    for _ in range(5):
        began = time.monotonic()
        assert ping()
        assert time.monotonic() - began < 5
    process.terminate()
    assert process.wait(WAIT) == 0


def test_bytes_that_are_not_zmtp(home: Home, serve: Serve, ping: Ping) -> None:
    serve()
    with contextlib.ExitStack() as stack:
        for key in (_contact.PORT, _contact.PUBLISH_PORT):
            for start in (b"", b"\xff", b"\xff" + b"\0" * 8 + b"\x7f\3", b"GET / HTTP/1.1\r\n\r\n"):
                for _ in range(10):
                    connection = socket.create_connection(("127.0.0.1", int(home.fields()[key])))
                    stack.enter_context(connection)
                    connection.sendall(start + os.urandom(200) * bool(start))
        assert ping()
    assert ping()


def test_many_clients_at_the_same_time(home: Home, serve: Serve, context: zmq.Context[Any]) -> None:
    serve()
    peers = [home.socket(zmq.REQ, context) for _ in range(100)]
    for peer in peers:
        peer.send(API)
    for peer in peers:
        assert peer.poll(5000)
        assert json.loads(peer.recv())["data"] == ENDPOINTS


def test_suspended_and_continued(home: Home, serve: Serve, context: zmq.Context[Any]) -> None:
    process = serve()
    patient, hasty = (home.socket(zmq.REQ, context) for _ in range(2))
    assert ask(patient, PING)["data"] is True
    assert ask(hasty, PING)["data"] is True
    process.send_signal(signal.SIGSTOP)
    patient.send(PING)
    hasty.send(PING)
    assert not patient.poll(300)
    hasty.close(linger=0)
    process.send_signal(signal.SIGCONT)
    assert patient.poll(WAIT * 1000)
    assert json.loads(patient.recv())["data"] is True
    assert WorkflowRuntimeClient(WORKFLOW)("ping_workflow") is True
