"""The list of faults, which every module of this directory adds to."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import yaml

if TYPE_CHECKING:
    from mutants.peer import Mutant

_Kind = TypeVar("_Kind", bound="type[Mutant]")
_Peer = TypeVar("_Peer", bound=type)


class Fault(NamedTuple):
    """One thing that is wrong, and the checks that have to notice it."""

    name: str
    about: str
    breaks: tuple[str, ...]
    server: "type[Mutant]"


FAULTS: dict[str, Fault] = {}


def add(name: str, about: str, breaks: list[str], server: "type[Mutant]") -> None:
    """List a fault; `about` says what is wrong, for people."""
    if name in FAULTS or not about:
        raise ValueError(f"the fault {name} is there already, or says nothing of itself")
    FAULTS[name] = Fault(name, about, tuple(breaks), server)


def fault(name: str, breaks: list[str]) -> Callable[[_Kind], _Kind]:
    """Make a class a mutant, which differs from a correct server in what its docstring says.

    `breaks` has ids of checks, `scenario::step::requirement`, with `*` for anything: in all
    scenarios that it touches exactly these checks fail.
    """

    def register(server: _Kind) -> _Kind:
        add(name, server.__doc__ or "", breaks, server)
        return server

    return register


class AdapterFault(NamedTuple):
    """One thing that is wrong with a client or subscriber, or with the adapter of one."""

    name: str
    about: str
    breaks: tuple[str, ...]
    peer: type


ADAPTER_FAULTS: dict[str, AdapterFault] = {}


def adapter_fault(name: str, breaks: list[str]) -> Callable[[_Peer], _Peer]:
    """Make a class a mutant of the client, subscriber, data store or adapter that it derives from.

    Its docstring says what is wrong. `breaks` is as that of `fault`.
    """

    def register(peer: _Peer) -> _Peer:
        if name in FAULTS or name in ADAPTER_FAULTS or not peer.__doc__:
            raise ValueError(f"the fault {name} is there already, or says nothing of itself")
        ADAPTER_FAULTS[name] = AdapterFault(name, peer.__doc__, tuple(breaks), peer)
        return peer

    return register


def read_collateral() -> dict[str, list[str]]:
    """Return what each fault breaks besides what it was made for, by its name.

    Patterns as those of `fault`. `*` alone stands for nearly everything: such a mutant is tried on
    what it was made for only.
    """
    text = Path(__file__).with_name("collateral.yaml").read_text(encoding="utf-8")
    found: dict[str, list[str]] = yaml.safe_load(text) or {}
    return found
