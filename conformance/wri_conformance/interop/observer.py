"""Looks at a scheduler directly, around the relay, with the suite's own peers and messages."""

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import zmq
from attrs import define, field

from wri_conformance import decode
from wri_conformance.interop import state
from wri_conformance.interop.state import Expectation
from wri_conformance.peers import Peer, Security
from wri_conformance.probe import address, security
from wri_conformance.runs import Run
from wri_conformance.trace import Trace

REPLY: Final = 8.0
"""Seconds in which a scheduler that works answers, also on a machine that does much else."""

_PAUSE: Final = 0.15  # seconds between two looks
SETTLED: Final = 1.4
"""Seconds without a change after which none is expected: more than between two bursts."""

_PARAMETERS: Final = ("is_paused", "holdcp", "stopcp", "stop_task", "stop_clock_time")


class Unreachable(Exception):  # noqa: N818 - told as no evidence
    """The scheduler does not answer the suite."""


@define(eq=False)
class Observer:
    """What the suite sees of one scheduler."""

    run: Run
    shutdown: str | None = None  # what was published when it ended
    snapshot: Any = None  # the last PbEntireWorkflow
    gone: bool = False
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _peer: Peer | None = None
    _listener: Peer | None = None
    _trace: Trace = field(factory=Trace)

    def listen(self) -> None:
        """Subscribe to what is published at the end."""
        self._listener = Peer.open(
            self._context,
            "observer",
            "SUB",
            address(self.run, "publish"),
            security(self.run),
            self._trace,
            topics=["shutdown"],
        )

    def ask(self, command: str, args: Mapping[str, Any]) -> Any:
        """Return the reply to a request, as `peers.Reply`.

        Raises:
            Unreachable: there is none.
        """
        for _ in range(2):
            if self._peer is None:
                where = address(self.run, "request")
                keys: Security = security(self.run)
                self._peer = Peer.open(self._context, "observer", "REQ", where, keys, self._trace)
            body = json.dumps({"command": command, "args": dict(args)}).encode()
            sent = self._peer.send([body])
            reply = self._peer.receive(REPLY) if sent else None
            if reply is not None:
                return reply
            self._peer.close()
            self._peer = None
            if self.ended:
                break
        raise Unreachable("the scheduler does not answer")

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self.run.process() is None

    def mutate(self, name: str, **arguments: Any) -> str:
        """Send a mutation, whose arguments are written into the document; return what is wrong."""
        written = "".join(f", {key}: {_literal(value)}" for key, value in arguments.items())
        document = f'mutation {{ {name}(workflows: ["*"]{written}) {{ result }} }}'
        reply = self.ask("graphql", {"request_string": document, "variables": {}})
        answer = reply.json()
        with contextlib.suppress(LookupError, TypeError):
            if answer["data"][name]["result"][0]["response"][0] is not False:
                return ""
        return str(answer)[:300]

    def look(self) -> dict[str, str]:
        """Return the state now; a scheduler that has ended has only that.

        Raises:
            Unreachable: it does not answer and has not ended.
        """
        if self.gone or self.ended:
            self.gone = True
            return self._last_words()
        try:
            reply = self.ask("pb_entire_workflow", {})
        except Unreachable:
            if not self.ended:
                raise
            self.gone = True
            return self._last_words()
        try:
            self.snapshot = decode.parse("PbEntireWorkflow", reply.body)
        except decode.NotThatError as error:
            raise Unreachable(str(error)) from None
        return {**state.of_snapshot(self.snapshot), **self._database(), **self._log()}

    def _last_words(self) -> dict[str, str]:
        deadline = time.monotonic() + 2
        while self._listener is not None and self.shutdown is None:
            heard = self._listener.receive(max(0.0, deadline - time.monotonic()))
            if heard is None:
                break
            if heard.frames[0] == b"shutdown" and len(heard.frames) > 1:
                self.shutdown = heard.frames[1].decode(errors="replace")
        contact = "there" if (self.run.service / "contact").exists() else ""
        return {
            "workflow status": "ended",
            "workflow shutdown": self.shutdown or "",
            "workflow contact": contact,
        }

    def _database(self) -> dict[str, str]:
        path = self.run.run_dir / "log" / "db"
        if not path.exists():
            return _stops(self.snapshot.workflow.status_msg)
        facts: dict[str, str] = {}
        with contextlib.suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.5)
            try:
                rows = connection.execute("SELECT key, value FROM workflow_params").fetchall()
                held = dict(rows)
                for key in _PARAMETERS:
                    facts[f"parameter {key}"] = _parameter(held.get(key))
                facts |= {
                    "stops at cycle": facts["parameter stopcp"],
                    "stops at task": facts["parameter stop_task"],
                    "stops at time": facts["parameter stop_clock_time"],
                }
                pool = connection.execute(
                    "SELECT cycle, name, status, flow_nums FROM task_pool"
                ).fetchall()
                for cycle, name, status, flows in pool:
                    facts[f"{cycle}/{name} pool"] = str(status)
                    # 8.0 publishes the flows that were expected of a task that now runs in none.
                    facts[f"{cycle}/{name} flows"] = state.flow_numbers(flows)
            finally:
                connection.close()
        return facts

    def _log(self) -> dict[str, str]:
        path = self.run.run_dir / "log" / "scheduler" / "log"
        with contextlib.suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            return {"log debug": "true" if " DEBUG - " in text else "false"}
        return {}

    def wait_for(
        self,
        satisfied: Callable[[Mapping[str, str]], bool],
        seconds: float,
        calm: float = SETTLED,
    ) -> dict[str, str]:
        """Return the state when it is satisfying and nothing has changed for `calm` seconds.

        Otherwise the one at the end of the time.
        """
        deadline = time.monotonic() + seconds
        last: dict[str, str] = {}
        since = time.monotonic()
        while True:
            now = self.look()
            if now != last:
                last, since = now, time.monotonic()
            settled = time.monotonic() - since >= calm
            if self.gone or (settled and satisfied(now)) or time.monotonic() > deadline:
                return now
            time.sleep(_PAUSE)

    def wait(self, wanted: Expectation, seconds: float, calm: float = SETTLED) -> dict[str, str]:
        """Return the state when it is as expected and has settled, or at the end of the time."""
        return self.wait_for(lambda now: not wanted.missing(now), seconds, calm)

    def close(self) -> None:
        """Drop all connections."""
        for peer in (self._peer, self._listener):
            if peer is not None:
                peer.close()
        self._context.destroy(linger=0)


def _stops(message: str) -> dict[str, str]:
    """Return what a status message says of where the workflow will stop, its nearest end.

    That is how one that keeps no database shows it: a cycle point, a task, or a time.
    """
    facts = dict.fromkeys(("stops at cycle", "stops at task", "stops at time"), "")
    if found := re.search(r"\bstop at (\S+)", message):
        kind = "task" if "/" in found[1] else "time" if "T" in found[1] else "cycle"
        facts[f"stops at {kind}"] = found[1]
    return facts


def _parameter(value: Any) -> str:
    return "" if value in {None, "", "0", 0, "None"} else str(value)


def _literal(value: Any) -> str:
    """Return a value as GraphQL writes it; a text that begins with `=` stands for itself."""
    if isinstance(value, str) and value.startswith("="):
        return value[1:]
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_literal(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def client_view(run: Run, home: Path, ports: tuple[int, int], host: str) -> None:
    """Put into another home what a client needs of a run directory, with ports of a relay."""
    own = home / "cylc-run" / run.workflow
    service = own / ".service"
    service.mkdir(parents=True, exist_ok=True)
    for path in run.service.iterdir():
        target = service / path.name
        if path.name == "contact" or target.exists() or target.is_symlink():
            continue
        target.symlink_to(path)
    for path in run.run_dir.iterdir():
        target = own / path.name
        if path.name != ".service" and not target.exists() and not target.is_symlink():
            target.symlink_to(path)
    replaced = {
        "CYLC_WORKFLOW_HOST": host,
        "CYLC_WORKFLOW_PORT": str(ports[0]),
        "CYLC_WORKFLOW_PUBLISH_PORT": str(ports[1]),
        "CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST": str(own),
    }
    text = "".join(
        f"{key}={replaced.get(key, value)}\n" for key, value in sorted(run.contact.items())
    )
    (service / "contact").write_text(text, encoding="utf-8")
