"""Waits until a server shows the workflow: a contact file only says that its ports are bound."""

import json
import time
from collections.abc import Callable, Collection
from typing import Any

import zmq

from wri_conformance import decode, queries
from wri_conformance.peers import Missing, Peer, Reply
from wri_conformance.probe import address, security
from wri_conformance.runs import Run, StartError
from wri_conformance.trace import Trace

SHOWING = frozenset({"data", "graphql", "control", "deltas"})
"""The capabilities that say something about a workflow, which therefore has to be there."""

_PAUSE = 0.1  # seconds between two looks
_SHOWN = 100  # characters of what is shown instead of an identifier or a status
_QUERY = "{workflows {id status taskProxies {id}}}"

Look = Callable[[Reply], tuple[str, str, int]]


def wait(run: Run, trace: Trace) -> None:
    """Return when the server shows the id of the workflow, its tasks, and the state asked for.

    It is asked for `pb_entire_workflow` if it claims `data`, else by GraphQL if it claims that;
    one that claims neither cannot be asked. Once it has shown them, or has not, that is
    remembered until it is started again.

    Raises:
        StartError: it does not in the time that the manifest gives for a start.
    """
    if run.unready is None:
        run.unready = _look_again(run, trace)
    if run.unready:
        raise StartError(run.unready, run.output())


def _look_again(run: Run, trace: Trace) -> str:
    how = _how(run.manifest.capabilities)
    if how is None:
        return ""
    request, look = how
    name = run.manifest.name
    limit = run.manifest.ready * run.workshop.scale
    deadline = time.monotonic() + limit
    context: zmq.Context[Any] = zmq.Context()
    shown = "nothing"
    try:
        while (left := deadline - time.monotonic()) > 0:
            shown = _ask(context, run, trace, request, look, left)
            if not shown:
                return ""
            if ended := run.ended():
                return f"{name} showed no workflow: {ended}"
            time.sleep(_PAUSE)
    except Missing as error:
        return f"{name} cannot be asked for its workflow: {error}"
    finally:
        context.destroy(linger=0)
    return (
        f"{name} did not show the workflow, {run.state} and with tasks, in {limit:g} s after its "
        f"contact file; asked for {request['command']}, it last showed {shown}"
    )


def _how(capabilities: Collection[str]) -> tuple[dict[str, Any], Look] | None:
    if "data" in capabilities:
        return {"command": "pb_entire_workflow", "args": {}}, _of_snapshot
    if "graphql" in capabilities:
        return queries.request({"query": _QUERY}), _of_graphql
    return None


def _ask(
    context: "zmq.Context[Any]",
    run: Run,
    trace: Trace,
    request: dict[str, Any],
    look: Look,
    seconds: float,
) -> str:
    """Return what is shown instead of a workflow that is ready; nothing if it is."""
    peer = Peer.open(context, "readiness", "REQ", address(run, "request"), security(run), trace)
    try:
        peer.send([json.dumps(request).encode()])
        reply = peer.receive(seconds)
    finally:
        peer.close()
    if reply is None:
        return "nothing"
    try:
        id_, status, tasks = look(reply)
    except (decode.NotThatError, LookupError, TypeError, ValueError) as error:
        return f"something else ({error})"
    if id_ and tasks and status == run.state:
        return ""
    return (
        f"the workflow {str(id_)[:_SHOWN]!r} with status {str(status)[:_SHOWN]!r} and {tasks} tasks"
    )


def _of_snapshot(reply: Reply) -> tuple[str, str, int]:
    snapshot: Any = decode.parse("PbEntireWorkflow", reply.body)
    return snapshot.workflow.id, snapshot.workflow.status, len(snapshot.task_proxies)


def _of_graphql(reply: Reply) -> tuple[str, str, int]:
    workflow = reply.json()["data"]["workflows"][0]
    return workflow["id"], workflow["status"], len(workflow["taskProxies"])
