"""The subscriber and `wri subscribe`, against the reference server and scripted publishers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from tests.reference.conftest import WAIT, WORKFLOW, Home
from tests.reference.test_commands import assert_failed
from tests.reference.test_store import FOO, W, example
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import (
    ClientError,
    HandshakeRefused,
    ReplyError,
    WorkflowMoved,
    WorkflowRuntimeServer,
    WorkflowStopped,
    WorkflowSubscriber,
    _contact,
    _keys,
    _process,
    expose,
    subscriber,
)
from wri_reference._follow import Follower
from wri_reference._store import Batch, DataStore, publications

Wri = Callable[..., subprocess.CompletedProcess[bytes]]


class Publisher(WorkflowRuntimeServer):
    """A server with a data store that a test changes, and that alone is published."""

    def __init__(self) -> None:
        super().__init__(WORKFLOW)
        self.store = DataStore()
        self.store.commit(example(), 1.0)
        self.empty = 0

    @expose
    def pb_entire_workflow(self) -> bytes:
        """Return everything."""
        if self.empty:
            self.empty -= 1
            return b""
        return self.store.snapshot_bytes()

    def receiver(self, body: list[bytes]) -> bytes:
        if b"pb_entire_workflow" in body[0]:
            return self.pb_entire_workflow()
        return super().receiver(body)

    def _tick(self) -> None:
        for _ in self._scheduler.tick(time.time()):
            pass

    def change(self, state: str, now: float) -> None:
        batch = Batch()
        batch.update(pb.PbTaskProxy(id=FOO, state=state))
        deltas = self.store.commit(batch, now)
        assert deltas is not None
        for topic, payload in publications(deltas):
            self.publish(topic.decode(), payload)


@pytest.fixture
def publisher(home: Home) -> Iterator[Publisher]:
    server = Publisher()
    ready = threading.Barrier(2)
    thread = threading.Thread(target=server.start, args=(ready,))
    thread.start()
    ready.wait(WAIT)
    yield server
    server.stop()
    thread.join(WAIT)


class Scripted:
    """A PUB socket with the files of a server, admitting nobody if told so."""

    def __init__(self, home: Home, context: zmq.Context[Any], *, admit: bool = True) -> None:
        server, client = (_keys.KeyPair(*zmq.curve_keypair()) for _ in range(2))
        home.service.mkdir(parents=True, exist_ok=True)
        (home.service / "server.key").write_bytes(_keys.format_public(server))
        (home.service / "client.key_secret").write_bytes(_keys.format_secret(client))
        if not admit:
            self.zap = context.socket(zmq.REP)
            self.zap.bind("inproc://zeromq.zap.01")
        self.socket = context.socket(zmq.XPUB)
        self.socket.curve_server = True
        self.socket.curve_publickey, self.socket.curve_secretkey = server
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.fields = {
            _contact.HOST: "localhost",
            _contact.PORT: "1",
            _contact.PUBLISH_PORT: str(port),
            _contact.PID: str(os.getpid()),
            _contact.COMMAND: _process.command_line(),
        }
        self.home = home
        self.write_contact()

    def write_contact(self, **changes: str) -> None:
        fields = self.fields | changes
        self.home.contact.write_text("".join(f"{key}={fields[key]}\n" for key in fields))

    def wait_for_subscriber(self) -> None:
        assert self.socket.poll(WAIT * 1000)
        self.socket.recv()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENCE", 0.05)


def first(one: WorkflowSubscriber, publish: Callable[[], None]) -> Any:
    """Publish until the subscription has arrived."""
    deadline = time.monotonic() + WAIT
    while (publication := one.receive(0.05)) is None:
        assert time.monotonic() < deadline
        publish()
    return publication


# -- the class ------------------------------------------------------------------------------


def test_publications_up_to_the_end(publisher: Publisher) -> None:
    with WorkflowSubscriber(WORKFLOW, topics=(b"x", b"shutdown")) as one:
        assert (one.host, one.port) == ("localhost", publisher.publish_port)
        assert first(one, lambda: publisher.publish("x", b"0")) == (b"x", b"0")
        publisher.publish("xy", b"begins alike")
        publisher.publish("x", b"1")
        publisher.stop("AUTOMATIC")
        received = [publication for publication in one if publication.payload != b"0"]
    assert received == [(b"x", b"1"), (b"shutdown", b"AUTOMATIC")]


def test_following(publisher: Publisher) -> None:
    follower = Follower()
    with WorkflowSubscriber(WORKFLOW) as one:
        first(one, lambda: publisher.change("submitted", time.time()))
        follower.load(publisher.store.snapshot_bytes())
        publisher.change("running", time.time())
        publisher.stop()
        for publication in one:
            follower.feed(*publication)
    assert (follower.trouble, follower.stopped) == (None, "REQUEST(NOW)")
    assert follower.store.elements["task_proxies"][FOO].state == "running"


def test_a_workflow_that_is_not_running(home: Home) -> None:
    with pytest.raises(WorkflowStopped):
        WorkflowSubscriber(WORKFLOW)
    with pytest.raises(ClientError, match="is not a workflow id"):
        WorkflowSubscriber("a//b")


def test_silence_is_no_reason(home: Home, context: zmq.Context[Any], impatient: None) -> None:
    scripted = Scripted(home, context)
    with WorkflowSubscriber(WORKFLOW) as one:
        began = time.monotonic()
        assert one.receive(0.3) is None
        assert time.monotonic() - began >= 0.3
    scripted.socket.close()


def test_a_server_that_left(home: Home, context: zmq.Context[Any], impatient: None) -> None:
    scripted = Scripted(home, context)
    with WorkflowSubscriber(WORKFLOW) as one:
        scripted.write_contact(**{_contact.COMMAND: "another"})
        with pytest.raises(WorkflowStopped, match="is gone"):
            next(iter(one))
        scripted.write_contact(**{_contact.PUBLISH_PORT: "2"})
        with pytest.raises(WorkflowMoved, match="moved to localhost:2"):
            one.receive()
        home.contact.unlink()
        with pytest.raises(WorkflowStopped, match="there is no"):
            one.receive()


def test_an_address_that_is_given(home: Home, context: zmq.Context[Any], impatient: None) -> None:
    scripted = Scripted(home, context)
    home.contact.unlink()
    port = scripted.fields[_contact.PUBLISH_PORT]
    with WorkflowSubscriber(WORKFLOW, "127.0.0.1", port) as one:
        assert one.receive(0.3) is None
        assert first(one, lambda: scripted.socket.send_multipart([b"all", b""])) == (b"all", b"")


def test_a_lost_connection(home: Home, context: zmq.Context[Any]) -> None:
    scripted = Scripted(home, context)
    with WorkflowSubscriber(WORKFLOW) as one:
        scripted.wait_for_subscriber()
        scripted.socket.send_multipart([b"all", b"last"])
        time.sleep(0.1)
        scripted.socket.close(linger=1000)
        assert one.receive(WAIT) == (b"all", b"last")
        with pytest.raises(ClientError, match="the connection was lost"):
            one.receive(WAIT)


def test_a_refused_handshake(home: Home, context: zmq.Context[Any]) -> None:
    scripted = Scripted(home, context, admit=False)

    def refuse() -> None:
        assert scripted.zap.poll(WAIT * 1000)
        scripted.zap.send_multipart(_keys.authenticate(scripted.zap.recv_multipart(), ()))

    thread = threading.Thread(target=refuse)
    thread.start()
    with WorkflowSubscriber(WORKFLOW) as one, pytest.raises(HandshakeRefused, match="not admit"):
        one.receive(WAIT)
    thread.join(WAIT)


def test_another_key(home: Home, context: zmq.Context[Any]) -> None:
    scripted = Scripted(home, context)
    public = home.path / "other.key"
    public.write_bytes(_keys.format_public(_keys.KeyPair(*zmq.curve_keypair())))
    with (
        WorkflowSubscriber(WORKFLOW, srv_public_key_loc=public) as one,
        pytest.raises(HandshakeRefused, match="has other keys"),
    ):
        one.receive(WAIT)
    scripted.socket.close()


def test_a_message_of_three_frames(home: Home, context: zmq.Context[Any]) -> None:
    scripted = Scripted(home, context)
    with WorkflowSubscriber(WORKFLOW) as one:
        scripted.wait_for_subscriber()
        scripted.socket.send_multipart([b"all", b"", b""])
        with pytest.raises(ReplyError, match="3 frames"):
            one.receive(WAIT)


# -- the command ----------------------------------------------------------------------------


@pytest.fixture
def subscribe(home: Home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wri", "subscribe", WORKFLOW, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=WAIT)


def publish_until(process: subprocess.Popen[str], publish: Callable[[], None]) -> str:
    """Return the first line that the command prints."""
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.append(process.stdout.readline())

    reader = threading.Thread(target=read)
    reader.start()
    while reader.is_alive():
        publish()
        reader.join(0.1)
    return lines[0]


def test_the_command(publisher: Publisher, subscribe: Any) -> None:
    process = subscribe()
    line = json.loads(publish_until(process, lambda: publisher.change("running", 2.0)))
    assert (line["topic"], line["time"]) == ("all", 2.0)
    assert line["delta"]["taskProxies"]["updated"] == [
        {"id": FOO, "stamp": f"{FOO}@2.0", "state": "running"}
    ]
    publisher.stop("REQUEST(CLEAN)")
    output, errors = process.communicate(timeout=WAIT)
    last = json.loads(output.splitlines()[-1])
    assert last == {"topic": "shutdown", "text": "REQUEST(CLEAN)"}
    assert (process.returncode, errors) == (0, "")


def test_topics_and_a_count(publisher: Publisher, subscribe: Any) -> None:
    process = subscribe("--topics", "task_proxies, workflow", "--count", "2")
    line = json.loads(publish_until(process, lambda: publisher.change("failed", 2.0)))
    assert line["topic"] in {"task_proxies", "workflow"}
    # Not communicate(), which does not see what readline() has read ahead.
    assert len(process.stdout.readlines()) == 1
    assert process.wait(WAIT) == 0


def test_once(publisher: Publisher, subscribe: Any) -> None:
    process = subscribe("--once", "--topics", "free")
    line = json.loads(publish_until(process, lambda: publisher.publish("free", "é".encode())))
    assert line == {"topic": "free", "text": "é"}
    assert process.wait(WAIT) == 0


def test_a_snapshot(publisher: Publisher, subscribe: Any) -> None:
    publisher.empty = 2
    process = subscribe("--snapshot")
    first_line = json.loads(process.stdout.readline())
    assert first_line["time"] == 1.0
    assert first_line["snapshot"]["workflow"]["id"] == W
    publisher.change("running", 2.0)
    assert json.loads(process.stdout.readline())["topic"] == "all"
    batch = Batch()
    batch.add(pb.PbTaskProxy(id="~me/w//2/foo"))
    publisher.store.commit(batch, 3.0)  # and nobody hears of it
    publisher.change("failed", 4.0)
    assert json.loads(process.stdout.readline())["topic"] == "all"
    again = json.loads(process.stdout.readline())
    assert again["time"] == 4.0
    assert len(again["snapshot"]["taskProxies"]) == 3
    publisher.stop()
    assert process.wait(WAIT) == 0


def test_what_can_go_wrong(publisher: Publisher, wri: Wri, subscribe: Any) -> None:
    result = wri("subscribe", WORKFLOW, "--timeout", "0.2")
    assert_failed(result, 1, "ClientTimeout: my-workflow published nothing in time")
    process = subscribe()

    def publish() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        publisher.publish("all", b"\xff")

    publish_until(process, publish)
    _, errors = process.communicate(timeout=WAIT)
    assert errors == "ReplyError: the payload of the topic 'all' is no change\n"
    assert process.returncode == 1


def test_an_interrupt(publisher: Publisher, subscribe: Any) -> None:
    process = subscribe()
    publish_until(process, lambda: publisher.change("running", 2.0))
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) == 2


def test_nothing_to_subscribe_to(home: Home, wri: Wri) -> None:
    assert_failed(wri("subscribe", WORKFLOW), 1, "WorkflowStopped: my-workflow is not running")


@pytest.mark.parametrize(
    "args",
    [
        [],
        [WORKFLOW, "--topics", ""],
        [WORKFLOW, "--topics", "a,,b"],
        [WORKFLOW, "--count", "0"],
        [WORKFLOW, "--count", "x"],
        [WORKFLOW, "--once", "--count", "2"],
    ],
)
def test_bad_usage(wri: Wri, args: list[str]) -> None:
    result = wri("subscribe", *args)
    assert result.returncode == 4
    assert result.stderr.startswith(b"usage: wri subscribe")
