"""Looks at cylc-flow from the inside; run by the interpreter that has it, Python 3.7 or newer.

Prints one JSON object. Its home directory is empty and its own; nothing leaves the machine.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CONTACT = {
    "CYLC_API": "5",
    "CYLC_WORKFLOW_COMMAND": "wri-no-such-command",
    "CYLC_WORKFLOW_ID": "w",
    "CYLC_WORKFLOW_OWNER": "nobody",
    "CYLC_WORKFLOW_PID": "4194304",  # one more than any process can have
    "CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST": "/nonexistent",
    "CYLC_WORKFLOW_UUID": "00000000-0000-4000-8000-000000000000",
    "SCHEDULER_CYLC_PATH": "None",
    "SCHEDULER_SSH_COMMAND": "ssh",
    "SCHEDULER_USE_LOGIN_SHELL": "True",
}
SERVICE = os.path.expanduser("~/cylc-run/w/.service")  # noqa: PTH111


def write(fields: dict[str, str]) -> None:
    """Write the contact file."""
    with open(os.path.join(SERVICE, "contact"), "w", encoding="utf-8") as out:  # noqa: PTH118, PTH123
        out.write("".join(f"{key}={value}\n" for key, value in sorted(fields.items())))


def install(version: str) -> dict[str, str]:
    """Make the run directory of a workflow that nobody runs; return the fields of its contact."""
    import zmq.auth  # noqa: PLC0415
    from cylc.flow.hostuserutil import get_host  # noqa: PLC0415

    os.makedirs(SERVICE)  # noqa: PTH103
    for name in ("server", "client"):
        zmq.auth.create_certificates(SERVICE, name)
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], other.getsockname()[1]
    own = {
        "CYLC_VERSION": version,
        "CYLC_WORKFLOW_HOST": get_host(),
        "CYLC_WORKFLOW_PORT": str(ports[0]),
        "CYLC_WORKFLOW_PUBLISH_PORT": str(ports[1]),
    }
    return {**CONTACT, **own}


def outcome(act: Callable[[], Any]) -> str:
    """Return `works`, or the name of the exception."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return type(error).__name__
    return "works"


PEERS: list[Any] = []  # a peer that is collected may wait for ever for what it has not sent


def client() -> Any:
    """Return a client of the workflow."""
    from cylc.flow.network.client import WorkflowRuntimeClient  # noqa: PLC0415

    PEERS.append(WorkflowRuntimeClient("w", timeout=0.2))
    return PEERS[-1]


def subscriber() -> Any:
    """Return a subscriber of the workflow."""
    from cylc.flow.network.subscriber import WorkflowSubscriber  # noqa: PLC0415

    PEERS.append(WorkflowSubscriber("w", topics=[b"all"]))
    return PEERS[-1]


def needs(fields: dict[str, str], make: Callable[[], Any]) -> dict[str, str]:
    """Return what comes of making a peer, by the key that the contact file lacks."""
    found = {}
    for key in sorted(fields):
        write({name: value for name, value in fields.items() if name != key})
        found[key] = outcome(make)
    return {key: value for key, value in found.items() if value != "works"}


def dead(fields: dict[str, str]) -> dict[str, str]:
    """Return what a client makes of a scheduler that is dead."""
    write(fields)
    try:
        peer = client()
        result = outcome(lambda: peer("api"))
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        result = type(error).__name__
    there = os.path.exists(os.path.join(SERVICE, "contact"))  # noqa: PTH110, PTH118
    return {"outcome": result, "contact": "kept" if there else "removed"}


def closes(fields: dict[str, str]) -> str:
    """Tell whether a client closes its ZeroMQ context when it stops."""
    write(fields)
    peer = client()
    peer.stop(stop_loop=False)
    return "closed" if peer.context.closed else "left open"


def attempt(act: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a function, or the exception in words."""
    try:
        return act(*args)
    except Exception as error:  # noqa: BLE001 - told in the profile
        return {"failed": type(error).__name__}


def bases() -> dict[str, list[str]]:
    """Return the exceptions of the client and their bases."""
    from cylc.flow import exceptions  # noqa: PLC0415

    names = ("ClientError", "ClientTimeout", "RequestError", "WorkflowStopped", "CylcVersionError")
    found = {}
    for name in names:
        if hasattr(exceptions, name):
            mro = [cls.__name__ for cls in getattr(exceptions, name).__mro__[1:]]
            found[name] = mro[: mro.index("Exception")]
    return found


def requires_python() -> str | None:
    """Return the versions of Python for which the package can be installed."""
    from importlib import metadata  # noqa: PLC0415

    return metadata.metadata("cylc-flow")["Requires-Python"]


def main() -> None:
    """Print what there is."""
    import cylc.flow  # noqa: PLC0415
    from cylc.flow import data_messages_pb2  # noqa: PLC0415

    found = {
        "requires_python": attempt(requires_python),
        "protobuf": base64.b64encode(data_messages_pb2.DESCRIPTOR.serialized_pb).decode(),
        "exceptions": attempt(bases),
    }
    fields = install(cylc.flow.__version__)
    found["client_needs"] = attempt(needs, fields, client)
    found["subscriber_needs"] = attempt(needs, fields, subscriber)
    found["zmq_context"] = attempt(closes, fields)
    found["dead_scheduler"] = attempt(dead, fields)
    os.environ["CYLC_TASK_COMMS_METHOD"] = "zmq"
    found["dead_scheduler_in_a_job"] = attempt(dead, fields)
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # what clients have left open may keep it from ending


if __name__ == "__main__":
    main()
