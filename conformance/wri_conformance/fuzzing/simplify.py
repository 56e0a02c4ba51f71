"""Simpler messages than one, so that what is left of a failure is what causes it. Pure."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import graphql
from attrs import evolve

from wri_conformance.fuzzing.messages import (
    API,
    Damage,
    Double,
    Frames,
    Literal,
    Members,
    Message,
    Put,
    Repeat,
    Route,
    Splice,
    Whole,
    fair,
)

MOST = 250  # messages that are worth a try at once
_OCTETS = 4_000_000  # of all of them


def cost(message: Message) -> tuple[int, int, int]:
    """Return what makes a message harder to understand: damages, members, octets."""
    return (
        len(message.damages),
        len(message.request.get("args", ())) + len(message.request),
        sum(map(len, message.wire)),
    )


def simpler(message: Message) -> list[Message]:
    """Return simpler messages that may have the same effect, the simplest first.

    Damages are undone, the rest of the request is made smaller, and values are: always towards
    the valid request that the message was made from.
    """
    limit = cost(message)
    found: dict[tuple[bytes, ...], Message] = {}
    for candidate in _candidates(message):
        if cost(candidate) < limit and candidate.wire != message.wire and fair(candidate):
            known = found.setdefault(candidate.wire, candidate)
            if cost(candidate) < cost(known):
                found[candidate.wire] = candidate
    ordered = sorted(found.values(), key=cost)[:MOST]
    total = itertools.accumulate(sum(map(len, one.wire)) for one in ordered)
    return [one for one, octets in zip(ordered, total, strict=True) if octets <= _OCTETS]


def _candidates(message: Message) -> Iterator[Message]:
    for request in _requests(message.request):
        for damages in _subsets(message.damages):
            yield Message(request, damages)
            for number, damage in enumerate(damages):
                for other in _milder(damage):
                    yield Message(request, (*damages[:number], other, *damages[number + 1 :]))


def _requests(request: Any) -> Iterator[dict[str, Any]]:
    yield dict(API)
    yield {**API, "meta": {}}
    plain = {name: value for name, value in request.items() if name in {"command", "args"}}
    yield plain
    yield {**plain, "meta": {}}
    for name in request.get("args", {}):
        args = {key: value for key, value in request["args"].items() if key != name}
        yield {**plain, "args": args}
        yield {**request, "args": args}
    yield from ({**plain, "args": {"request_string": text}} for text in _documents(plain))
    yield dict(request)


def _documents(request: Any) -> Iterator[str]:
    """Yield documents with one of the operation's fields only, or an argument less."""
    text = request.get("args", {}).get("request_string")
    try:
        document = graphql.parse(text)
    except (graphql.GraphQLError, RecursionError, TypeError):
        return
    operations = [d for d in document.definitions if isinstance(d, graphql.OperationDefinitionNode)]
    if len(operations) != 1 or len(document.definitions) > 1:
        return
    fields = operations[0].selection_set.selections
    if len(fields) > 1:
        head = text[: _span(operations[0].selection_set)[0]]
        for start, end in map(_span, fields):
            yield f"{head}{{{text[start:end]}}}"
    elif isinstance(fields[0], graphql.FieldNode) and len(fields[0].arguments or ()) > 1:
        for start, end in map(_span, fields[0].arguments or ()):
            yield f"{text[:start]}{text[end:]}"


def _span(node: graphql.Node) -> tuple[int, int]:
    assert node.loc is not None
    return node.loc.start, node.loc.end


def _subsets(damages: tuple[Damage, ...]) -> Iterator[tuple[Damage, ...]]:
    for size in range(len(damages) + 1):
        yield from itertools.combinations(damages, size)


def _milder(damage: Damage) -> Iterator[Damage]:
    if isinstance(damage, Put | Double):
        for value in _values(damage.value):
            yield evolve(damage, value=value)
            yield Put(damage.path, value)
        if isinstance(damage, Double):
            yield Put(damage.path, damage.value)
    elif isinstance(damage, Whole):
        for body in (b"0", b"[]", *_octets(damage.body)):
            yield Whole(body)
    elif isinstance(damage, Splice):
        yield evolve(damage, at=0, less=0)
        yield evolve(damage, less=0)
        for more in _octets(damage.more):
            yield evolve(damage, more=more)
            yield Splice(0, 0, more)
            yield Whole(more)
    elif isinstance(damage, Frames):
        yield Frames(after=(b"",))
        yield Frames(before=(b"",))
        yield Frames(after=damage.after[:1])
        yield Frames(before=damage.before[:1])
    elif isinstance(damage, Route):
        yield Route(("a", ""))
        yield Route(())


def _values(value: Any) -> Iterator[Any]:
    yield from (None, True, 0, 1, "", [], {})
    if isinstance(value, str):
        yield from ("x", value[: len(value) // 2], value[len(value) // 2 :], value[:1])
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (value // 2, value // 1000)
    elif isinstance(value, list):
        yield from value
        yield value[:1]
    elif isinstance(value, dict):
        yield from value.values()
        yield from ({name: one} for name, one in value.items())
    elif isinstance(value, Members):
        yield dict(value.pairs)
    elif isinstance(value, Repeat):
        for times in (1, 10, 100, 1000, value.times // 2):
            if times < value.times:
                yield evolve(value, times=times)
    elif isinstance(value, Literal):
        yield Literal(value.text[: len(value.text) // 2])


def _octets(body: bytes) -> Iterator[bytes]:
    yield b""
    for octet in sorted(set(body))[-8:]:
        yield bytes([octet])
    half = len(body) // 2
    yield body[:half]
    yield body[half:]
    if len(body) <= 64:  # noqa: PLR2004
        for number in range(len(body)):
            yield body[:number] + body[number + 1 :]


def shorter(history: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield sequences with parts left out: halves, quarters, down to single items."""
    size = len(history) // 2
    while size:
        for start in range(0, len(history), size):
            yield (*history[:start], *history[start + size :])
        size //= 2
