"""Shadows tell which mutants would have answered otherwise than a correct server did."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wri_conformance.scenario import directory

sys.path.insert(0, str(directory().parent))

from mutants import reach, serve
from mutants.peer import Mutant, response
from mutants.registry import FAULTS
from mutants.shadow import Shadows
from wri_reference.server import WorkflowRuntimeServer

LIST = {"command": "api", "args": {}}
NOBODY = {"command": "nobody", "args": {}}

Ask = Callable[..., set[str]]


class Counts(Mutant):
    """Answers the third request otherwise."""

    asked = 0

    def amend(self, _body: list[bytes], right: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        return right if self.asked < 3 else {"data": None}


class Notices(Mutant):
    """Answers correctly, and is another one after an unknown command."""

    noticed = False

    def receiver(self, body: list[bytes]) -> bytes:
        self.noticed = self.noticed or b"nobody" in body[0]
        return super().receiver(body)


class FirstFrame(Mutant):
    """Answers the first frame, whatever follows."""

    def answer(self, body: list[bytes]) -> bytes:
        return super().answer(body[:1])


class AsksItself(Mutant):
    """Carries out another document than the one that came."""

    def carry_out(self, _document: Any, variables: Any, operation: Any = None) -> Any:
        return super().carry_out("{ workflows { id } }", variables, operation)


class Shows(Mutant):
    """Shows another workflow in its snapshot."""

    def spoil_snapshot(self, snapshot: Any) -> None:
        snapshot.workflow.name = "other"


MINE = {kind.__name__: kind for kind in (Counts, Notices, FirstFrame, AsksItself, Shows)}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return what asks a correct server, and returns who would have answered otherwise."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind, names in (
        (Mutant, ("receiver", "answer")),
        (WorkflowRuntimeServer, ("graphql", "pb_entire_workflow", "pb_data_elements")),
    ):
        for name in names:  # what `watch` replaces comes back after the test
            monkeypatch.setattr(kind, name, getattr(kind, name))
    serve.load()
    known = {one.name: one.server for one in FAULTS.values() if reach.foreseen(one)}
    told: set[str] = set()
    Shadows(known | MINE, told.add).watch()
    server = Mutant("w")
    server.register_endpoints()

    def ask(*frames: Any) -> set[str]:
        before = set(told)
        body = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in frames]
        server.receiver(body)
        return told - before

    return ask


def test_who_answers_otherwise_is_told_once(ask: Ask) -> None:
    assert {"unsorted", "lists-twice", "no-version"} <= ask(LIST)
    assert not {"unsorted", "lists-twice", "no-version"} & ask(LIST)


def test_who_answers_the_same_is_not_told(ask: Ask) -> None:
    assert not {"dies-of-not-json", "accepts-not-json", "error-is-text"} & ask(LIST)


def test_who_would_have_died_is_told(ask: Ask) -> None:
    told = ask(b"{")
    assert {"dies-of-not-json", "accepts-not-json", "error-is-text"} <= told
    assert "dies-of-not-utf8" not in told


def test_who_would_have_waited_is_told(ask: Ask) -> None:
    assert "twenty-a-second" in ask(LIST)


def test_a_shadow_has_a_state_of_its_own(ask: Ask) -> None:
    assert "Counts" in ask(LIST)  # its state has changed, which may show later


def test_a_change_of_state_is_told_and_a_default_is_none(ask: Ask) -> None:
    assert "Notices" not in ask(LIST)
    assert "Notices" in ask(NOBODY)


def test_who_asks_something_else_of_the_correct_server_is_told(ask: Ask) -> None:
    assert "FirstFrame" not in ask(LIST)
    assert "FirstFrame" in ask(LIST, b"x")
    assert "AsksItself" not in ask(LIST)
    assert "AsksItself" in ask(
        {"command": "graphql", "args": {"request_string": "{ tasks { id } }"}}
    )


def test_a_long_request_may_change_anything(ask: Ask) -> None:
    assert {"Shows", "dies-of-not-json"} <= ask(b"x" * (1 << 20 | 1))


def test_a_fault_is_foreseen_if_it_only_answers_and_publishes() -> None:
    serve.load()
    assert reach.replaced(FAULTS["unsorted"]) == ["answers of unsorted"]
    assert reach.replaced(FAULTS["all-differs"]) == [reach.PUBLICATIONS]
    assert reach.replaced(FAULTS["mute-after-a-bad-request"]) == [
        "answers of mute-after-a-bad-request",
        reach.PUBLICATIONS,
    ]
    assert not reach.foreseen(FAULTS["dispatches-to-attributes"])  # it does what it is told
    assert not reach.foreseen(FAULTS["contact-comment"])
    assert not reach.foreseen(FAULTS["answers-twice"])  # of a server on another socket
    for place in reach.replaced(FAULTS["contact-comment"]) or ["unknown"]:
        assert ":" in place


def test_the_decorator_makes_a_fault_that_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAULTS, "made-here", raising=False)

    @response("made-here", [])
    def made(_body: list[bytes], right: dict[str, Any]) -> dict[str, Any]:
        """Is made here."""
        return right

    assert made([], {}) == {}
    assert reach.foreseen(FAULTS.pop("made-here"))
