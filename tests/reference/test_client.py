"""What the client makes of each outcome (chapter 11)."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from tests.reference.conftest import WAIT, WORKFLOW, Home, Peer
from wri_reference import (
    ClientError,
    ClientTimeout,
    HandshakeRefused,
    ReplyError,
    RequestError,
    WorkflowMoved,
    WorkflowRuntimeClient,
    WorkflowStopped,
    _keys,
)

StartPeer = Callable[..., Peer]

SHORT = 0.3
"""A time-out that is meant to pass."""


def says(*frames: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda _: list(frames)


def silence(_: list[bytes]) -> None:
    return None


def echo(body: list[bytes]) -> list[bytes]:
    return [json.dumps({"data": json.loads(body[0])}).encode()]


def client(**options: Any) -> WorkflowRuntimeClient:
    return WorkflowRuntimeClient(WORKFLOW, **({"timeout": WAIT} | options))


@pytest.mark.parametrize("data", [None, False, 0, "", [], {}, {"a": [1, "é", None]}])
def test_data_is_returned_unchanged(peer: StartPeer, data: Any) -> None:
    peer(says(json.dumps({"more": 1, "data": data}).encode()))
    result = client()("api")
    assert result == data
    assert type(result) is type(data)


def test_an_error_is_reported_with_its_message(peer: StartPeer) -> None:
    peer(says(b'{"error": {"message": "no such thing"}, "cylc_version": "8.5.4"}'))
    with pytest.raises(RequestError, match=r"^no such thing$"):
        client()("api")


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([b""], "not JSON"),
        ([b"\xff"], "not UTF-8"),
        ([b"[]"], "an array instead of an object"),
        ([b"{}"], "neither 'data' nor 'error'"),
        ([b'{"data": 1, "error": {"message": "x"}}'], "both"),
        ([b'{"error": {}}'], "without a message"),
        ([b'{"data": 1}', b""], "2 frames"),
    ],
)
def test_a_reply_that_is_no_response_is_reported(
    peer: StartPeer, frames: list[bytes], complaint: str
) -> None:
    peer(says(*frames))
    with pytest.raises(ReplyError, match=complaint) as raised:
        client()("api")
    assert isinstance(raised.value, ClientError)


@pytest.mark.parametrize("payload", [b"", b"\x0a\x03abc", b"\xff", b'{"data": 1}'])
def test_raw_replies(peer: StartPeer, payload: bytes) -> None:
    peer(says(payload))
    assert client()("pb_anything") == payload


def test_an_error_in_place_of_a_raw_reply(peer: StartPeer) -> None:
    peer(says(b'{"error": {"message": "no"}, "cylc_version": "8.5.4"}'))
    with pytest.raises(RequestError, match=r"^no$"):
        client()("pb_anything")


def test_what_is_sent(peer: StartPeer) -> None:
    one = peer(echo)
    meta = {"prog": one.home.path.name, "more": True}
    sent = client()("api", {"endpoint": "é"}, req_meta=meta)
    assert sent["command"] == "api"
    assert sent["args"] == {"endpoint": "é"}
    assert sent["meta"]["prog"] == one.home.path.name
    assert sent["meta"]["more"] is True
    assert sent["meta"]["comms_method"] == "zmq"
    assert client()("api", None)["args"] == {}
    assert client().header["meta"].keys() == {"prog", "host", "comms_method"}
    secret = _keys.parse_pair((one.home.service / "client.key_secret").read_bytes()).secret
    assert all(secret not in frame for body in one.bodies for frame in body)


@pytest.mark.parametrize("args", [[1], "x", 1, {"x": float("nan")}, {"x": "\ud800"}, {1: 2}])
def test_what_is_no_request_is_not_sent(peer: StartPeer, args: Any) -> None:
    one = peer(echo)
    with pytest.raises(ClientError, match="cannot be asked"):
        client()("api", args)
    assert one.bodies == []


# -- time-outs --------------------------------------------------------------------------------


def test_silence_of_a_living_server(peer: StartPeer) -> None:
    one = peer(silence)
    began = time.monotonic()
    with pytest.raises(ClientTimeout, match=f"my-workflow at localhost:{one.port}"):
        client(timeout=SHORT)("api")
    assert SHORT <= time.monotonic() - began < 5
    assert one.home.contact.exists()


def test_a_time_out_for_one_request(peer: StartPeer) -> None:
    peer(silence)
    with pytest.raises(ClientTimeout):
        client()("api", timeout=SHORT)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "abc"])
def test_a_time_out_is_positive(peer: StartPeer, timeout: Any) -> None:
    peer(echo)
    with pytest.raises(ValueError, match=r"seconds|could not convert"):
        client(timeout=timeout)
    with pytest.raises(ValueError, match=r"seconds|could not convert"):
        client()("api", timeout=timeout)


def test_the_time_out_is_five_seconds(peer: StartPeer) -> None:
    peer(silence)
    assert WorkflowRuntimeClient(WORKFLOW).timeout == 5


def test_a_late_reply_is_never_that_to_the_next_request(peer: StartPeer) -> None:
    def late(body: list[bytes]) -> list[bytes]:
        if b'"first"' in body[0]:
            time.sleep(2 * SHORT)
        return echo(body)

    one = peer(late)
    reused = client(timeout=SHORT)
    with pytest.raises(ClientTimeout):
        reused("first")
    assert reused("second", timeout=WAIT)["command"] == "second"
    assert reused("third", timeout=WAIT)["command"] == "third"
    assert [json.loads(body[0])["command"] for body in one.bodies] == ["first", "second", "third"]


def test_stopped_while_waiting(peer: StartPeer) -> None:
    def stop(_: list[bytes]) -> None:
        one.home.contact.unlink()

    one = peer(stop)
    with pytest.raises(WorkflowStopped, match="there is no "):
        client(timeout=SHORT)("api")


def test_moved_while_waiting(peer: StartPeer) -> None:
    def move(_: list[bytes]) -> None:
        one.write_contact(CYLC_WORKFLOW_HOST="elsewhere")

    one = peer(move)
    with pytest.raises(WorkflowMoved, match=f"moved to elsewhere:{one.port}"):
        client(timeout=SHORT)("api")


def test_broken_while_waiting(peer: StartPeer) -> None:
    def damage(_: list[bytes]) -> None:
        one.home.contact.write_text("nonsense\n")

    one = peer(damage)
    with pytest.raises(ClientError, match="nonsense"):
        client(timeout=SHORT)("api")


def test_a_process_that_is_gone(peer: StartPeer) -> None:
    one = peer(silence)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(WAIT)
    one.write_contact(CYLC_WORKFLOW_PID=str(gone.pid))
    with pytest.raises(WorkflowStopped, match=f"process {gone.pid} on localhost is gone"):
        client(timeout=SHORT)("api")
    assert one.home.contact.exists()


def test_a_process_that_nobody_has_waited_for(peer: StartPeer, eventually: Any) -> None:
    one = peer(silence)
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    eventually(lambda: "Z" in open(f"/proc/{zombie.pid}/stat").read().split()[2])  # noqa: PTH123, SIM115
    one.write_contact(CYLC_WORKFLOW_PID=str(zombie.pid))
    with pytest.raises(WorkflowStopped):
        client(timeout=SHORT)("api")
    zombie.wait(WAIT)


def test_a_process_id_that_was_used_again(peer: StartPeer) -> None:
    peer(silence).write_contact(CYLC_WORKFLOW_COMMAND="another program")
    with pytest.raises(WorkflowStopped):
        client(timeout=SHORT)("api")


@pytest.mark.parametrize(
    "changes",
    [
        {"CYLC_WORKFLOW_HOST": "127.0.0.1", "CYLC_WORKFLOW_PID": ""},
        {"CYLC_WORKFLOW_COMMAND": ""},
        {"CYLC_WORKFLOW_PID": "x"},
    ],
)
def test_no_proof_of_death(peer: StartPeer, changes: dict[str, str]) -> None:
    peer(silence).write_contact(**changes)
    with pytest.raises(ClientTimeout):
        client(timeout=SHORT)("api")


def test_death_on_another_host_cannot_be_proved(peer: StartPeer) -> None:
    one = peer(silence)
    one.write_contact(
        CYLC_WORKFLOW_HOST="elsewhere.invalid", CYLC_WORKFLOW_COMMAND="another program"
    )
    with pytest.raises(ClientTimeout):
        WorkflowRuntimeClient(WORKFLOW, timeout=SHORT)("api")


# -- contact file and keys --------------------------------------------------------------------


def test_no_contact_file(home: Home) -> None:
    began = time.monotonic()
    with pytest.raises(WorkflowStopped, match=str(home.contact)):
        WorkflowRuntimeClient(WORKFLOW)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"nonsense\n", b"CYLC_WORKFLOW_HOST=x\n", b"CYLC_WORKFLOW_PORT=1\n"],
)
def test_a_contact_file_that_makes_no_sense(home: Home, text: bytes) -> None:
    home.service.mkdir(parents=True)
    home.contact.write_bytes(text)
    with pytest.raises(ClientError, match=str(home.contact)):
        WorkflowRuntimeClient(WORKFLOW)


def test_a_workflow_id_that_is_none(home: Home) -> None:
    with pytest.raises(ClientError, match=r"'\.\./x' is not a workflow id"):
        WorkflowRuntimeClient("../x")


@pytest.mark.parametrize("name", ["server.key", "client.key_secret"])
@pytest.mark.parametrize("text", [None, b"", b"\xff", b'curve\n public-key = "x"\n'])
def test_a_key_file_that_cannot_be_used(peer: StartPeer, name: str, text: bytes | None) -> None:
    one = peer(echo)
    path = one.home.service / name
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text)
    with pytest.raises(ClientError, match=str(path)):
        client()("api")
    assert one.bodies == []


def test_the_key_of_the_server_from_elsewhere(peer: StartPeer) -> None:
    one = peer(echo)
    elsewhere = one.home.path / "x.key"
    (one.home.service / "server.key").rename(elsewhere)
    assert client(srv_public_key_loc=elsewhere)("api")["command"] == "api"


def test_an_address_without_contact_file(peer: StartPeer) -> None:
    one = peer(silence)
    one.home.contact.unlink()
    one.answer = echo
    explicit = client(host="127.0.0.1", port=one.port)
    assert (explicit.host, explicit.port) == ("127.0.0.1", one.port)
    assert explicit("api")["command"] == "api"
    one.answer = silence
    with pytest.raises(WorkflowStopped):
        explicit("api", timeout=SHORT)


def test_an_address_that_makes_no_sense(peer: StartPeer) -> None:
    peer(echo)
    with pytest.raises(ClientError, match="cannot connect to a b:70000"):
        client(host="a b", port=70000)("api")


def test_a_server_that_started_again_is_found(peer: StartPeer) -> None:
    first = peer(echo)
    one = client()
    assert one("api")["command"] == "api"
    first.close()
    second = peer(echo)
    assert one("api")["command"] == "api"
    assert one.port == second.port


def test_a_refused_key_is_reported_at_once(peer: StartPeer) -> None:
    one = peer(echo, admit=False)
    began = time.monotonic()
    with pytest.raises(HandshakeRefused, match="does not admit the key"):
        client()("api")
    assert time.monotonic() - began < WAIT / 2
    assert one.bodies == []


def test_another_server_key_is_reported_at_once(peer: StartPeer) -> None:
    one = peer(echo)
    other = _keys.KeyPair(*zmq.curve_keypair())
    (one.home.service / "server.key").write_bytes(_keys.format_public(other))
    with pytest.raises(HandshakeRefused, match="other keys"):
        client()("api")


def test_a_refusal_by_whoever_has_the_port_of_a_dead_server(peer: StartPeer) -> None:
    peer(echo, admit=False).write_contact(CYLC_WORKFLOW_COMMAND="another program")
    with pytest.raises(WorkflowStopped):
        client()("api")


# -- asynchronous use and the end of the process ----------------------------------------------


def test_the_event_loop_goes_on(peer: StartPeer) -> None:
    release = threading.Event()

    def wait(body: list[bytes]) -> list[bytes]:
        assert release.wait(WAIT)
        return echo(body)

    peer(wait)

    async def main() -> Any:
        task = asyncio.create_task(client().async_request("api"))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not task.done()
        release.set()
        return await task

    assert asyncio.run(main())["command"] == "api"


def test_requests_at_the_same_time_get_their_own_responses(peer: StartPeer) -> None:
    peer(echo)

    async def main() -> list[Any]:
        one = client()
        return await asyncio.gather(
            *(one.async_request("api", {"number": number}) for number in range(50))
        )

    assert [sent["args"]["number"] for sent in asyncio.run(main())] == list(range(50))


def test_asynchronous_outcomes(peer: StartPeer) -> None:
    one = peer(silence)

    async def ask() -> Any:
        return await client(timeout=SHORT).async_request("api")

    with pytest.raises(ClientTimeout):
        asyncio.run(ask())
    one.answer = says(b'{"error": {"message": "no"}}')
    with pytest.raises(RequestError, match="no"):
        asyncio.run(ask())
    one.answer = silence
    one.write_contact(CYLC_WORKFLOW_COMMAND="another program")
    with pytest.raises(WorkflowStopped):
        asyncio.run(ask())


def test_a_cancelled_request(peer: StartPeer) -> None:
    one = peer(silence)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client().async_request("api"), SHORT)
        one.answer = echo
        assert (await client().async_request("api"))["command"] == "api"

    asyncio.run(main())


def test_unanswered_requests_do_not_keep_the_process_alive(peer: StartPeer) -> None:
    peer(silence)
    script = (
        "import wri_reference as w\n"
        "try: w.WorkflowRuntimeClient('my-workflow', timeout=0.2)('api')\n"
        "except w.ClientTimeout: print('timeout')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        env=os.environ,
    )
    assert (result.stdout, result.returncode) == ("timeout\n", 0), result.stderr


def test_as_a_context_manager(peer: StartPeer) -> None:
    peer(echo)
    with client() as one:
        assert one("api")["command"] == "api"
