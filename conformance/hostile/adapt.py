"""Runs one hostile adapter: `python adapt.py --do NAME --seed NUMBER`.

It answers the first commands rightly, as many as the seed says, and then does what its name says.
"""

import argparse
import base64
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the directory of this package

from hostile import bodies  # noqa: E402

Command = Mapping[str, Any]
BEHAVIOURS: dict[str, Callable[[random.Random, Command], None]] = {}
_LIFE: Final = 600  # seconds after which it ends in any case
_CAPABILITIES: Final = ["request", "protobuf", "async", "subscribe", "store"]


def behaviour(
    run: Callable[[random.Random, Command], None],
) -> Callable[[random.Random, Command], None]:
    """List what an adapter can do with a command, under its own name."""
    BEHAVIOURS[run.__name__.replace("_", "-")] = run
    return run


def _say(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _answer(answer: object) -> None:
    _say(json.dumps(answer).encode() + b"\n")


def _right(command: Command) -> None:
    """Answer as if something had happened."""
    known = {"connect", "request", "subscribe", "receive", "follow", "store", "close"}
    if command["do"] == "capabilities":
        more: dict[str, Any] = {"protocol": 1, "capabilities": _CAPABILITIES}
        _answer({"id": command["id"], "result": "capabilities", **more})
    elif command["do"] not in known:
        _answer({"id": command["id"], "result": "unsupported"})
    elif command["do"] in {"request", "receive", "store"}:
        _answer({"id": command["id"], "result": "timeout", "message": "nothing"})
    else:
        _answer({"id": command["id"], "result": "done"})


@behaviour
def rubbish(chance: random.Random, _command: Command) -> None:
    """Lines that are no answers."""
    kind = chance.choice(["random", "spoilt", "strange", "undecodable", "deep", "digits"])
    _say(bodies.KINDS[kind](chance) + b"\n")


@behaviour
def wrong_members(chance: random.Random, command: Command) -> None:
    """Objects whose members are not what they should be."""
    value: Any = chance.choice([None, True, [], {}, "", -1, 1e300, "\ud800", [[]], 2**70, "data"])
    member = chance.choice(["id", "result", "data", "bytes", "message", "topic", "capabilities"])
    answer = {"id": command["id"], "result": "data", "data": 1}
    if command["do"] == "receive":
        answer = {"id": command["id"], "result": "data", "topic": "all", "bytes": "AAAA"}
    _answer({**answer, member: value})


@behaviour
def lies(chance: random.Random, command: Command) -> None:
    """Results of what never happened, of every kind."""
    result = chance.choice(["data", "error", "timeout", "stopped", "client-error", "done"])
    answer: dict[str, Any] = {"id": command["id"], "result": result, "message": "so it is"}
    if result == "data":
        payload = base64.b64encode(bodies.protobuf(random.Random(chance.randrange(50)))).decode()
        topic = chance.choice(["all", "tasks", "\ud800", "x" * 100_000])
        answer |= chance.choice(
            [{"data": 1}, {"bytes": payload}, {"topic": topic, "bytes": payload}]
        )
    _answer(answer)


@behaviour
def pretends(_chance: random.Random, command: Command) -> None:
    """Does nothing, and reports what is likely to be expected."""
    if command["do"] == "request":
        _answer({"id": command["id"], "result": "client-error", "message": "that is no response"})
    else:
        _right(command)


@behaviour
def endless_line(chance: random.Random, _command: Command) -> None:
    """A line that never ends."""
    unit = chance.choice([b"x", b"[", b'{"a":', b" "]) * 100_000
    while True:
        _say(unit)


@behaviour
def huge_answer(chance: random.Random, command: Command) -> None:
    """An answer of many megabytes, or nested, in its data or its message."""
    head = b'{"id": %d, "result": "data", "data": ' % command["id"]
    body = chance.choice(
        [
            b'"' + b"x" * 40_000_000 + b'"',
            b"[" + b"0," * 10_000_000 + b"0]",
            b"[" + b"{}," * 10_000_000 + b"0]",
            b"[" * 900 + b"]" * 900,
            b"[" * 100_000 + b"]" * 100_000,
            b'{"a":' * 480 + b"1" + b"}" * 480,
            b"1" * 1_000_000,
            *(b"NaN", b"Infinity", b"1e999", b'"\\ud800"'),
        ]
    )
    if chance.random() < 0.3:
        _answer({"id": command["id"], "result": "error", "message": "m" * 20_000_000})
    else:
        _say(head + body + b"}\n")


@behaviour
def wrong_id(chance: random.Random, command: Command) -> None:
    """Answers to other commands than the one that was given."""
    wrong = chance.choice([command["id"] + 1, 0, -1, 10**30, True, 1.0, "1"])
    _answer({"id": wrong, "result": "done"})


@behaviour
def unasked(_chance: random.Random, command: Command) -> None:
    """Answers without an end, the first one right."""
    _right(command)
    while True:
        _say(b'{"id": %d, "result": "done"}\n' % command["id"] * 1000)


@behaviour
def exits(chance: random.Random, command: Command) -> None:
    """Ends, before or after an answer, by itself or by a signal."""
    if chance.random() < 0.5:
        _right(command)
    if chance.random() < 0.3:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(chance.choice([0, 1, 77]))


@behaviour
def closes_output(_chance: random.Random, _command: Command) -> None:
    """Closes its standard output and lives on."""
    os.close(1)
    time.sleep(_LIFE)


@behaviour
def closes_input(_chance: random.Random, command: Command) -> None:
    """Closes its standard input, and goes on answering that one command."""
    os.close(0)
    _right(command)
    time.sleep(_LIFE)


@behaviour
def hangs(_chance: random.Random, _command: Command) -> None:
    """Neither answers nor reads any more."""
    time.sleep(_LIFE)


@behaviour
def complains(chance: random.Random, command: Command) -> None:
    """Prints hundreds of megabytes on standard error, and then what is no answer."""
    for _ in range(300):
        os.write(2, chance.choice([b"x", b"\n", b"\xff\0\x1b[2J"]) * bodies.MIB)
    _right(command) if chance.random() < 0.3 else _say(b"rubbish\n")


@behaviour
def drips(_chance: random.Random, command: Command) -> None:
    """Answers, a byte now and then."""
    for byte in b'{"id": %d, "result": "done"}\n' % command["id"]:
        _say(bytes([byte]))
        time.sleep(0.05)


@behaviour
def spoils_files(chance: random.Random, command: Command) -> None:
    """Puts something else in the place of the files that it is to read, and of its home."""
    from hostile import files  # noqa: PLC0415

    workflow = str(command.get("workflow", ""))
    service = Path.home() / "cylc-run" / workflow / ".service"
    targets = [
        service / "contact",
        service / "client_public_keys" / "x.key",
        service / "server.key",
    ]
    try:
        target = chance.choice(targets)
        files.replace(target, chance.choice(list(files.KINDS)), chance)
        if chance.random() < 0.3:
            (service / "contact").unlink(missing_ok=True)
            os.mkfifo(service / "contact")
        files.replace(Path.home() / "sparse", "sparse", chance)
        (Path.home() / "output").unlink(missing_ok=True)
        os.mkfifo(Path.home() / "output")
    except OSError:
        pass
    _right(command)


def main() -> None:
    """Answer until somebody ends it."""
    parser = argparse.ArgumentParser(
        description="An adapter that wishes the suite ill.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name}\n    {run.__doc__}" for name, run in BEHAVIOURS.items()),
    )
    parser.add_argument("--do", required=True, choices=BEHAVIOURS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    threading.Timer(_LIFE, lambda: os._exit(1)).start()
    chance = random.Random(options.seed)
    right = chance.choice([0, 1, 2, 5])
    for number, line in enumerate(sys.stdin.buffer):
        command = json.loads(line)
        _right(command) if number < right else BEHAVIOURS[options.do](chance, command)
    os._exit(0)


if __name__ == "__main__":
    main()
