"""The list of faults, which every module of this directory adds to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from mutants.peer import Mutant

_Kind = TypeVar("_Kind", bound="type[Mutant]")


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
