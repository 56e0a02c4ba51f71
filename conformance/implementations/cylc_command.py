"""The adapter of the command `cylc client`; see conformance/ADAPTERS.md.

Each request is a process of its own. A connection is no more than what the command line says.
"""

import json
import re
import subprocess
import sys
from typing import Any

# What `cylc` prints on standard error where it ends with status 1: after what it logs, the name of
# the exception and its message, or a traceback, which is that of a crash.
REPORT = re.compile(
    r"^(?:Traceback \(most recent call last\)|"
    r"(?P<name>[A-Z]\w*(?:Error|Timeout|Stopped|Alive)): (?P<message>.*))",
    re.MULTILINE | re.DOTALL,
)
OUTCOMES = {"RequestError": "error", "ClientTimeout": "timeout", "WorkflowStopped": "stopped"}
# Before 8.4.1 what the server returned as an error is a ClientError, as is a key that is missing.
NO_KEY = "so cannot connect."

connections: dict[str, dict[str, Any]] = {}


def do(do: str, connection: str = "", **more: Any) -> dict[str, Any]:
    """Return the answer to a command."""
    if do == "capabilities":
        return {"result": do, "protocol": 1, "capabilities": ["request"]}
    if do == "request":
        return ask(**{**connections[connection], **more})
    if do == "connect":
        connections[connection] = more
    elif do == "close":
        del connections[connection]
    else:
        return {"result": "unsupported"}
    return {"result": "done"}


def ask(
    workflow: str, command: str, args: dict[str, Any], timeout: float | None = None
) -> dict[str, Any]:
    """Return the answer that the command's output and exit status make."""
    options = [] if timeout is None else [f"--comms-timeout={timeout}"]
    line = ["cylc", "client", "--color=never", *options, workflow, command]
    done = subprocess.run(line, input=json.dumps(args), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return {"result": "data", "data": json.loads(done.stdout)}
    report = REPORT.search(done.stderr)
    if report is None or report["name"] is None:
        sys.exit(done.stderr)  # the client has crashed, and so does its adapter, with status 1
    kind = OUTCOMES.get(report["name"], "client-error")
    if report["name"] == "ClientError" and NO_KEY not in report["message"]:
        kind = "error"
    return {"result": kind, "message": report["message"].removesuffix("\n")}


for command in sys.stdin:
    parameters = json.loads(command)
    number = parameters.pop("id")
    print(json.dumps({"id": number, **do(**parameters)}), flush=True)
