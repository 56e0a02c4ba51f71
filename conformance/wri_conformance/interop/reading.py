"""Reads `interop.json`: the implementations, the operations, and what became of each of them."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, frozen
from packaging.version import InvalidVersion, Version

from wri_conformance import schemas
from wri_conformance.interop.verdicts import Verdict, worst
from wri_conformance.mistakes import Mistake

Role = Literal["client", "server"]


@frozen
class Implementation:
    """A client, a scheduler, or both. `kind` is release, checkout or manifest."""

    name: str
    version: str
    kind: str
    roles: tuple[str, ...]

    @property
    def release(self) -> Version | None:
        """The version of Cylc that it is; a checkout counts as the version that it leads to.

        None for another program, whose versions are its own, and for what is no version.
        """
        return None if self.kind == "manifest" else version_of(self.version)


@frozen
class Operation:
    """Something that a client does: `surface` is cli, api, graphql or stream."""

    id: str
    group: str
    surface: str
    title: str


@frozen
class Cell:
    """What became of an operation between a client and a scheduler, given by their names."""

    client: str
    server: str
    operation: str
    verdict: Verdict
    reason: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Its place in the matrix."""
        return self.client, self.server, self.operation


@frozen
class Matrix:
    """Everything that was tried. Implementations and operations are in the order of the file."""

    implementations: tuple[Implementation, ...]
    operations: tuple[Operation, ...]
    cells: Mapping[tuple[str, str, str], Cell]

    def of(self, role: Role) -> tuple[Implementation, ...]:
        """Return the implementations that have a role."""
        return tuple(one for one in self.implementations if role in one.roles)

    def tried(self, role: Role) -> tuple[Implementation, ...]:
        """Return the implementations that were tried in a role with at least one operation."""
        place = 0 if role == "client" else 1
        names = {key[place] for key in self.cells}
        return tuple(one for one in self.implementations if one.name in names)

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The names of clients and servers that were tried with each other."""
        return frozenset((client, server) for client, server, _ in self.cells)


@functools.cache
def version_of(text: str) -> Version | None:
    """Return the release that a version leads to, 8.7.0 for 8.7.0.dev0; None for no version."""
    try:
        return Version(Version(text).base_version)
    except InvalidVersion:
        return None


def read(path: Path) -> Any:
    """Return the document in a file, valid against `interop.json`.

    Raises:
        Mistake: it cannot be read, is not JSON, or is not valid.
    """
    again = "make it with `wri interop`"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Mistake("there is no such file", again, path) from None
    except OSError as error:
        raise Mistake(f"cannot be read: {error.strerror}", "check the path", path) from None
    except json.JSONDecodeError as error:
        raise Mistake(f"is not JSON: {error.msg}", again, path, error.lineno) from None
    except (ValueError, RecursionError):
        raise Mistake("is not JSON in UTF-8", again, path) from None
    if errors := schemas.problems("interop.json", document):
        told = schemas.explain(errors[:1]).splitlines()[0]
        raise Mistake(f"is no matrix: {told}", again, path)
    _verify(document, path)
    return document


def _verify(document: Mapping[str, Any], path: Path | None) -> None:
    again = "make it again with `wri interop`"
    named = {one["name"] for one in document["implementations"]}
    operations = {one["id"] for one in document["operations"]}
    for what, known in (("implementations", named), ("operations", operations)):
        if len(known) < len(document[what]):
            raise Mistake(f"is no matrix: two of its {what} have the same name", again, path)
    seen = set()
    for cell in document["cells"]:
        key = (cell["client"], cell["server"], cell["operation"])
        if not named.issuperset(key[:2]) or key[2] not in operations:
            place = " → ".join(key)
            raise Mistake(
                f"is no matrix: a cell is about what it does not list: {place}", again, path
            )
        if key in seen:
            raise Mistake(f"is no matrix: a cell is there twice: {' → '.join(key)}", again, path)
        seen.add(key)


def matrix(document: Mapping[str, Any]) -> Matrix:
    """Return the matrix that a valid document holds."""
    cells = [
        Cell(
            cell["client"],
            cell["server"],
            cell["operation"],
            Verdict(cell["verdict"]),
            cell["reason"],
        )
        for cell in document["cells"]
    ]
    return Matrix(
        tuple(
            Implementation(one["name"], one["version"], one["kind"], tuple(one["roles"]))
            for one in document["implementations"]
        ),
        tuple(
            Operation(one["id"], one["group"], one["surface"], one["title"])
            for one in document["operations"]
        ),
        {cell.key: cell for cell in cells},
    )


def merged(matrices: Sequence[Matrix]) -> Matrix:
    """Return several matrices as one; of a cell that several have, the worst verdict counts.

    Raises:
        Mistake: implementations of the same name differ.
    """
    implementations: dict[str, Implementation] = {}
    operations: dict[str, Operation] = {}
    cells: dict[tuple[str, str, str], Cell] = {}
    for one in matrices:
        for implementation in one.implementations:
            there = implementations.get(implementation.name, implementation)
            if (there.version, there.kind) != (implementation.version, implementation.kind):
                raise Mistake(
                    f"{there.name} is {there.version} in one matrix, and "
                    f"{implementation.version} in another",
                    "give matrices of the same implementations",
                )
            roles = tuple(dict.fromkeys((*there.roles, *implementation.roles)))
            implementations[there.name] = evolve(there, roles=roles)
        operations |= {operation.id: operation for operation in one.operations}
        for key, cell in one.cells.items():
            if key not in cells or worst((cell.verdict, cells[key].verdict)) is cell.verdict:
                cells[key] = cell
    ordered = sorted(implementations.values(), key=_age)
    return Matrix(tuple(ordered), tuple(operations.values()), cells)


def _age(one: Implementation) -> tuple[bool, Version]:
    return one.release is None, one.release or Version("0")
