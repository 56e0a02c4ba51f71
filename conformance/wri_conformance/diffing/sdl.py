"""Compares two GraphQL schemas, in both directions, by the rules of graphql-core. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import graphql
from attrs import evolve
from graphql.utilities import BreakingChange, BreakingChangeType, DangerousChange

from wri_conformance.diffing.changes import NEW_CLIENTS, OLD_CLIENTS, Change, Level

_AREA: Final = "GraphQL schema"
_B: Final = BreakingChangeType
# Directives belong to the library, not to the interface.
_IGNORED: Final = {
    kind for kind in _B if kind.name.startswith("DIRECTIVE") or kind.name == "REPEATABLE_REMOVED"
}
# What a removal is called when it is looked at from the other end.
_ADDITIONS: Final[Mapping[BreakingChangeType, str]] = {
    _B.TYPE_REMOVED: "TYPE_ADDED",
    _B.FIELD_REMOVED: "FIELD_ADDED",
    _B.ARG_REMOVED: "ARG_ADDED",
    _B.VALUE_REMOVED_FROM_ENUM: "VALUE_ADDED_TO_ENUM",
    _B.TYPE_REMOVED_FROM_UNION: "TYPE_ADDED_TO_UNION",
    _B.IMPLEMENTED_INTERFACE_REMOVED: "IMPLEMENTED_INTERFACE_ADDED",
    _B.REQUIRED_ARG_ADDED: "REQUIRED_ARG_REMOVED",
    _B.REQUIRED_INPUT_FIELD_ADDED: "REQUIRED_INPUT_FIELD_REMOVED",
}
# As graphql-core 3.3 writes them, and 3.2 did.
_PLACES: Final = (
    re.compile(r"(?P<place>\w+\.\w+)\((?P<arg>\w+):\)"),
    re.compile(r"^An? (?:required|optional) arg (?P<arg>\w+) on (?P<place>\w+\.\w+) was added"),
    re.compile(r"^(?P<place>\w+\.\w+) arg (?P<arg>\w+) "),
    re.compile(r"^An? (?:required|optional) field (?P<member>\w+) on input type (?P<place>\w+)"),
    re.compile(
        r"^(?P<member>\w+) was (?:removed from|added to) (?:enum|union) type (?P<place>\w+)"
    ),
    re.compile(r"(?P<place>\w+\.\w+)"),
    re.compile(r"^(?:Standard scalar )?(?P<place>\w+) "),
)
_FROM_TO: Final = re.compile(r" from (?P<before>.+) to (?P<after>.+)\.$")


def compare(before: str, after: str) -> Iterator[Change]:
    """Yield what changed from one schema in SDL to another."""
    old, new = _served(before), _served(after)
    forward = [
        _of(change, old, new, OLD_CLIENTS)
        for change in graphql.find_breaking_changes(old, new)
        if change.type not in _IGNORED
    ]
    backward = [
        _of(change, new, old, NEW_CLIENTS)
        for change in graphql.find_breaking_changes(new, old)
        if change.type not in _IGNORED
    ]
    dangerous = [
        _dangerous(change, old, new) for change in graphql.find_dangerous_changes(old, new)
    ]
    found: dict[tuple[str, str], Change] = {}
    for change in [*forward, *dangerous, *backward]:
        if change is None:
            continue
        key = change.kind, change.place
        if key in found:
            both = tuple(dict.fromkeys([*found[key].sides, *change.sides]))
            found[key] = evolve(found[key], sides=both)
        else:
            found[key] = change
    yield from found.values()


def _served(sdl: str) -> graphql.GraphQLSchema:
    """Return a schema without what only subscriptions reach, which no response can carry."""
    whole = graphql.build_schema(sdl, assume_valid=True)
    return graphql.GraphQLSchema(query=whole.query_type, mutation=whole.mutation_type)


def valid(sdl: str, documents: Iterable[str]) -> frozenset[str]:
    """Return the documents that a schema allows."""
    schema = graphql.build_schema(sdl, assume_valid=True)
    return frozenset(
        text for text in documents if not graphql.validate(schema, graphql.parse(text))
    )


def _of(change: BreakingChange, old: Any, new: Any, side: str) -> Change | None:
    """Return a change that breaks documents for `old` when they are sent to `new`.

    Seen from `new clients`, a removal is what others call an addition.
    """
    place = _place(change.description)
    backward = side == NEW_CLIENTS
    kind = _ADDITIONS.get(change.type, change.type.name) if backward else change.type.name
    if backward and kind.startswith("REQUIRED"):
        return None  # who sends it to an old server is served
    values = _FROM_TO.search(change.description)
    was, is_now = (values["before"], values["after"]) if values else (None, None)
    if backward:
        was, is_now = is_now, was
    if values:
        sentence = f"{_words(place, old)} was {was} and is {is_now}."
    elif kind.startswith("REQUIRED"):
        sentence = f"{_words(place, new)} was added and is required."
    elif "ADDED" in kind:
        sentence = f"{_words(place, old)} was added{_default(old, place)}."
    elif "REMOVED" in kind:
        sentence = f"{_words(place, old)} was removed."
    else:
        sentence = change.description
    removed = None if values else "there"
    return Change(
        _AREA,
        kind,
        place,
        Level.BREAKING,
        (side,),
        sentence,
        was if values else (None if backward else removed),
        is_now if values else (removed if backward else None),
        "WRI-VER-4" if backward else _requirement(place, old),
    )


def _dangerous(change: DangerousChange, old: Any, new: Any) -> Change | None:
    kind = change.type.name
    place = _place(change.description)
    if kind.startswith("OPTIONAL"):
        return None  # an old client does not send it; a new one is told of from the other end
    values = _FROM_TO.search(change.description)
    sides: tuple[str, ...] = (OLD_CLIENTS, NEW_CLIENTS)
    if kind == "VALUE_ADDED_TO_ENUM":
        enum = place.partition(".")[0]
        if enum not in _outputs(new):
            return None  # it is only sent; a new client is told of from the other end
        sides = (OLD_CLIENTS,)
    level, sentence = Level.RISKY, change.description
    was, is_now = (values["before"], values["after"]) if values else (None, None)
    if "default" in sentence.lower():
        kind, words = "ARG_DEFAULT_VALUE_CHANGE", _words(place, old)
        was, is_now = (_default_of(one, place) or "none" for one in (old, new))
        told = f"{words}: the default was {was} and is {is_now}"
        sentence = f"{told}. Who leaves it out asks for something else."
        if _spelt(was) == _spelt(is_now):
            kind, level = "ARG_DEFAULT_VALUE_SPELLING", Level.SAFE
            sentence = f"{told}, which is the same in other words."
    elif kind == "VALUE_ADDED_TO_ENUM":
        sentence = f"{_words(place, new)} was added."
    return Change(
        _AREA,
        kind,
        place,
        level,
        sides,
        sentence,
        was,
        is_now,
        _requirement(place, old),
    )


def _outputs(schema: Any) -> set[str]:
    return {
        graphql.get_named_type(field.type).name
        for one in schema.type_map.values()
        if isinstance(one, graphql.GraphQLObjectType | graphql.GraphQLInterfaceType)
        for field in one.fields.values()
    }


def _place(description: str) -> str:
    """Return where a change is: `Type`, `Type.field`, `Enum.VALUE` or `Type.field(argument:)`."""
    for form in _PLACES:
        if match := form.search(description):
            groups = match.groupdict()
            if "arg" in groups:
                return f"{groups['place']}({groups['arg']}:)"
            return ".".join(filter(None, [groups["place"], groups.get("member")]))
    return description


def _words(place: str, schema: Any) -> str:
    """Return a place in words that say what kind of thing is there."""
    name, _, arg = place.partition("(")
    if arg:
        return f"The argument {arg.rstrip(':)')} of {name}"
    kind, _, member = name.partition(".")
    if not member:
        return f"The type {name}"
    one = schema.type_map.get(kind)
    if isinstance(one, graphql.GraphQLEnumType):
        return f"The value {member} of {kind}"
    return f"The mutation {member}" if one == schema.mutation_type else f"The field {name}"


def _spelt(default: str) -> str:
    """Return a default without what graphene 2 and 3 write differently."""
    return "none" if default == "null" else default.strip('"')


def _default(schema: Any, place: str) -> str:
    """Return the default of an argument in words."""
    found = _default_of(schema, place)
    return f", with the default {found}" if found and found != "null" else ""


def _default_of(schema: Any, place: str) -> str | None:
    """Return the default of an argument as it is written, None if it has none."""
    name, _, arg = place.partition("(")
    kind, _, field = name.partition(".")
    fields = getattr(schema.type_map.get(kind), "fields", {})
    found = fields[field].args.get(arg.rstrip(":)")) if arg and field in fields else None
    if found is None:
        return None
    node = graphql.print_schema(
        graphql.GraphQLSchema(
            graphql.GraphQLObjectType(
                "Q", {"f": graphql.GraphQLField(graphql.GraphQLInt, {"a": found})}
            )
        )
    )
    match = re.search(r" = (.+)\)", node)
    return match[1] if match else None


def _requirement(place: str, schema: Any) -> str:
    mutation = str(schema.mutation_type)
    return "WRI-CTL-1" if place.startswith(f"{mutation}.") else "WRI-GQL-1"
