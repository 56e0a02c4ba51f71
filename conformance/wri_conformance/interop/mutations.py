"""GraphQL documents as a release of the client writes them: its arguments, its defaults. Pure."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from attrs import frozen
from graphql import GraphQLSchema, build_schema, value_from_ast_untyped

from wri.data import root

_LEFT_OUT: Final = {"reloadGlobal": 0, "noSpawn": 0, "onResume": 6}
"""Arguments that command lines leave out unless asked, since these minor releases."""

_NULL: Final = {"flow": (3, 4)}
"""Arguments that the command lines of these minor releases send as null instead of the default."""


@frozen
class Document:
    """What goes into a request to the endpoint graphql."""

    text: str
    variables: Mapping[str, Any]

    def args(self) -> dict[str, Any]:
        """Return the arguments of the request."""
        return {"request_string": self.text, "variables": dict(self.variables)}


@cache
def schema(minor: int) -> GraphQLSchema:
    """Return the GraphQL schema of the release 8.`minor`, or of the newest that is known."""
    place = root() / "schemas" / "graphql"
    overlay = place / f"8.{minor}.graphql"
    if not overlay.is_file():
        overlay = place / f"8.{newest()}.graphql"
    base = (place / "base.graphql").read_text(encoding="utf-8")
    return build_schema(base + overlay.read_text(encoding="utf-8"))


@cache
def newest() -> int:
    """Return the newest minor release whose schema is known."""
    place = root() / "schemas" / "graphql"
    return max(int(path.stem.removeprefix("8.")) for path in place.glob("8.*.graphql"))


def has(minor: int, mutation: str, argument: str = "") -> bool:
    """Tell whether a release has a mutation, or an argument of it."""
    kind = schema(minor).mutation_type
    assert kind is not None
    field = kind.fields.get(mutation)
    return field is not None and (not argument or argument in field.args)


def write(minor: int | None, mutation: str, given: Mapping[str, Any]) -> Document:
    """Return the document of a mutation.

    A client of the release 8.`minor` sends the defaults of its arguments as well, as its command
    line was seen to do; one of no release (None) only what is given.
    """
    kind = schema(newest() if minor is None else minor).mutation_type
    assert kind is not None
    values: dict[str, Any] = {}
    types: dict[str, str] = {}
    for name, argument in kind.fields[mutation].args.items():
        node = argument.ast_node
        default = None if node is None or node.default_value is None else node.default_value
        if name in given:
            values[name] = given[name]
        elif minor is None or default is None or minor >= _LEFT_OUT.get(name, minor + 1):
            continue
        elif minor in _NULL.get(name, ()):
            values[name] = None
        else:
            values[name] = value_from_ast_untyped(default)
        types[name] = str(argument.type)
    return _document("mutation", mutation, types, values, "result")


def _document(
    operation: str, field: str, types: Mapping[str, str], values: Mapping[str, Any], selection: str
) -> Document:
    declared = ", ".join(f"${name}: {kind}" for name, kind in types.items())
    passed = ", ".join(f"{name}: ${name}" for name in types)
    text = f"{operation} ({declared}) {{ {field}({passed}) {{ {selection} }} }}"
    return Document(text, values)
