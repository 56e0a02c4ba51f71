"""Runs one hostile server: `python serve.py --do NAME --seed NUMBER WORKFLOW`.

It writes a contact file and keys into `~/cylc-run/WORKFLOW/.service`, correct ones unless they are
what it is about, and then does what its name says. Nothing of it is random but for the seed.
"""

import argparse
import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import zmq

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the directory of this package

from hostile import bodies, files  # noqa: E402

BEHAVIOURS: dict[str, Callable[["Hostile"], None]] = {}
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE".ljust(22, b"\0") + b"\x01" + bytes(31)
_LIFE: Final = 600  # seconds after which it ends in any case


def behaviour(run: Callable[["Hostile"], None]) -> Callable[["Hostile"], None]:
    """List what a server can do, under its own name."""
    BEHAVIOURS[run.__name__.replace("_", "-")] = run
    return run


class Hostile:
    """A server that has bound its ports and not yet told anybody."""

    def __init__(self, workflow: str, seed: int, status: str = "running") -> None:
        self.chance = random.Random(seed)
        self.snapshot = bodies.snapshot(f"~u/{workflow}", status)
        self.service = Path.home() / "cylc-run" / workflow / ".service"
        self.context: zmq.Context[Any] = zmq.Context()
        self.server, self.client = zmq.curve_keypair(), zmq.curve_keypair()

    # -- files

    def write_keys(self) -> None:
        """Write all key files."""
        for name, text in {
            "server.key": files.certificate(self.server[0]),
            "server.key_secret": files.certificate(*self.server),
            "client.key_secret": files.certificate(*self.client),
            "client_public_keys/client_localhost.key": files.certificate(self.client[0]),
        }.items():
            path = self.service / name
            files.write(path, text)
            path.chmod(0o600)

    def fields(self, ports: tuple[int, int]) -> dict[str, str]:
        """Return the fields of a correct contact file."""
        return files.contact(self.service, ports, os.getpid())

    def tell(self, ports: tuple[int, int]) -> None:
        """Write correct keys and a correct contact file."""
        self.write_keys()
        files.write(self.service / "contact", files.lines(self.fields(ports)))

    # -- sockets

    def bind(self, kind: int) -> tuple[Any, int]:
        """Return a CURVE socket that admits everybody, and its port."""
        one = self.context.socket(kind)
        one.curve_server = True
        one.curve_publickey, one.curve_secretkey = self.server
        one.sndhwm = 10
        one.linger = 0
        return one, one.bind_to_random_port("tcp://127.0.0.1")

    def open(self) -> tuple[Any, Any]:
        """Return sockets for requests and publications, of which the files tell."""
        (requests, one), (publications, two) = self.bind(zmq.ROUTER), self.bind(zmq.XPUB)
        self.tell((one, two))
        return requests, publications

    def tcp(self) -> Iterator[socket.socket]:
        """Yield each connection that somebody makes to either port, without ZeroMQ."""
        listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.tell((listening[0].getsockname()[1], listening[1].getsockname()[1]))
        poller = zmq.Poller()
        for one in listening:
            poller.register(one, zmq.POLLIN)
        while True:
            for number, _ in poller.poll():
                yield next(one for one in listening if one.fileno() == number).accept()[0]

    def right(self, request: list[bytes]) -> list[bytes]:
        """Return a reply that is right, or that seems to be."""
        asked = b"pb_entire_workflow" in request[-1]
        body = self.snapshot if asked else bodies.response(list(bodies.API))
        return [request[0], b"", body]

    def answer(self, make: Callable[[bytes], list[list[bytes]] | None], honest: int = 0) -> None:
        """Answer requests: the first `honest` ones rightly, the others with whole messages.

        `make` gets the address of the client and returns messages, or None to end.
        """
        requests, _ = self.open()
        for number in itertools.count():
            frames = requests.recv_multipart()
            if number < honest:
                requests.send_multipart(self.right(frames))
                continue
            messages = make(frames[0])
            if messages is None:
                return
            for message in messages:
                _send(requests, message)


def _send(sock: Any, message: list[bytes]) -> bool:
    try:
        sock.send_multipart(message, zmq.NOBLOCK)
    except zmq.ZMQError:
        return False
    return True


def _threads(connections: Iterator[socket.socket], talk: Callable[[socket.socket], None]) -> None:
    def safely(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            talk(one)
        one.close()

    for one in connections:
        threading.Thread(target=safely, args=(one,), daemon=True).start()


# -- below ZeroMQ


@behaviour
def garbage_tcp(server: Hostile) -> None:
    """Random bytes instead of ZMTP, many or few."""
    _threads(
        server.tcp(),
        lambda one: one.sendall(server.chance.randbytes(server.chance.choice([1, 64, 100_000]))),
    )


@behaviour
def half_greeting(server: Hostile) -> None:
    """A greeting that stops somewhere; the connection stays."""

    def talk(one: socket.socket) -> None:
        one.sendall(_GREETING[: server.chance.randrange(64)])
        time.sleep(_LIFE)

    _threads(server.tcp(), talk)


@behaviour
def wrong_greeting(server: Hostile) -> None:
    """A greeting with a few wrong bytes, and garbage in place of the handshake."""

    def talk(one: socket.socket) -> None:
        whole = bytearray(_GREETING)
        for _ in range(server.chance.randrange(4)):
            whole[server.chance.randrange(64)] = server.chance.randrange(256)
        command = server.chance.choice([b"\x04\x05ERROR\xff", b"\x06" + b"\xff" * 8, b"\x04\xc8"])
        one.sendall(bytes(whole) + command + server.chance.randbytes(300))
        time.sleep(server.chance.choice([0, 0.1, _LIFE]))

    _threads(server.tcp(), talk)


@behaviour
def slow_drip(server: Hostile) -> None:
    """A byte every now and then: of a greeting, and then of anything."""

    def talk(one: socket.socket) -> None:
        for byte in itertools.chain(_GREETING, itertools.repeat(0)):
            one.sendall(bytes([byte]))
            time.sleep(server.chance.choice([0.01, 0.05]))

    _threads(server.tcp(), talk)


@behaviour
def hang_up(server: Hostile) -> None:
    """Every connection is closed at once, or reset."""
    for one in server.tcp():
        if server.chance.random() < 0.5:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()


@behaviour
def cut_off(server: Hostile) -> None:
    """CURVE in front of a correct server, each connection of which is cut off after some bytes."""
    (requests, one), (_, two) = server.bind(zmq.ROUTER), server.bind(zmq.XPUB)
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    server.tell((listening[0].getsockname()[1], listening[1].getsockname()[1]))

    def pump(source: socket.socket, target: socket.socket, left: int) -> None:
        with contextlib.suppress(OSError):
            while left > 0 and (data := source.recv(min(left, 65536))):
                target.sendall(data)
                left -= len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept(port: socket.socket, behind: int) -> None:
        while True:
            client = port.accept()[0]
            inner = socket.create_connection(("127.0.0.1", behind))
            for pair in ((client, inner), (inner, client)):
                limit = server.chance.choice([0, 64, 65, 200, 400, 1000])
                threading.Thread(target=pump, args=(*pair, limit), daemon=True).start()

    for port, behind in zip(listening, (one, two), strict=True):
        threading.Thread(target=accept, args=(port, behind), daemon=True).start()
    while True:
        frames = requests.recv_multipart()
        _send(requests, server.right(frames))


# -- replies


def _replies(kind: str) -> Callable[[Hostile], None]:
    def run(server: Hostile) -> None:
        make, chance = bodies.KINDS[kind], server.chance
        server.answer(lambda who: [[who, b"", make(chance)]], honest=chance.choice([0, 1, 2, 5]))

    run.__doc__ = f"Each reply is of the kind {kind}, as hostile/bodies.py has it."
    return run


for _kind in bodies.KINDS:
    BEHAVIOURS[f"reply-{_kind}"] = _replies(_kind)


@behaviour
def reply_anything(server: Hostile) -> None:
    """Each reply is of another kind, or right."""
    kinds = list(bodies.KINDS)

    def make(who: bytes) -> list[list[bytes]]:
        if server.chance.random() < 0.3:
            return [[who, b"", bodies.response(list(bodies.API))]]
        return [[who, b"", bodies.KINDS[server.chance.choice(kinds)](server.chance)]]

    server.answer(make)


@behaviour
def many_frames(server: Hostile) -> None:
    """A reply of very many frames."""

    def make(who: bytes) -> list[list[bytes]]:
        count = server.chance.choice([2, 1000, 200_000])
        frame = server.chance.choice([b"", b"x", bodies.response(list(bodies.API))])
        return [[who, b"", *[frame] * count]]

    server.answer(make, honest=2)


@behaviour
def wrong_envelope(server: Hostile) -> None:
    """Replies without a delimiter, with several, or with other frames before it."""
    right = bodies.response(list(bodies.API))
    shapes = [[right], [b"x", b"", right], [b"", b"", right], [b""], [b"", right, b""], []]
    server.answer(lambda who: [[who, *server.chance.choice(shapes)]], honest=2)


@behaviour
def endless_replies(server: Hostile) -> None:
    """Replies to one request, without an end."""
    requests, _ = server.open()
    body = server.chance.choice([bodies.response(list(bodies.API)), b"", b"x" * bodies.MIB])
    known: list[bytes] = []
    while True:
        if requests.poll(0 if known else 1000):
            known.append(requests.recv_multipart()[0])
        for who in known[-5:]:
            if not _send(requests, [who, b"", body]):
                time.sleep(0.0001)


@behaviour
def endless_message(server: Hostile) -> None:
    """One reply whose frames never end."""
    requests, _ = server.open()
    who = requests.recv_multipart()[0]
    requests.send(who, zmq.SNDMORE)
    requests.send(b"", zmq.SNDMORE)
    end = time.monotonic() + 3
    while time.monotonic() < end:  # it has to be kept as a whole on this side, too
        requests.send(b"x" * 10_000, zmq.SNDMORE)
        time.sleep(0.001)
    requests.send(b"")


@behaviour
def deaf(server: Hostile) -> None:
    """Takes requests and never answers one."""
    requests, _ = server.open()
    while True:
        requests.recv_multipart()


@behaviour
def answers_api_only(server: Hostile) -> None:
    """The same reply to everything: that of `api`."""
    server.answer(lambda who: [[who, b"", bodies.response(list(bodies.API))]])


# -- publications


def _publish(server: Hostile, make: Callable[[], list[bytes]], pause: float) -> None:
    """Answer every request rightly, or as if, and publish all the time."""
    requests, publications = server.open()
    while True:
        while requests.poll(0):
            frames = requests.recv_multipart()
            _send(requests, server.right(frames))
        if not _send(publications, make()):
            time.sleep(0.001)
        time.sleep(pause)


@behaviour
def publish_garbage(server: Hostile) -> None:
    """Publications of all topics with payloads that are anything, of one frame or many."""

    def make() -> list[bytes]:
        chance = server.chance
        kind = chance.choice(["random", "strange", "told", "undecodable", "protobuf"])
        payload = bodies.KINDS[kind](chance)
        topic = chance.choice(bodies.TOPICS).encode()
        return [topic, *[payload] * chance.choice([0, 1, 1, 1, 2])]

    _publish(server, make, 0.002)


@behaviour
def publish_endlessly(server: Hostile) -> None:
    """Small publications as fast as it can, never quiet."""
    chance = server.chance
    topics = [topic.encode() for topic in bodies.TOPICS]
    _publish(server, lambda: [chance.choice(topics), b"\x11" + bytes(8)], 0.0)


@behaviour
def publish_huge(server: Hostile) -> None:
    """Publications of a mebibyte and more, one after the other."""
    blobs = [b"x" * bodies.MIB, b"\x12\x00" * bodies.MIB, bytes(3 * bodies.MIB)]
    chance = server.chance
    _publish(server, lambda: [chance.choice([b"all", b"tasks", b"x"]), chance.choice(blobs)], 0.0)


@behaviour
def publish_topics(server: Hostile) -> None:
    """Every publication has a topic that nobody has seen before."""
    count = itertools.count()
    _publish(server, lambda: [b"topic %d " % next(count) + b"t" * 500, b""], 0.0)


# -- files


def _file(name: str) -> Callable[[Hostile], None]:
    def run(server: Hostile) -> None:
        (requests, one), (_, two) = server.bind(zmq.ROUTER), server.bind(zmq.XPUB)
        server.write_keys()
        kind = server.chance.choice(list(files.KINDS))
        if name != "contact":
            files.replace(server.service / name, kind, server.chance)
        fields = server.fields((one, two))
        if name == "contact" and server.chance.random() < 0.5:
            files.replace(server.service / name, kind, server.chance)
        else:
            files.write(server.service / "contact", files.lines(fields))
        while True:
            frames = requests.recv_multipart()
            _send(requests, server.right(frames))
            with contextlib.suppress(OSError):  # what was right when it was read
                target = server.service / name
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
                files.replace(target, server.chance.choice(list(files.KINDS)), server.chance)

    run.__doc__ = f"Something else, first or later, in the place of {name}."
    return run


for _name in ("contact", "server.key", "client.key_secret", "client_public_keys/x.key"):
    BEHAVIOURS[f"file-{_name.partition('/')[0].replace('.', '-').replace('_', '-')}"] = _file(_name)


@behaviour
def contact_fields(server: Hostile) -> None:
    """A contact file in which hosts, ports and processes are not what they should be."""
    (requests, one), (_, two) = server.bind(zmq.ROUTER), server.bind(zmq.XPUB)
    server.write_keys()
    text = files.spoil_fields(server.fields((one, two)), server.chance)
    files.write(server.service / "contact", text)
    while True:
        frames = requests.recv_multipart()
        _send(requests, server.right(frames))


@behaviour
def contact_changes(server: Hostile) -> None:
    """A contact file that is never the same for two moments."""
    count = itertools.count()
    server.write_keys()
    while True:
        files.write(server.service / "contact", f"CYLC_WORKFLOW_PORT={next(count) % 70000}\n")


@behaviour
def home_is_gone(server: Hostile) -> None:
    """Removes its home directory, or puts files where directories were, after the first request."""

    def make(who: bytes) -> list[list[bytes]]:
        target = server.chance.choice(
            [Path.home(), Path.home() / "cylc-run", server.service.parent, server.service]
        )
        shutil.rmtree(target, ignore_errors=True)
        if server.chance.random() < 0.7:
            with contextlib.suppress(OSError):
                target.write_text("no directory", encoding="utf-8")
        with contextlib.suppress(OSError):
            (Path.home() / "output").unlink(missing_ok=True)
            os.mkfifo(Path.home() / "output")
        return [[who, b"", bodies.response(list(bodies.API))]]

    server.answer(make, honest=2)


# -- the process


@behaviour
def prints(server: Hostile) -> None:
    """Prints hundreds of megabytes while it serves."""

    def printing() -> None:
        with contextlib.suppress(OSError):
            for _ in range(300):
                os.write(1, server.chance.choice([b"x", b"\n", b"\x1b[2J\0\xff"]) * bodies.MIB)

    threading.Thread(target=printing, daemon=True).start()
    server.answer(lambda who: [[who, b"", b"{"]], honest=2)


@behaviour
def forks(server: Hostile) -> None:
    """Starts processes that outlive it and ignore signals, and ends at some moment."""

    def make(who: bytes) -> list[list[bytes]] | None:
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(_LIFE)
                os._exit(0)
        if server.chance.random() < 0.4:
            return None
        return [[who, b"", bodies.response(list(bodies.API))]]

    server.answer(make, honest=2)


@behaviour
def exits(server: Hostile) -> None:
    """Ends at some moment: before its contact file is there, or after some time."""
    if server.chance.random() < 0.2:
        sys.exit(server.chance.choice([0, 1, 3]))
    end = server.chance.choice([0.01, 0.1, 0.5, 1])
    status = server.chance.choice([0, 1, 77])
    threading.Timer(end, lambda: os._exit(status)).start()
    if server.chance.random() < 0.3:
        threading.Timer(end / 2, lambda: os.kill(os.getpid(), signal.SIGABRT)).start()
    server.answer(lambda who: [[who, b"", bodies.response(list(bodies.API))]])


@behaviour
def ignores_signals(server: Hostile) -> None:
    """Ends for no signal that a process can ignore, and stops itself now and then."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)

    def make(who: bytes) -> list[list[bytes]]:
        if server.chance.random() < 0.2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return [[who, b"", bodies.response(list(bodies.API))]]

    server.answer(make, honest=2)


def main() -> None:
    """Do what is asked for, until somebody ends it."""
    parser = argparse.ArgumentParser(
        description="A server that wishes its clients ill.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name}\n    {run.__doc__}" for name, run in BEHAVIOURS.items()),
    )
    parser.add_argument("--do", required=True, choices=BEHAVIOURS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", action="store_true", help="say that the workflow is paused")
    parser.add_argument("workflow")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Timer(_LIFE, lambda: os._exit(1)).start()
    status = "paused" if options.pause else "running"
    BEHAVIOURS[options.do](Hostile(options.workflow, options.seed, status))


if __name__ == "__main__":
    main()
