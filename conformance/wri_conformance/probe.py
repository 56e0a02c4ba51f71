"""Is the server alive? Asked after everything that might have killed it."""

import time
from typing import Any

import zmq

from wri_conformance.peers import Missing, Peer, Reply, Security
from wri_conformance.runs import Run
from wri_conformance.trace import Trace, readable

PATIENCE = 5.0  # seconds for one try: the default time-out of clients (WRI-CLI-8)
TRIES = 2
API_REQUEST = b'{"command": "api", "args": {}}'


def address(run: Run, port_name: str) -> str:
    """Return the ZeroMQ address of the `request` or `publish` port.

    Raises:
        Missing: the contact file does not tell.
    """
    port = run.port(port_name)
    if port is None or not run.host:
        raise Missing(f"the contact file of {run.workflow} names no host and {port_name} port")
    host = f"[{run.host}]" if ":" in run.host else run.host
    return f"tcp://{host}:{port}"


def security(run: Run) -> Security:
    """Return the keys of a client of this run.

    Raises:
        Missing: the key files are not there or have no keys in them.
    """
    client, server = run.keys.get("client.key_secret"), run.keys.get("server.key")
    if client is None or client.secret is None:
        raise Missing("there is no key pair in .service/client.key_secret")
    if server is None:
        raise Missing("there is no public key in .service/server.key")
    return Security("CURVE", client, server.public)


def probe(
    run: Run, trace: Trace, *, tries: int = TRIES, patience: float = PATIENCE
) -> dict[str, Any]:
    """Ask for `api` on fresh connections; return {alive, tries, seconds}, or {alive, why}.

    Only a list with `api` in it counts as a sign of life. `patience` is in seconds a try.
    """
    context: zmq.Context[Any] = zmq.Context()
    began = time.monotonic()
    why = ""
    try:
        for number in range(1, tries + 1):
            peer = Peer.open(
                context, f"probe-{number}", "REQ", address(run, "request"), security(run), trace
            )
            peer.send([API_REQUEST])
            reply = peer.receive(patience)
            state = peer.handshake()
            peer.close()
            if reply is None and (ended := run.ended()):
                return {"alive": False, "why": f"the server is not alive: {ended}"}
            if reply is None:
                why = f"no answer to `api` in {patience:g} s (handshake: {state})"
            elif is_api(reply):
                seconds = round(time.monotonic() - began, 3)
                return {"alive": True, "tries": number, "seconds": seconds}
            else:
                why = f"`api` is answered with {readable(reply.body, 100)}"
    finally:
        context.destroy(linger=0)
    return {"alive": False, "why": f"the server is not alive: {why}, {tries} fresh connections"}


def is_api(reply: Reply) -> bool:
    """Tell whether a reply is the success of `api` without arguments."""
    try:
        body = reply.json()
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("data"), list) and "api" in body["data"]
