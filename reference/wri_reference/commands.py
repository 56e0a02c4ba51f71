"""The commands `wri serve` and `wri call`."""

import argparse
import contextlib
import json
import math
import os
import resource
import signal
import sys
import threading
from typing import IO, Any, NoReturn

from wri_reference._errors import (
    ClientError,
    ClientTimeout,
    LocalProtocolError,
    RemoteProtocolError,
    StartError,
    WorkflowStopped,
)

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
        "SIGTERM, SIGINT or SIGHUP. Its files are in ~/cylc-run/WORKFLOW/.service; it replaces "
        "what a crashed server left there.",
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
    options = _parse(parser, argv)
    if isinstance(options, int):
        return options
    try:
        server = WorkflowRuntimeServer(options.workflow, options.host, options.port_range)
    except LocalProtocolError as error:
        return _fail(error, _USAGE)

    def announce() -> None:
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
    try:
        server.start(threading.Barrier(1, action=announce))
    except (StartError, LocalProtocolError) as error:
        return _fail(error)
    except OSError as error:
        return _fail(StartError(f"{options.workflow}: {error}"))
    return 0


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
    try:
        args = {} if options.no_input else _read_arguments()
        client = WorkflowRuntimeClient(options.workflow, timeout=options.timeout)
        _print_result(client(options.endpoint, args))
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
