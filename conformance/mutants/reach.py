"""Which code of a correct peer a fault replaces, and which code a correct peer runs.

A fault can show only in a scenario in which the correct peer runs what the fault replaces. That
saves the others, and is how the self-test affords to try each mutant on its whole role.
"""

import inspect
import os
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from mutants.front import Front
from mutants.peer import Mutant, Router
from mutants.registry import FAULTS, Fault
from mutants.shadow import ANSWERING, Shadows, replaced_names
from wri_reference import server as reference

PUBLICATIONS = "publications"
"""Stands for what only those notice who connect to the publisher."""

_PUBLISHING = frozenset({"spoil_batch", "messages", "publish", "publish_queued_items"})
_CONTROLS = (Front, Router, Mutant)
_IGNORED = {"__module__", "__doc__", "__qualname__", "__annotations__", "__dict__", "__weakref__"}


class UnknownError(Exception):
    """What a fault replaces cannot be told from code that runs."""


def control(server: type[Mutant]) -> type[Mutant]:
    """Return the correct server that a mutant derives from."""
    return next(base for base in server.__mro__ if base in _CONTROLS)


def replaced(fault: Fault) -> list[str] | None:
    """Return where a mutant differs from the correct server; None if unknown.

    That is places (`file:line`) of functions that it replaces, `answers of NAME` or `PUBLICATIONS`.
    """
    if (names := _simple(fault.server)) is not None:
        differs = [_answers(fault.name)] if names & ANSWERING else []
        return [*differs, PUBLICATIONS] if names & _PUBLISHING else differs
    try:
        return sorted(set(_of_class(fault.server, control(fault.server))))
    except UnknownError:
        return None


def foreseen(fault: Fault) -> bool:
    """Tell whether a shadow can tell what a mutant would have answered."""
    return bool(ANSWERING & (_simple(fault.server) or set()))


def _simple(server: type[Mutant]) -> frozenset[str] | None:
    """Return the methods that a mutant replaces if they answer and publish, and nothing else."""
    if control(server) is not Mutant or not server.foreseeable:
        return None
    names = frozenset(replaced_names(server, Mutant) - _IGNORED)
    return names if names and names <= ANSWERING | _PUBLISHING else None


def _answers(name: str) -> str:
    return f"answers of {name}"


def _of_class(new: type, old: type) -> Iterator[str]:
    """Yield the functions of a class that another one, which derives from it, replaces."""
    for owner in new.__mro__:
        if owner in old.__mro__:
            continue
        for name, value in vars(owner).items():
            before = inspect.getattr_static(old, name, None)
            if name in _IGNORED or before is None or before is value:
                continue
            if name == "run" and issubclass(new, Mutant):
                yield from _patched(new)
            else:
                yield from _of_value(value, before)


def _of_value(new: Any, old: Any) -> Iterator[str]:
    if isinstance(old, type) and isinstance(new, type) and issubclass(new, old):
        yield from _of_class(new, old)
        return
    function = inspect.unwrap(getattr(old, "fget", None) or getattr(old, "__func__", old))
    if not isinstance(function, types.FunctionType):
        raise UnknownError
    yield place(function.__code__)


def _patched(server: type[Mutant]) -> Iterator[str]:
    """Yield the functions that `run` replaces while it runs a correct server."""
    found: list[tuple[Any, Any]] = []
    before = _names()
    peer = server.__new__(server)

    def look(self: Mutant) -> None:
        after = _names()
        found.extend(
            (after[name], before[name]) for name in before if after[name] is not before[name]
        )
        found.extend((value, getattr(type(self), name, None)) for name, value in vars(self).items())

    with patch.object(control(server), "run", look):
        try:
            server.run(peer)
        except Exception:  # noqa: BLE001 - it wanted more than there is
            raise UnknownError from None
    if not found:
        raise UnknownError
    for new, old in found:
        yield from _of_value(new, old)


def _names() -> dict[tuple[str, ...], Any]:
    """Return what the modules of the reference and their classes consist of."""
    found: dict[tuple[str, ...], Any] = {}
    package = reference.__name__.partition(".")[0]
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] != package:
            continue
        for name, value in vars(module).items():
            found[module_name, name] = value
            if isinstance(value, type) and value.__module__ == module_name:
                found |= {(module_name, name, inner): v for inner, v in vars(value).items()}
    return found


def place(code: types.CodeType) -> str:
    """Return where a function begins."""
    return f"{code.co_filename}:{code.co_firstlineno}"


def record(path: str) -> None:
    """From now on, write what happens to a file, each thing once.

    That is the place of each function that runs, and `answers of NAME` for each mutant that would
    have answered otherwise.
    """
    seen: set[types.CodeType] = set()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(text: str) -> None:
        os.write(log, f"{text}\n".encode())

    def note(frame: types.FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code not in seen:
            seen.add(frame.f_code)
            write(place(frame.f_code))

    shadowed = {one.name: one.server for one in FAULTS.values() if foreseen(one)}
    Shadows(shadowed, lambda name: write(_answers(name))).watch()
    threading.setprofile(note)
    sys.setprofile(note)
