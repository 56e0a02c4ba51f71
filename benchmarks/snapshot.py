"""How long the snapshots of a large workflow take, against what they must take at least.

The ceiling of each: its message is serialised, and as many bytes make a round trip to another
process, with CURVE over loopback. Both are measured in turn, so that noise hits both.
"""

import argparse
import functools
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import zmq
from _served import WORKFLOW, Peer, Served, served, timed

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference._store import TOPICS
from wri_reference.client import WorkflowRuntimeClient

SAMPLES = 10


class Echo:
    """A process that answers every request with the same bytes, and does nothing else."""

    def __init__(self, payload: bytes) -> None:
        public, secret = zmq.curve_keypair()
        spawn = multiprocessing.get_context("spawn")
        mine, other = spawn.Pipe()
        self._process = spawn.Process(target=_echo, args=(other, public, secret), daemon=True)
        self._process.start()
        mine.send_bytes(payload)
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
        self._socket.setsockopt(zmq.CURVE_SERVERKEY, public)
        own_public, own_secret = zmq.curve_keypair()
        self._socket.setsockopt(zmq.CURVE_PUBLICKEY, own_public)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, own_secret)
        self._socket.connect(f"tcp://127.0.0.1:{mine.recv()}")

    def ask(self) -> bytes:
        """Make a round trip."""
        self._socket.send(b"?")
        return self._socket.recv()

    def close(self) -> None:
        """End the process."""
        self._socket.close(linger=0)
        self._process.terminate()
        self._process.join()


def _echo(pipe: Any, public: bytes, secret: bytes) -> None:
    payload = pipe.recv_bytes()
    socket = zmq.Context().socket(zmq.REP)
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = public, secret
    pipe.send(socket.bind_to_random_port("tcp://127.0.0.1"))
    while True:
        socket.recv()
        socket.send(payload, copy=False)


def compare(peer: Peer, name: str, kind: type[Any], repetitions: int, **args: str) -> None:
    """Print a line of the table: what a reply takes, and what it must take at least."""
    payload = peer.ask(name, **args)
    message = kind.FromString(payload)
    echo = Echo(payload)
    echo.ask()
    message.SerializeToString()
    asked, encoded, carried = [], [], []
    for _ in range(repetitions):
        asked.append(timed(peer.ask, name, **args)[0])
        encoded.append(timed(message.SerializeToString)[0])
        carried.append(timed(echo.ask)[0])
    echo.close()
    reply, bare, trip = map(statistics.median, (asked, encoded, carried))
    ratio = reply / (bare + trip)
    title = " ".join((name, *args.values()))
    print(
        f"{title:32} {len(payload) / 1e6:8.2f} {reply:8.4f} {bare:9.4f} {trip:10.4f} {ratio:6.2f}",
        flush=True,
    )


def watch(server: Served, title: str, requests: int, ask: Callable[[], Any]) -> None:
    """Print a line of the table: the memory of the server before and after many requests."""
    each = max(1, requests // SAMPLES)
    for _ in range(each):
        ask()
    begin = time.perf_counter()
    samples = [server.memory]
    for _ in range(SAMPLES):
        for _ in range(each):
            ask()
        samples.append(server.memory)
    count = each * SAMPLES
    slope, _ = statistics.linear_regression(range(0, count + 1, each), samples)
    rate = count / (time.perf_counter() - begin)
    print(
        f"{title:32} {count:8} {rate:8.0f} {samples[0]:8.1f} {samples[-1]:8.1f} "
        f"{slope * 1024:+10.4f}",
        flush=True,
    )


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--snapshots", type=int, default=100, help="requests, watching memory")
    parser.add_argument("--api", type=int, default=100_000, help="requests, watching memory")
    options = parser.parse_args()
    with served("--tasks", str(options.tasks), "--pause") as server:
        ready = time.monotonic() - server.started
        peer = Peer()
        snapshot = pb.PbEntireWorkflow.FromString(peer.ask("pb_entire_workflow"))
        print(
            f"{options.tasks} tasks: contact file after {ready:.1f} s, snapshot of "
            f"{len(snapshot.task_proxies)} task proxies after "
            f"{time.monotonic() - server.started:.1f} s, {server.cpu:.1f} s of CPU, "
            f"{server.memory:.0f} MiB ({server.peak:.0f} at most)"
        )
        del snapshot
        print(f"\n{'reply (medians, seconds)':32}       MB  request serialise round trip  ratio")
        compare(peer, "pb_entire_workflow", pb.PbEntireWorkflow, options.repetitions)
        for topic in TOPICS:
            kind = type(getattr(pb.AllDeltas(), topic))
            compare(peer, "pb_data_elements", kind, options.repetitions, element_type=topic)
        client = WorkflowRuntimeClient(WORKFLOW, timeout=60)
        title = "memory of the server (MiB)"
        print(f"\n{title:32} requests    per s   before    after KiB/request")
        for endpoint, requests in (
            ("pb_entire_workflow", options.snapshots),
            ("api", options.api),
        ):
            watch(server, endpoint, requests, functools.partial(peer.ask, endpoint))
        watch(server, "api, a connection each", options.api // 50, lambda: client("api"))


if __name__ == "__main__":
    main()
