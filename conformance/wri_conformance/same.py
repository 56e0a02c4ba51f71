"""Compares entities that were observed in two forms, such as protobuf and GraphQL. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from wri_conformance import expect
from wri_conformance.deltas import shorten


def same(left: Any, right: Any, by: str, fields: Sequence[Any]) -> dict[str, Any]:
    """Return what a `same` step observes.

    Args:
        left: a list of objects, or one object.
        right: the same in another form.
        by: the member that names an object on both sides.
        fields: members to compare, each a path or {left: path, right: path}.

    A member that one side lacks is the same as false, zero, and nothing in it on the other side.
    Lists of texts are the same if they are as sets. A member that nobody has is a difference.

    Raises:
        LookupError: something in the lists is no object, or has no name.
    """
    ours, theirs = _by(left, by), _by(right, by)
    paired = sorted(ours.keys() & theirs.keys())
    found = [
        *(f"{name}: twice on the left" for name in _twice(left, by)),
        *(f"{name}: twice on the right" for name in _twice(right, by)),
        *(f"{name}: only on the left" for name in sorted(ours.keys() - theirs.keys())),
        *(f"{name}: only on the right" for name in sorted(theirs.keys() - ours.keys())),
    ]
    for spec in fields:
        on_left, on_right = (spec["left"], spec["right"]) if _two(spec) else (spec, spec)
        values = [(n, _at(ours[n], on_left), _at(theirs[n], on_right)) for n in paired]
        if paired and all(a is None and b is None for _, a, b in values):
            found.append(f"{on_left}: nobody has this member")
        found += [f"{n}: {on_left}: {a!r} is not {b!r}" for n, a, b in values if not _equal(a, b)]
    return {
        "left": len(ours),
        "right": len(theirs),
        "compared": len(paired),
        "differences": shorten(found) if paired or found else None,
    }


def _two(spec: Any) -> bool:
    return isinstance(spec, Mapping)


def _name(entity: Any, by: str) -> str:
    return str(expect.lookup(by, entity))


def _listed(entities: Any) -> list[Any]:
    if entities is None:
        return []
    return entities if isinstance(entities, list) else [entities]


def _by(entities: Any, by: str) -> dict[str, Any]:
    return {_name(entity, by): entity for entity in _listed(entities)}


def _twice(entities: Any, by: str) -> list[str]:
    counted = Counter(_name(entity, by) for entity in _listed(entities))
    return sorted(name for name, n in counted.items() if n > 1)


def _at(entity: Any, path: str) -> Any:
    try:
        value = expect.lookup(path, entity)
    except LookupError:
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(set(value))
    return value


def _equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return not left and not right
    return bool(left == right)
