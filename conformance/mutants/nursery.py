"""Starts mutants by forking one process that has everything imported, which takes milliseconds.

In its environment, WRI_TOKEN has as many characters as those of the mutants will have.
Standard input is a Unix socket of type SEQPACKET. Each message on it is a JSON object and is
answered with one:

`{"list": true}`
    `{"faults": [{"name", "about", "breaks", "also", "roles", "control", "replaces"}, …]}`; see
    registry.py and reach.py
`{"start": ["--fault", NAME, …], "adapter": bool, "directory": PATH, "environment": {…}, "record":
PATH or null}`, with three descriptors, of its standard streams
    `{"pid": number}`; the arguments are those of serve.py or adapt.py
`{"fork": true}`, with a descriptor
    nothing; another nursery begins to listen to that socket
`{"poll": pid}`
    `{"status": number}`, as that of `subprocess.Popen.poll`: null while it runs

The children die with it.
"""

import ctypes
import gc
import itertools
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the directory of this package

from mutants import adapt, reach, serve  # noqa: E402
from mutants.registry import AdapterFault, Fault, read_collateral  # noqa: E402
from wri_reference._graphql import load_schema  # noqa: E402

TOKEN = "WRI_TOKEN"  # noqa: S105 - marks the processes of the suite
_LONGEST = 1 << 16
_STREAMS = 3
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer until the other side closes."""
    serve.load()
    adapt.load()
    load_schema()
    # What is there by now never becomes garbage; a collection would copy all pages of a child.
    gc.freeze()
    suite = socket.socket(fileno=os.dup(0))
    while True:
        message, streams, _, _ = socket.recv_fds(suite, _LONGEST, _STREAMS)
        if not message:
            return
        request = json.loads(message)
        if "fork" in request:
            suite = _fork(suite, streams[0])
            continue
        if "start" in request:
            answer: Any = {"pid": _start(request, streams, suite)}
        elif "poll" in request:
            answer = {"status": _poll(request["poll"])}
        else:
            answer = {"faults": _faults()}
        suite.send(json.dumps(answer).encode())


def _fork(suite: socket.socket, other: int) -> socket.socket:
    """Become two; return whom to listen to: the one goes on, the other serves somebody else."""
    if os.fork():
        os.close(other)
        return suite
    _die_with_parent()
    suite.close()
    return socket.socket(fileno=other)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _faults() -> list[dict[str, Any]]:
    also = read_collateral()
    every: list[Fault | AdapterFault] = [*serve.load().values(), *adapt.load().values()]
    return [
        {
            "name": one.name,
            "about": one.about,
            "breaks": one.breaks,
            "also": also.get(one.name, []),
            "roles": adapt.roles(one) if isinstance(one, AdapterFault) else serve.ROLES,
            "control": "" if isinstance(one, AdapterFault) else serve.control(one),
            "replaces": adapt.begins(one) if isinstance(one, AdapterFault) else reach.replaced(one),
        }
        for one in every
    ]


def _start(request: dict[str, Any], streams: list[int], suite: socket.socket) -> int:
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        return child
    status = 1
    try:
        _die_with_parent()
        os.setsid()
        suite.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _mark(request["environment"])
        os.chdir(request["directory"])
        os.environ.clear()
        os.environ.update(request["environment"])
        if request["record"]:
            reach.record(request["record"])
        module = adapt if request["adapter"] else serve
        sys.argv = [str(module.__file__), *request["start"]]
        module.main()
        status = 0
        _await_threads()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def _await_threads() -> None:
    """Wait for those that keep a process, as the interpreter does before it ends."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _mark(environment: dict[str, str]) -> None:
    """Write the token into the environment that others see of this process.

    That is the memory which the nursery began with; it has a token of as many characters there,
    and must not be taken for a mutant itself.
    """
    wanted = f"{TOKEN}={environment[TOKEN]}".encode()
    variables = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    for number in itertools.count():
        address = variables[number]
        if not address:
            raise LookupError(f"the nursery was started without {TOKEN}")
        if ctypes.string_at(address, len(TOKEN) + 1) == f"{TOKEN}=".encode():
            ctypes.memmove(address, wanted, len(wanted))
            return


def _poll(child: int) -> int | None:
    try:
        found, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return _ended.get(child, 0)
    if not found:
        return None
    _ended[child] = os.waitstatus_to_exitcode(status)
    return _ended[child]


_ended: dict[int, int] = {}


if __name__ == "__main__":
    main()
