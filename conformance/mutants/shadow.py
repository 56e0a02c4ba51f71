"""What mutants would have answered, told beside a correct server.

Most faults of a server change its answers to some requests, and nothing else. Whatever the correct
server is asked in a scenario, a shadow of each such mutant is asked as well: an instance without
sockets, to which the correct server lends what it cannot know. As long as it answers the same and
its state stays as it is, nobody can tell it from the correct server.
"""

import copy
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

from mutants.peer import Body, Mutant
from wri_reference._dispatch import exposed
from wri_reference.server import WorkflowRuntimeServer

_LENT = ("graphql", "pb_entire_workflow", "pb_data_elements")  # these need a scheduler
_INSIDE = frozenset({"carry_out", "spoil_snapshot", "spoil_elements"})
ANSWERING = _INSIDE | {"answer", "receiver", "amend"}
"""The methods of a mutant that have a part in its answers, and in nothing else."""

_LONG = 1 << 20  # bytes of a request that no shadow is asked: all count as different


class _UnforeseenError(BaseException):
    """A shadow did what the correct server had not done; no `except Exception` may hide it."""


class Shadows:
    """The shadows of mutants that differ in `ANSWERING` methods only, by name."""

    def __init__(self, kinds: Mapping[str, type[Mutant]], differs: Callable[[str], None]) -> None:
        """Prepare; `differs` is told the name of each that turns out to answer otherwise, once."""
        self._kinds = dict(kinds)
        self._differs = differs
        self._shadows: dict[str, Mutant] = {}
        self._body: Body = []  # the last one that the correct server was asked
        self._answer = b""  # what it answered, before that was amended
        self._lent: dict[str, tuple[Any, Exception | None]] = {}

    def watch(self) -> None:
        """From now on, ask them whatever a server of this process is asked."""
        for name in _LENT:
            setattr(
                WorkflowRuntimeServer, name, self._lending(getattr(WorkflowRuntimeServer, name))
            )
        receiver, answer = Mutant.receiver, Mutant.answer

        def receive(server: Mutant, body: Body) -> bytes:
            if type(server) is not Mutant:  # a shadow, or another correct server
                return receiver(server, body)
            self._lent.clear()
            reply = receiver(server, body)
            self._ask(server, body, reply)
            return reply

        def remember(server: Mutant, body: Body) -> bytes:
            if not self._is_shadow(server):
                self._body, self._answer = list(body), answer(server, body)
            elif body != self._body or _INSIDE & replaced_names(type(server), Mutant):
                return answer(server, body)
            return self._answer

        setattr(Mutant, "receiver", receive)  # noqa: B010 - a method is not assigned to
        setattr(Mutant, "answer", remember)  # noqa: B010

    def _is_shadow(self, server: Mutant) -> bool:
        return any(server is one for one in self._shadows.values())

    def _lending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that does what it did, and for shadows what it did the last time."""

        @functools.wraps(original)
        def lend(server: Mutant, *arguments: Any) -> Any:
            key = repr((original.__name__, arguments))
            if not self._is_shadow(server):
                try:
                    result = original(server, *arguments)
                except Exception as error:
                    self._lent[key] = None, error
                    raise
                self._lent[key] = copy.deepcopy(result), None
                return result
            if key not in self._lent:
                raise _UnforeseenError
            found, failure = self._lent[key]
            if failure is not None:
                raise failure
            return copy.deepcopy(found)

        return lend

    def _ask(self, server: Mutant, body: Body, reply: bytes) -> None:
        # Both are right: the second is written by another library.
        right = (self._answer, reply)
        for name, kind in list(self._kinds.items()):
            if sum(map(len, body)) > _LONG or not self._same(name, kind, server, body, right):
                del self._kinds[name]
                self._shadows.pop(name, None)
                self._differs(name)

    def _same(
        self, name: str, kind: type[Mutant], server: Mutant, body: Body, right: tuple[bytes, bytes]
    ) -> bool:
        try:
            if name not in self._shadows:
                shadow = self._shadows[name] = kind.__new__(kind)
                shadow._directory = server.directory  # noqa: SLF001 - all that it knows
                shadow.endpoints = exposed(shadow)
            shadow = self._shadows[name]
            before = {
                key: value.copy() if isinstance(value, dict | list | set) else value
                for key, value in vars(shadow).items()
            }
            with patch.object(time, "sleep", _unforeseen):
                same = shadow.receiver(list(body)) in right
            return same and all(
                before.get(key, getattr(kind, key, _unforeseen)) == value
                for key, value in vars(shadow).items()
            )
        except (Exception, _UnforeseenError):  # noqa: BLE001 - the correct server raises nothing
            return False


def replaced_names(server: type, correct: type) -> set[str]:
    """Return the names of what a mutant replaces of the correct server that it derives from."""
    return {
        name
        for owner in server.__mro__
        if owner not in correct.__mro__
        for name, value in vars(owner).items()
        if getattr(correct, name, value) is not value
    }


def _unforeseen(_seconds: float) -> None:
    raise _UnforeseenError
