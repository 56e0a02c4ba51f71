"""Makes messages: valid ones from the schemas, then damage (Hypothesis). Pure.

hypothesis-jsonschema cannot be used: it knows drafts 4 to 7, so that it does not follow references
from one of our schemas (2020-12) to another, and it breaks on current releases of Hypothesis.
`valid` covers the part of JSON Schema that the schemas of requests use, and refuses any other.
"""

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, TypeVar

import graphql
import hypothesis
from attrs import frozen
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis_graphql import from_schema, nodes, queries

from wri_conformance import schemas
from wri_conformance.fuzzing.messages import (
    API,
    Damage,
    Double,
    Drop,
    Frames,
    Literal,
    Message,
    Path,
    Put,
    Repeat,
    Route,
    Spell,
    Splice,
    Whole,
    fair,
    places,
    text_of,
)
from wri_conformance.fuzzing.traits import ARGUMENTS, NAMES, Offer

PEERS = ("REQ", "REQ-correlate", "DEALER", "DEALER")
"""The kinds of the connections of a session."""

_SESSIONS = 10  # of one call of Hypothesis, and as many documents
_CROSSINGS = 9  # sessions that are made of those that Hypothesis has drawn, for each of them
_STEPS = 32
_NUMBERS_OF_DAMAGES = (0, 1, 1, 1, 1, 2, 2, 3)
_DEEPEST = 100_000
_LONGEST_DOCUMENT = 20_000  # octets; longer ones take some servers minutes (chapter 13.4)
_TICKS = ("*", "*/*", "1", "1/ready", "1/long/01", "10", "FAM", "main", "~*/main", "succeeded", "")

_Value = TypeVar("_Value")


@frozen
class Step:
    """A message of one of the `PEERS`; `wait` for all replies before the next step."""

    peer: int
    message: Message
    wait: bool = False


Session = tuple[Step, ...]


def commands(steps: Sequence[Step]) -> bool:
    """Tell whether a server may come to its end by right, since it was sent a command."""
    return any(
        "mutation" in step.message.text or any(b"mutation" in one for one in step.message.frames)
        for step in steps
    )


# -- valid values


class UnsupportedError(Exception):
    """A schema uses a keyword that no value can be made for; `str()` names it."""


_TEXT = st.one_of(st.text(max_size=20), st.sampled_from(_TICKS))
_SCALARS: Mapping[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "null": st.none(),
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "object": st.dictionaries(_TEXT, st.one_of(_TEXT, st.integers(-9, 9)), max_size=3),
    "array": st.lists(_TEXT, max_size=3),
}
_IGNORED = {"$schema", "$id", "$defs", "title", "description"}


@cache
def valid(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for values that are valid against a schema, such as `request.json`.

    Raises:
        UnsupportedError: the schema needs more than this function can do.
    """
    file, _, fragment = name.partition("#")
    node: Any = schemas.registry().contents(schemas.BASE + file)
    for part in fragment.strip("/").split("/") if fragment else ():
        node = node[part]
    return _valid(node)


def _valid(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return valid(schema["$ref"])
    if (
        unknown := set(schema)
        - _IGNORED
        - {*("type", "properties", "required", "enum", "const", "oneOf", "anyOf")}
    ):
        raise UnsupportedError(f"{schema.get('title', 'a schema')} uses {min(unknown)}")
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return st.one_of([_valid(part) for part in schema[word]])
    kinds = schema.get("type", sorted(_SCALARS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_of_type(kind, schema) for kind in kinds])


def _of_type(kind: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if kind != "object" or "properties" not in schema:
        return _SCALARS[kind]
    members = {name: _valid(part) for name, part in schema["properties"].items()}
    required = schema.get("required", ())
    return st.fixed_dictionaries(
        {name: members[name] for name in required},
        optional={name: one for name, one in members.items() if name not in required},
    )


# -- damage


_NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["NaN", "Infinity", "-Infinity", "1e999", "-0", "1E400", "-0.0", "00", "1."]
    ).map(Literal),
    st.sampled_from([2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40]),
    st.builds(
        Repeat,
        st.sampled_from(["9", "0"]),
        st.sampled_from([25, 400, 5000]),
        st.sampled_from(["1", "-1", "0.1", "1e"]),
    ),
)
_TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(NAMES),
    st.sampled_from(_TICKS),
    st.sampled_from(
        ["\x00", "\n", "\x1b[2J", "\u202e", "%s", "{0}", "../..", "$HOME", "\uffff", "'", '"']
    ),
    st.sampled_from(
        [r'"\ud800"', r'"\udfff\ud800"', r'"a\udc00"', r'"\u0000"', r'"\x"', '"\t"', "'x'"]
    ).map(Literal),
    st.builds(
        Repeat,
        st.sampled_from(["a", "a,", "*", "/", "\\\\", "\\u0000", "ä", "%s"]),
        st.sampled_from([200, 5000, 70_000]),
        before=st.just('"'),
        after=st.just('"'),
    ),
)
_NESTED = st.builds(
    lambda pair, times, inner: Repeat(pair[0], times, between=inner, close=pair[1]),
    st.sampled_from([("[", "]"), ('{"a":', "}"), ("[[", "]]"), ("[", "")]),
    st.sampled_from([50, 101, 1000, 20_000, _DEEPEST // 2]),
    st.sampled_from(["", "1", "null"]),
)
_LEAVES = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, 1, "", "x"]),
    st.builds(list),
    st.builds(dict),
    _LEAVES,
    _NESTED,
    st.recursive(
        _LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
_BYTES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"", b"\x00", b"\xff", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"{", b"]", b'"']
    ),
)
_ENCODINGS = (
    *("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-7", "cp037"),
    *("spaces", "escapes"),
)
_BODIES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    _VALUES.map(lambda value: text_of(value).encode("utf-8", "surrogatepass")),
    st.sampled_from([b"", b"\n", b"\x00", b"{}{}", b'{"command": "api", "args": {}}\n{}']),
)
_FRAMES = st.lists(st.one_of(_BYTES, st.just(b'{"command":"api","args":{}}')), max_size=3).map(
    tuple
)
_PARTS = st.sampled_from(["a", "abcd", "x" * 255, "x" * 256, "0", "\x00"])
_ROUTES = st.one_of(
    st.integers(0, 9999).map(lambda number: (f"r{number}", "")),
    st.lists(_PARTS, max_size=4).map(lambda parts: (*parts, "")),
    st.lists(_PARTS, max_size=2).map(tuple),
    st.just(("", "")),
)


def _absent(request: Mapping[str, Any]) -> list[Path]:
    """Return the places of members that the schemas name and a request does not have."""
    found: list[Path] = [("meta",)]
    found += [("meta", name) for name in ("prog", "host", "comms_method", "auth_user")]
    schema = ARGUMENTS.get(request["command"])
    if schema is not None:
        known = schemas.registry().contents(schemas.BASE + schema.split("#")[0])
        found += [("args", name) for name in known["$defs"]["args"]["properties"]]
    return found


def _another_value(draw: st.DrawFn, request: Mapping[str, Any]) -> Damage:
    path = draw(st.sampled_from([(), *places(request), *_absent(request)]))
    text = _at(request, path)
    if isinstance(text, str) and len(text) > 1 and draw(st.booleans()):
        return Put(path, draw(_edited(text)))
    return Put(path, draw(_VALUES))


def _another_member(draw: st.DrawFn, _request: Mapping[str, Any]) -> Damage:
    place = draw(st.sampled_from([(), ("args",), ("meta",)]))
    name = draw(st.one_of(st.sampled_from(NAMES), st.text(max_size=10)))
    return Put((*place, name), draw(_VALUES))


def _less(draw: st.DrawFn, request: Mapping[str, Any]) -> Damage:
    return Drop(draw(st.sampled_from(list(places(request)))))


def _twice(draw: st.DrawFn, request: Mapping[str, Any]) -> Damage:
    return Double(draw(st.sampled_from(list(places(request)))), draw(_VALUES))


_BLIND = st.one_of(
    st.sampled_from(NAMES).map(lambda name: Put(("command",), name)),
    st.sampled_from(_ENCODINGS).map(Spell),
    st.builds(Splice, st.integers(0, 2000), st.integers(0, 4), _BYTES),
    _BODIES.map(Whole),
    st.builds(Frames, _FRAMES, _FRAMES),
    _ROUTES.map(Route),
)
"""Damages that can be done to any request."""


def _whatever(draw: st.DrawFn, _request: Mapping[str, Any]) -> Damage:
    damage: Damage = draw(_BLIND)
    return damage


_DAMAGES = (*[_another_value] * 7, _another_member, _less, _twice, *[_whatever] * 6)


@st.composite
def _damage(draw: st.DrawFn, request: Mapping[str, Any]) -> Damage:
    damage: Damage = draw(st.sampled_from(_DAMAGES))(draw, request)
    return damage


def _at(tree: Any, path: Path) -> Any:
    """Return the value at a place; None if there is none."""
    for name in path:
        if isinstance(tree, Mapping):
            tree = tree.get(str(name))
        elif isinstance(tree, list) and isinstance(name, int):
            tree = tree[name]
        else:
            return None
    return tree


@st.composite
def _edited(draw: st.DrawFn, text: str) -> str:
    """A text with one edit, as documents of GraphQL need it."""
    start = draw(st.integers(0, len(text) - 1))
    end = min(len(text), start + draw(st.integers(0, 12)))
    how = draw(st.integers(0, 3))
    if how == 0:
        return text[:start] + text[end:]
    if how == 1:
        other = st.sampled_from(
            ["{", "}", "(", ")", '"', '"""', "$", "!", "@", "...", ":", "\\u", "#"]
        )
        return text[:start] + draw(st.one_of(other, st.text(max_size=4))) + text[end:]
    if how == 2:  # noqa: PLR2004
        times = draw(st.sampled_from([2, 50, 2000]))
        return text[:start] + text[start:end] * min(times, _LONGEST_DOCUMENT // 12) + text[end:]
    return text[:start]


# -- messages and sessions


@frozen(eq=False, slots=False)
class Stock:
    """What messages are made of: what the server offers, and documents for it."""

    offer: Offer
    documents: Sequence[str] = ()

    @cached_property
    def requests(self) -> st.SearchStrategy[dict[str, Any]]:
        """A strategy for valid requests to all endpoints."""
        return st.builds(
            _request,
            valid("request.json"),
            st.one_of([self._call(name) for name in self.offer.endpoints]),
        )

    def _call(self, name: str) -> st.SearchStrategy[tuple[str, Any]]:
        args: st.SearchStrategy[Any] = st.just({})
        if name in ARGUMENTS:
            args = valid(ARGUMENTS[name])
        if name == "graphql" and self.documents:
            documents = st.sampled_from(self.documents)
            args = st.builds(lambda args, text: {**args, "request_string": text}, args, documents)
        return st.tuples(st.just(name), args)


def _request(envelope: Mapping[str, Any], call: tuple[str, Any]) -> dict[str, Any]:
    return {**envelope, "command": call[0], "args": call[1]}


@st.composite
def messages(draw: st.DrawFn, stock: Stock) -> Message:
    """A request with up to three damages; most have one."""
    request = draw(stock.requests) if draw(st.integers(0, 2)) else dict(API)
    number = draw(st.sampled_from(_NUMBERS_OF_DAMAGES))
    return Message(request, tuple(draw(_damage(request)) for _ in range(number)))


def sessions(stock: Stock) -> st.SearchStrategy[Session]:
    """Messages of several peers, in the order in which they are sent."""
    step = st.builds(
        Step,
        # One that waits for each reply, as REQ does, takes longest.
        st.sampled_from([0, 1, *[2, 3] * 4]),
        messages(stock),
        st.sampled_from([*[False] * 9, True]),
    )
    return st.lists(step, min_size=_STEPS // 2, max_size=_STEPS).map(tuple)


def stream(offer: Offer, seed: int) -> Iterator[Session]:
    """Yield sessions without end, the same for the same seed and offer."""
    with tempfile.TemporaryDirectory(prefix="wri-") as directory:
        set_hypothesis_home_dir(directory)  # nothing is left where the user is
        number = 0
        while True:
            few = min(_SESSIONS, number + 2)  # the first ones are waited for
            documents: list[str] = []
            if offer.schema is not None:
                documents = _documents(offer.schema, few, seed + number)
            stock = Stock(offer, documents)
            drawn = _drawn(sessions(stock), few, seed + number)
            for session in (*drawn, *_crossed(drawn, random.Random(seed + number))):  # noqa: S311
                yield tuple(one for one in map(_fitting, session) if fair(one.message))
            number += 1


def _fitting(step: Step) -> Step:
    """Leave out the envelope where the socket makes it."""
    routes = [damage for damage in step.message.damages if isinstance(damage, Route)]
    if not routes or PEERS[step.peer] == "DEALER":
        return step
    damages = tuple(one for one in step.message.damages if one not in routes)
    return Step(step.peer, Message(step.message.request, damages), step.wait)


def _crossed(drawn: Sequence[Session], chance: random.Random) -> Iterator[Session]:
    """Yield sessions with the damages of some messages done to others.

    To draw a message takes some milliseconds, several times as long as to send it.
    """
    steps = [step for session in drawn for step in session]
    damages = [damage for step in steps for damage in step.message.damages]
    for _ in range(_CROSSINGS * len(drawn) if damages else 0):
        yield tuple(
            Step(
                step.peer,
                Message(
                    chance.choice(steps).message.request,
                    tuple(chance.choices(damages, k=chance.choice(_NUMBERS_OF_DAMAGES))),
                ),
                step.wait,
            )
            for step in chance.choice(drawn)
        )


def _drawn(strategy: st.SearchStrategy[_Value], number: int, seed: int) -> list[_Value]:
    found: list[_Value] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(value: _Value) -> None:
        found.append(value)

    collect()
    return found


def _documents(schema: graphql.GraphQLSchema, number: int, seed: int) -> list[str]:
    """Return valid documents."""
    texts = st.one_of(st.text(max_size=10), st.sampled_from(_TICKS)).map(nodes.String)
    scalars = {
        name: texts
        for name, kind in schema.type_map.items()
        if graphql.is_scalar_type(kind) and not graphql.is_specified_scalar_type(kind)
    }
    kinds = [queries(schema, custom_scalars=scalars)]
    if schema.mutation_type is not None:
        kinds.append(from_schema(schema, custom_scalars=scalars))
    found = _drawn(st.one_of(kinds), number, seed)
    return [text for text in found if len(text) <= _LONGEST_DOCUMENT]


def fuzzed(schema: graphql.GraphQLSchema, *, mutations: bool) -> graphql.GraphQLSchema:
    """Return a schema without what ends a server by right: the mutation `stop`.

    Without `mutations`, and without subscriptions in any case, which cannot be served (GQL-15).
    """
    kept = schema.to_kwargs()
    kept["subscription"] = None
    if not mutations:
        kept["mutation"] = None
    changed = graphql.GraphQLSchema(**kept)
    if changed.mutation_type is not None:
        changed.mutation_type.fields.pop("stop", None)
    return changed
