"""One cell of the matrix: an operation of a client with a server, and what came of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from wri_conformance.interop.judge import Judgement, Told
from wri_conformance.interop.operations import Command, Follow, Mutation, Operation, Request
from wri_conformance.interop.state import Change
from wri_conformance.interop.verdicts import Verdict

_TEXT: Final = 1200  # characters of what was told
_CHANGES: Final = 12
_EVENTS_OF_OK: Final = 8  # of a trace
_EVENTS: Final = 40


@frozen
class Cell:
    """What came of an operation."""

    operation: Operation
    judgement: Judgement
    told: Told | None = None
    expected: str = ""
    found: str = ""
    changes: tuple[Change, ...] = ()
    command: tuple[str, ...] = ()
    seconds: float = 0.0
    attempts: int = 1
    trace: Sequence[Mapping[str, Any]] = field(factory=tuple)

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.judgement.verdict

    def to_json(self, client: str, server: str) -> dict[str, Any]:
        """Return it for the document, shortened."""
        changes = [str(change) for change in self.changes[:_CHANGES]]
        if len(self.changes) > _CHANGES:
            changes.append(f"… and {len(self.changes) - _CHANGES} more")
        most = _EVENTS_OF_OK if self.verdict is Verdict.OK else _EVENTS
        told = self.told
        return {
            "client": client,
            "server": server,
            "operation": self.operation.id,
            "verdict": self.verdict.value,
            "reason": _without_numbers(self.judgement.reason),
            "told": {
                "status": None if told is None else told.status,
                "outcome": None if told is None else told.outcome.value,
                "text": "" if told is None else _cut(told.text, _TEXT),
            },
            "expected": self.expected,
            "found": _cut(self.found, _TEXT),
            "changes": changes,
            "command": list(self.command),
            "seconds": round(self.seconds, 3),
            "attempts": self.attempts,
            "trace": _shorten(list(self.trace), most),
        }


def _shorten(events: list[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """Return the first and the last events, beginning with second 0."""
    if not events:
        return []
    start = events[0]["t"]
    kept = events if len(events) <= most else [*events[: most // 2], *events[-most // 2 :]]
    return [{**event, "t": round(event["t"] - start, 4)} for event in kept]


def _cut(text: str, most: int) -> str:
    """Return the beginning and the end of a text."""
    text = text.strip()
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n…\n{text[-most // 2 :]}"


def _without_numbers(reason: str) -> str:
    """Return a reason without what differs from run to run."""
    return re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}\b", "UUID", reason)


def by_hand(operation: Operation, workflow: str, minor: int | None = None) -> tuple[str, ...]:
    """Return how to do it by hand."""
    act = operation.act
    if isinstance(act, Command):
        return ("cylc", *(one.replace("{w}", workflow) for one in act.words(minor)))
    if isinstance(act, Mutation):
        given = ", ".join(f"{key}: {value}" for key, value in act.given.items())
        return ("client", workflow, "graphql", f"mutation {act.name}({given})")
    if isinstance(act, Request):
        query = act.args.get("request_string")
        return (
            "client",
            workflow,
            act.command,
            *([str(query)] if query else map(str, act.args.values())),
        )
    assert isinstance(act, Follow)
    return ("subscribe", workflow, "all")
