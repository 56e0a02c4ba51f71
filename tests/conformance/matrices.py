"""Makes `interop.json` documents: verdicts by rules, everything else from them."""

from collections.abc import Callable, Sequence
from typing import Any

from packaging.version import Version

RELEASES = ("8.0.4", "8.1.4", "8.2.7", "8.3.6", "8.4.4", "8.5.4", "8.6.5", "8.7.0")
OPERATIONS = {
    "api/list/endpoints": "the list of endpoints",
    "cli/ping/workflow": "cylc ping WORKFLOW",
    "cli/hold/task": "cylc hold WORKFLOW//CYCLE/TASK",
    "cli/hold/family": "cylc hold WORKFLOW//CYCLE/FAMILY",
    "cli/set/output": "cylc set --out=x WORKFLOW//CYCLE/TASK",
    "cli/set/prerequisite": "cylc set --pre=all WORKFLOW//CYCLE/TASK",
}
Rule = Callable[[str, str, str], str | None]
"""The verdict on client, server and operation; None if it was not tried."""

REASONS = {
    "ok": "the task is held, and nothing else",
    "refused": "a clear error, and nothing changed",
    "failed": "a traceback was printed",
    "silently-ignored": "exit status 0 and nothing changed",
    "silently-different": "exit status 0 and another task was held",
    "not-applicable": "the client has no such command",
    "inconclusive": "the scheduler did not start",
}


def all_ok(client: str, server: str, operation: str) -> str:
    """Nothing is wrong."""
    return "ok"


def older(one: str, other: str) -> bool:
    """Tell whether a release is older than another; `reference` is the newest."""
    return _number(one) < _number(other)


def _number(name: str) -> Version:
    return Version(name) if name[0].isdigit() else Version("99")


def implementation(name: str, **more: Any) -> dict[str, Any]:
    """Return an implementation of the document."""
    kind = "release" if name[0].isdigit() else "manifest"
    return {
        "name": name,
        "version": name if kind == "release" else "0.1.0",
        "kind": kind,
        "roles": ["client", "server"],
        "python": "3.11.7",
        **more,
    }


def operation(identity: str, title: str) -> dict[str, Any]:
    """Return an operation of the document."""
    surface, group, *_ = identity.split("/")
    return {
        "id": identity,
        "group": group,
        "surface": surface,
        "title": title,
        "effect": f"the effect of {title}",
    }


def cell(client: str, server: str, identity: str, verdict: str, **more: Any) -> dict[str, Any]:
    """Return a cell of the document."""
    absent = verdict == "not-applicable"
    quiet = verdict in {"ok", "silently-ignored", "silently-different"}
    return {
        "client": client,
        "server": server,
        "operation": identity,
        "verdict": verdict,
        "reason": REASONS[verdict],
        "told": {
            "status": None if absent else 0 if quiet else 1,
            "outcome": None if absent else "success" if quiet else "error",
            "text": "" if absent else "Done" if quiet else f"ClientError: {REASONS[verdict]}",
        },
        "expected": "1/a is held",
        "found": "1/a is held" if verdict == "ok" else "1/a is not held",
        "changes": ["1/a: is_held false -> true"] if verdict == "ok" else [],
        "command": ["cylc", *identity.split("/")[1:2], "W//1/a"],
        "seconds": 1.25,
        "attempts": 1,
        "trace": [
            {"t": 0.01, "peer": "client", "direction": "→", "frames": [f'{{"x": "{identity}"}}']},
            {"t": 0.21, "peer": "client", "direction": "←", "frames": [f'{{"v": "{server}"}}']},
        ],
        **more,
    }


def document(
    rule: Rule = all_ok,
    names: Sequence[str | dict[str, Any]] = RELEASES,
    operations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return a document in which a rule gives the verdict of each cell."""
    ones = [one if isinstance(one, dict) else implementation(one) for one in names]
    every = OPERATIONS if operations is None else operations
    cells = [
        cell(client["name"], server["name"], identity, verdict)
        for client in ones
        if "client" in client["roles"]
        for server in ones
        if "server" in server["roles"]
        for identity in every
        if (verdict := rule(client["name"], server["name"], identity)) is not None
    ]
    return {
        "format": 1,
        "suite": {"version": "0.1.0"},
        "environment": {"python": "3.11.7", "platform": "Linux"},
        "started": "2026-11-28T12:00:00Z",
        "seconds": 2000.5,
        "implementations": ones,
        "operations": [operation(identity, title) for identity, title in every.items()],
        "cells": cells,
    }


def cylc(client: str, server: str, identity: str) -> str:
    """Decide as it is known of Cylc: there is no `set` before 8.3, on either side."""
    if identity.startswith("cli/set/"):
        if older(client, "8.3"):
            return "not-applicable"
        return "silently-ignored" if older(server, "8.3") else "ok"
    return "ok"
