"""The commands `wri serve`, `wri call` and `wri subscribe`."""

import argparse
import contextlib
import functools
import gc
import json
import math
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

from wri_reference._errors import (
    ClientError,
    ClientTimeout,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyError,
    StartError,
    WorkflowStopped,
)
from wri_reference._rundir import RunDirectory
from wri_reference._workflow import Definition, DefinitionError, read, synthetic

if TYPE_CHECKING:
    from wri_reference._follow import Follower

_PATIENCE: Final = 0.2
"""Seconds before a server that has just started is asked for a snapshot again."""

MOST_TASKS: Final = 1_000_000
"""What `--tasks` allows; the names of such tasks have six digits."""

_FAILED = 1
_INTERRUPTED = 2
_USAGE = 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def serve(argv: list[str]) -> int:
    """Serve a workflow's interface until told to stop."""
    from wri_reference.server import WorkflowRuntimeServer  # noqa: PLC0415 - see call()

    parser = _Parser(
        prog="wri serve",
        description="Run a reference server and publisher for WORKFLOW in the foreground, until "
        "SIGTERM, SIGINT or SIGHUP, or the end of the workflow. Its files are in "
        "~/cylc-run/WORKFLOW/.service; it replaces what a crashed server left there. Its tasks are "
        "those of ~/cylc-run/WORKFLOW/workflow.yaml; without that file there are ten for example, "
        "paused. Jobs are simulated.",
        epilog="exit status: 0 stopped cleanly, 1 could not serve, 4 bad usage",
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="workflow id, such as my-workflow")
    parser.add_argument(
        "--host",
        metavar="NAME",
        default="localhost",
        help="name or address by which clients reach this server; with another one than "
        "localhost it listens on all interfaces (default: %(default)s)",
    )
    parser.add_argument(
        "--port-range",
        metavar="A..B",
        type=_port_range,
        help="choose the two ports from A to B, both included (default: the system chooses)",
    )
    parser.add_argument(
        "--pause", action="store_true", help="let tasks wait until the workflow is resumed"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--file", metavar="FILE", type=Path, help="read the tasks from this workflow.yaml"
    )
    source.add_argument(
        "--tasks", metavar="N", type=_count, help="have N tasks that depend on nothing"
    )
    options = _parse(parser, argv)
    if isinstance(options, int):
        return options
    try:
        server = WorkflowRuntimeServer(
            options.workflow, options.host, options.port_range, _source(options), options.pause
        )
    except LocalProtocolError as error:
        return _fail(error, _USAGE)

    def announce() -> None:
        gc.freeze()
        gc.enable()
        # Whoever started the server may have closed its output; that is no reason to stop.
        with contextlib.suppress(OSError, ValueError):
            print(
                f"serving {server.workflow} at tcp://{server.host}:{server.port}, "
                f"publishing at tcp://{server.host}:{server.publish_port}",
                flush=True,
            )

    # Idle connections cost a file descriptor each, and the usual limit is 1024 (LIM-3).
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: server.stop("REQUEST(NOW)"))
    # What a start makes stays. To look through it for garbage takes a third of a large start,
    # and later on seconds in which no request is answered.
    gc.disable()
    try:
        server.start(threading.Barrier(1, action=announce))
    except (StartError, LocalProtocolError, DefinitionError) as error:
        return _fail(error)
    except OSError as error:
        return _fail(StartError(f"{options.workflow}: {error}"))
    finally:
        gc.enable()
    return 0


def _source(options: argparse.Namespace) -> Callable[[], Definition] | None:
    """Return where the tasks come from; None if nothing says it."""
    if options.tasks is not None:
        return functools.partial(synthetic, options.tasks)
    path = options.file or RunDirectory(options.workflow).definition
    return functools.partial(read, path) if options.file or path.exists() else None


def call(argv: list[str]) -> int:
    """Send one request to a running workflow and print the result."""
    # Each command imports what it needs: the start of a server is not slowed by the client.
    from wri_reference.client import WorkflowRuntimeClient  # noqa: PLC0415

    parser = _Parser(
        prog="wri call",
        description="Ask the running WORKFLOW for ENDPOINT and print the result as JSON. The "
        "arguments of the endpoint are read from standard input, as a JSON object.",
        epilog="exit status: 0 a result, 1 none (the reason is on standard error), "
        "2 interrupted, 4 bad usage",
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="workflow id, such as my-workflow")
    parser.add_argument("endpoint", metavar="ENDPOINT", help="endpoint, such as api")
    parser.add_argument(
        "-n", "--no-input", action="store_true", help="no arguments: do not read standard input"
    )
    parser.add_argument(
        "--timeout", metavar="S", type=_seconds, help="seconds to wait (default: 5)"
    )
    options = _parse(parser, argv)
    if isinstance(options, int):
        return options

    def run() -> None:
        args = {} if options.no_input else _read_arguments()
        client = WorkflowRuntimeClient(options.workflow, timeout=options.timeout)
        _print_result(client(options.endpoint, args))

    return _report(run)


def subscribe(argv: list[str]) -> int:
    """Print what a running workflow publishes."""
    from wri_reference._follow import ALL, SHUTDOWN, Follower  # noqa: PLC0415
    from wri_reference.subscriber import WorkflowSubscriber  # noqa: PLC0415

    parser = _Parser(
        prog="wri subscribe",
        description="Print what the running WORKFLOW publishes, one JSON object a line, until it "
        "stops: `topic`, and either `time` and `delta` or `text`.",
        epilog="exit status: 0 the workflow stopped or enough was printed, 1 an error (the reason "
        "is on standard error), 2 interrupted, 4 bad usage",
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="workflow id, such as my-workflow")
    parser.add_argument(
        "--topics",
        metavar="A,B",
        type=_topics,
        default={ALL},
        help="topics to print, besides shutdown (default: all)",
    )
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--once", dest="count", action="store_const", const=1, help="end after one publication"
    )
    some.add_argument("--count", metavar="N", type=_number, help="end after so many publications")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_seconds,
        help="give up when nothing is published for so many seconds (default: never)",
    )
    parser.add_argument(
        "--snapshot",
        action="store_true",
        help="print a `snapshot` of everything first, and again when something was missed",
    )
    options = _parse(parser, argv)
    if isinstance(options, int):
        return options

    def run() -> None:
        printed = 0
        with WorkflowSubscriber(options.workflow, topics={*options.topics, SHUTDOWN}) as subscriber:
            follower = Follower() if options.snapshot else None
            while options.count is None or printed < options.count:
                if follower is not None and follower.trouble is not None:
                    _print_snapshot(options.workflow, follower)
                publication = subscriber.receive(options.timeout)
                if publication is None:
                    raise ClientTimeout(f"{options.workflow} published nothing in time")
                _print_publication(*publication)
                printed += 1
                if publication.topic == SHUTDOWN:
                    return
                if follower is not None:
                    follower.feed(*publication)

    return _report(run)


def _report(run: Callable[[], None]) -> int:
    try:
        run()
    except (ClientError, ClientTimeout, WorkflowStopped) as error:
        return _fail(error)
    except BrokenPipeError:
        # Python would complain about the same pipe once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except OSError as error:
        return _fail(ClientError(f"standard input or output: {error.strerror or error}"))
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _parse(parser: _Parser, argv: list[str]) -> argparse.Namespace | int:
    try:
        return parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)


def _fail(error: Exception, status: int = _FAILED) -> int:
    with contextlib.suppress(OSError, ValueError):
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return status


def _read_arguments() -> dict[str, Any]:
    from wri_reference._messages import decode_arguments  # noqa: PLC0415

    if sys.stdin is None:
        raise ClientError("there is no standard input: use -n for no arguments")
    source: IO[bytes] = sys.stdin.buffer
    if source.isatty():
        print("reading the arguments, a JSON object, from the terminal", file=sys.stderr)
    try:
        return decode_arguments(source.read())
    except RemoteProtocolError as error:
        raise ClientError(
            f"standard input: {error}; give a JSON object, or -n for no arguments"
        ) from None


def _print_result(result: Any) -> None:
    if isinstance(result, bytes):
        sys.stdout.buffer.write(result)
    else:
        text = json.dumps(result, indent=2, ensure_ascii=False)
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()


def _print_publication(topic: bytes, payload: bytes) -> None:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    from wri_reference._follow import decode  # noqa: PLC0415

    line: dict[str, Any] = {"topic": topic.decode("utf-8", "replace")}
    try:
        delta = decode(topic, payload)
    except RemoteProtocolError as error:
        raise ReplyError(str(error)) from None
    if delta is None:
        line["text"] = payload.decode("utf-8", "replace")
    else:
        parts = [delta] if hasattr(delta, "time") else [part for _, part in delta.ListFields()]
        if parts:
            line["time"] = parts[0].time  # all have the same (DELTA-2)
        line["delta"] = MessageToDict(delta)
    _print_line(line)


def _print_snapshot(workflow: str, follower: "Follower") -> None:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    from wri_reference.client import WorkflowRuntimeClient  # noqa: PLC0415

    client = WorkflowRuntimeClient(workflow)
    while True:
        try:
            follower.load(client("pb_entire_workflow"))
        except RemoteProtocolError as error:
            raise ReplyError(str(error)) from None
        if follower.trouble is None:
            break
        time.sleep(_PATIENCE)
    store = follower.store
    _print_line({"time": store.workflow.last_updated, "snapshot": MessageToDict(store.snapshot())})


def _print_line(line: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def _topics(text: str) -> set[bytes]:
    topics = {topic.strip().encode("utf-8", "surrogateescape") for topic in text.split(",")}
    if b"" in topics:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of topics: A,B")
    return topics


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST_TASKS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_TASKS}")
    return int(text)


def _port_range(text: str) -> tuple[int, int]:
    low, dots, high = text.partition("..")
    if not (dots and low.isdecimal() and high.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form A..B")
    if not 1 <= int(low) < int(high) <= 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text}: two ports at least, from 1 to 65535")
    return int(low), int(high)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
