"""What is special about a message, as far as the specification goes: its traits. Pure.

They are read off the bytes, not off what was done to them, so that two messages that an
implementation cannot tell apart have the same ones, however they came about.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import graphql
from attrs import frozen
from jsonschema import ValidationError

from wri_conformance import schemas
from wri_conformance.fuzzing.messages import Message

ARGUMENTS: Final[Mapping[str, str]] = {
    "api": "api.json#/$defs/args",
    "graphql": "graphql.json#/$defs/args",
    "pb_data_elements": "data.json#/$defs/args",
}
"""The schemas of the arguments of those endpoints that have some."""

KNOWN: Final = frozenset({*ARGUMENTS, "ping_workflow", "pb_entire_workflow"})
"""The endpoints of the specification."""

NAMES: Final = (
    *sorted(dir(object)),
    *("__dict__", "__name__", "__module__", "__bases__", "__mro__", "__proto__", "__call__"),
    *("constructor", "prototype", "toString", "valueOf", "hasOwnProperty"),
    *("self", "this", "cls", "args", "kwargs", "class", "def", "null", "None", ""),
    *("main", "init", "run", "start", "stop", "close", "exit", "send", "receive", "reload"),
)
"""Names that a language, or many a program in one, has for itself (END-1)."""

_DEEP, _DIGITS, _LONG = 100, 20, 4096  # more than what a server has to carry out (LIM-6)
_PARSED = 20_000  # characters of a document that are looked at


@frozen(order=True)
class Trait:
    """Where a message is special, and how; `str()` is for people."""

    place: str
    kind: str

    def __str__(self) -> str:
        """Return place and kind."""
        return f"{self.place}: {self.kind}"


@frozen(eq=False)
class Offer:
    """What a server says that it offers: endpoints and, if it has `graphql`, the schema."""

    endpoints: Sequence[str]
    schema: graphql.GraphQLSchema | None = None

    @property
    def own(self) -> frozenset[str]:
        """The endpoints that the specification does not know."""
        return frozenset(self.endpoints) - KNOWN


def traits(message: Message, offer: Offer) -> frozenset[Trait]:
    """Return all that is special about a message; nothing if it is a plain valid request."""
    found = set(_of_frames(message))
    body = message.body
    if len(body) == 1:
        found |= _of_body(body[0], offer)
    return frozenset(found)


def _of_frames(message: Message) -> Iterator[Trait]:
    if not message.well_framed:
        yield Trait("envelope", "no delimiter")
    elif len(message.wire) - len(message.body) > 1:
        yield Trait("envelope", "frames before the delimiter")
    if len(message.body) > 1:
        yield Trait("body", "several frames")


def _of_body(body: bytes, offer: Offer) -> set[Trait]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {Trait("body", "not UTF-8")}
    if text.startswith("\ufeff"):
        return {Trait("body", "byte order mark")}
    found: set[Trait] = set()
    try:
        document = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, found),
            parse_int=_integer,
            parse_float=_float,
        )
    except RecursionError:
        return {Trait("body", "nested deeply")}
    except ValueError:
        return {Trait("body", "not JSON")}
    found |= set(_of_schema("", "request.json", document))
    try:
        found |= set(_of_values("", document, 0))
    except RecursionError:
        found.add(Trait("body", "nested deeply"))
    if isinstance(document, dict) and isinstance(document.get("command"), str):
        found |= _of_request(document, offer)
    return found


def _object(pairs: list[tuple[str, Any]], found: set[Trait]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    found |= {Trait(name, "the same name twice") for name in set(names) if names.count(name) > 1}
    return dict(pairs)


class _Long(float):
    """A number of more digits than a server has to carry out; how large it is, is left open."""


def _float(text: str) -> float:
    return float(text) if len(text) <= _DIGITS else _Long()


def _integer(text: str) -> float:
    return int(text) if len(text) <= _DIGITS else _Long()


def _of_schema(base: str, schema: str, value: Any) -> Iterator[Trait]:
    try:
        for error in schemas.named(schema).iter_errors(value):
            yield _of_error(base, error)
    except RecursionError:
        yield Trait("body", "nested deeply")


def _of_error(base: str, error: ValidationError) -> Trait:
    place = [str(part) for part in (*([base] if base else []), *error.absolute_path)]
    while error.validator in {"oneOf", "anyOf"} and error.context:
        deepest = max(error.context, key=lambda e: len(e.absolute_path))
        if len(deepest.absolute_path) == len(error.absolute_path):
            return Trait(".".join(place) or "body", "wrong type")
        place += [str(part) for part in list(deepest.relative_path)]
        error = deepest
    if error.validator == "required":
        instance: Any = error.instance
        missing = [name for name in error.validator_value if name not in instance]  # type: ignore[union-attr]
        return Trait(".".join([*place, *missing[:1]]), "missing")
    if not place and error.validator == "type":
        return Trait("body", "not an object")
    kind = {"type": "wrong type", "enum": "unknown value"}.get(str(error.validator), "not valid")
    return Trait(".".join(place) or "body", kind)


def _of_values(place: str, node: Any, depth: int) -> Iterator[Trait]:
    """Yield what is special about single values, wherever they stand."""
    if depth > _DEEP:
        yield Trait("body", "nested deeply")
        return
    here = place or "body"
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _of_values(f"{place}.{name}"[:60].strip(".") or "name", value, depth + 1)
            yield from _of_text("names" if place else "members", name)
    elif isinstance(node, list):
        for value in node:
            yield from _of_values(f"{here}[]", value, depth + 1)
    elif isinstance(node, str):
        yield from _of_text(here, node)
    elif isinstance(node, _Long):
        yield Trait(here, "number of many digits")
    elif isinstance(node, float) and not math.isfinite(node):
        yield Trait(here, "no number of JSON")
    elif isinstance(node, float | int) and abs(node) >= 2**53:
        yield Trait(here, "huge number")


def _of_text(place: str, text: str) -> Iterator[Trait]:
    if any("\ud800" <= c <= "\udfff" for c in text):
        yield Trait(place, "lone surrogate")
    if any(c < " " and c not in "\n\t" for c in text):
        yield Trait(place, "control character")
    if len(text) > _LONG:
        yield Trait(place, "long text")


def _of_request(document: Mapping[str, Any], offer: Offer) -> set[Trait]:
    command = document["command"]
    if command not in offer.endpoints:
        known = command in NAMES
        return {Trait("command", "a name of the language" if known else "no endpoint")}
    found = {
        Trait("members", "unknown member")
        for name in document
        if name not in {"command", "args", "meta"}
    }
    args = document.get("args")
    if not isinstance(args, dict):
        return found
    schema = ARGUMENTS.get(command)
    if schema is not None:
        found |= {
            Trait(f"{command} {trait.place}", trait.kind)
            for trait in _of_schema("args", schema, args)
        }
    if command == "graphql" and isinstance(args.get("request_string"), str):
        found |= set(_of_document(args["request_string"], offer.schema))
    return found


def _of_document(text: str, schema: graphql.GraphQLSchema | None) -> Iterator[Trait]:
    place = "graphql args.request_string"
    if len(text) > _PARSED:
        yield Trait(place, "long document")
        return
    try:
        document = graphql.parse(text)
        for definition in document.definitions:
            if isinstance(definition, graphql.OperationDefinitionNode):
                yield from _of_operation(place, definition)
        if schema is not None and graphql.validate(schema, document, max_errors=1):
            yield Trait(place, "not valid for the schema")
    except graphql.GraphQLSyntaxError:
        yield Trait(place, "not GraphQL")
    except RecursionError:
        yield Trait(place, "nested deeply")


def _of_operation(place: str, operation: graphql.OperationDefinitionNode) -> Iterator[Trait]:
    if operation.operation is graphql.OperationType.SUBSCRIPTION:
        yield Trait(place, "subscription")
    if operation.operation is graphql.OperationType.MUTATION:
        for field in operation.selection_set.selections:
            if isinstance(field, graphql.FieldNode):
                yield Trait(f"mutation {field.name.value}", "arguments")
