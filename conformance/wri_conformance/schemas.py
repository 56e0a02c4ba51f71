"""Validates messages against the JSON Schemas of the specification, without a network."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, relevance
from jsonschema_specifications import (  # type: ignore[import-untyped]
    REGISTRY as METASCHEMAS,
)
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from wri import data

BASE: Final = "https://wri.invalid/schemas/"
"""What relative references are resolved against: a name, never an address to ask."""

_VALUE = 80
_LINE = 240
_PROBLEMS = 5
_BRANCHES = 4
_DEPTH = 3
_TOTAL = 1600


@cache
def registry() -> Registry[Any]:
    """Return all of `schemas/*.json`; a reference to anything else does not resolve."""
    resources: list[tuple[str, Resource[Any]]] = []
    for path in sorted((data.root() / "schemas").glob("*.json")):
        contents = json.loads(path.read_bytes())
        resources.append((BASE + path.name, DRAFT202012.create_resource(contents)))
    known: Registry[Any] = METASCHEMAS
    return known.with_resources(resources).crawl()


def validator(schema: Mapping[str, Any] | bool) -> Draft202012Validator:
    """Return a validator of `schema`, in which a reference may be as short as `error.json`.

    Raises:
        jsonschema.SchemaError: `schema` is not a JSON Schema.
        referencing.exceptions.Unresolvable: one of its references leads nowhere.
    """
    Draft202012Validator.check_schema(schema)
    if isinstance(schema, Mapping):
        schema = {"$id": BASE, **schema}
        _resolve_all(schema)
    return Draft202012Validator(schema, registry=registry())


@cache
def named(name: str) -> Draft202012Validator:
    """Return the validator of a schema of the specification, or of a part of one.

    Args:
        name: such as `request.json` or `response.json#/$defs/error`.

    Raises:
        referencing.exceptions.Unresolvable: there is no such schema.
    """
    return validator({"$ref": name})


def problems(name: str, document: Any) -> list[ValidationError]:
    """Return what is wrong with a document according to a schema of the specification.

    Most documents are right, which jsonschema-rs finds out a thousand times faster; what is wrong
    is told by jsonschema. `name` is as for `named`.
    """
    try:
        if _quick(name).is_valid(document):
            return []
    except ValueError:  # it has what JSON has not
        pass
    return list(named(name).iter_errors(document))


@cache
def _quick(name: str) -> jsonschema_rs.Draft202012Validator:
    known = [(uri, registry().contents(uri)) for uri in registry() if uri.startswith(BASE)]
    resources = jsonschema_rs.Registry(known, draft=jsonschema_rs.Draft202012)
    return jsonschema_rs.Draft202012Validator({"$ref": BASE + name}, registry=resources)


def _resolve_all(schema: Mapping[str, Any]) -> None:
    root = DRAFT202012.create_resource(schema)
    waiting = [(root, registry().resolver_with_root(root))]
    while waiting:
        resource, resolver = waiting.pop()
        if isinstance(resource.contents, Mapping):
            reference = resource.contents.get("$ref")
            if isinstance(reference, str):
                resolver.lookup(reference)
        for part in resource.subresources():
            waiting.append((part, resolver.in_subresource(part)))  # noqa: PERF401


def explain(errors: Iterable[ValidationError]) -> str:
    """Say in a few short lines what is wrong and where; nothing if there are no errors.

    The lines are bounded in number and length, however large the message was.
    """
    try:
        worst = sorted(errors, key=relevance, reverse=True)
    except RecursionError:
        return "$: nested too deeply to be described"
    lines: list[str] = []
    for error in worst[:_PROBLEMS]:
        lines.extend(_describe(error, 0))
    if len(worst) > _PROBLEMS:
        lines.append(f"and {len(worst) - _PROBLEMS} more")
    lines = list(dict.fromkeys(_cut(line, _LINE) for line in lines))
    return _cut("\n".join(lines), _TOTAL)


def _describe(error: ValidationError, depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}{_path(error)}: {_complaint(error)}"
    if not error.context or depth >= _DEPTH:
        return
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    if error.validator not in {"oneOf", "anyOf"}:
        branches = {None: list(error.context)}
    for number, inner_errors in list(branches.items())[:_BRANCHES]:
        best = max(inner_errors, key=relevance)
        first, *rest = _describe(best, depth + 1)
        label = "" if number is None else f"as {_branch(error, number)}: "
        yield f"{indent}  {label}{first.strip()}"
        yield from rest
    if len(branches) > _BRANCHES:
        yield f"{indent}  and {len(branches) - _BRANCHES} more alternatives"


def _branch(error: ValidationError, number: int) -> str:
    """Return a name for an alternative of a oneOf or anyOf."""
    alternatives: Any = error.validator_value
    schema = alternatives[number]
    if isinstance(schema, Mapping):
        if isinstance(schema.get("title"), str):
            return _cut(schema["title"], _VALUE)
        if isinstance(schema.get("$ref"), str):
            return _cut(schema["$ref"].rpartition("/")[2] or schema["$ref"], _VALUE)
        if isinstance(schema.get("type"), str):
            return _cut(schema["type"], _VALUE)
    return f"alternative {number + 1}"


def _path(error: ValidationError) -> str:
    path = "$"
    for step in error.absolute_path:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier():
            path += f".{step}"
        else:
            path += f"[{_show(step)}]"
    return _cut(path, _VALUE * 2)


def _complaint(error: ValidationError) -> str:
    """Say what is wrong in the terms of JSON, not of Python."""
    say = _COMPLAINTS.get(str(error.validator))
    return say(error.instance, error.validator_value) if say else _line(_cut(error.message, _LINE))


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(_show, values))


def _of_type(value: Any, wanted: Any) -> str:
    types = [wanted] if isinstance(wanted, str) else wanted
    return f"{_show(value)} is not of type {' or '.join(types)}"


def _without(value: Any, unwanted: Any) -> str:
    if (
        isinstance(value, Mapping)
        and isinstance(unwanted, Mapping)
        and set(unwanted) == {"required"}
    ):
        return f"has the member {_list(unwanted['required'])}, which must not be there"
    return f"{_show(value)} matches what it must not: {_show(unwanted)}"


_COMPLAINTS: Final[Mapping[str, Callable[[Any, Any], str]]] = {
    "None": lambda value, _: f"{_show(value)} is not allowed here",
    "anyOf": lambda value, wanted: f"{_show(value)} matches none of {len(wanted)} alternatives",
    "const": lambda value, wanted: f"{_show(value)} is not {_show(wanted)}",
    "contains": lambda value, wanted: (
        f"{_show(value)} has no item, or not the right number of items, like {_show(wanted)}"
    ),
    "enum": lambda value, wanted: f"{_show(value)} is none of {_list(wanted)}",
    "maxItems": lambda value, wanted: f"{_show(value)} has more than {wanted} items",
    "maxLength": lambda value, wanted: f"{_show(value)} has more than {wanted} characters",
    "minItems": lambda value, wanted: f"{_show(value)} has fewer than {wanted} items",
    "minLength": lambda value, wanted: f"{_show(value)} has fewer than {wanted} characters",
    "not": _without,
    "oneOf": lambda value, wanted: (
        f"{_show(value)} does not match exactly one of {len(wanted)} alternatives"
    ),
    "pattern": lambda value, wanted: f"{_show(value)} does not match the pattern {wanted}",
    "required": lambda value, wanted: (
        f"lacks the member {_list(name for name in wanted if name not in value)}"
    ),
    "type": _of_type,
    "uniqueItems": lambda value, _: f"{_show(value)} has the same item twice",
}


def _show(value: Any) -> str:
    """Return the beginning of a value as JSON on one line."""
    if isinstance(value, str) and len(value) > _VALUE:
        return f"{_show(value[: _VALUE // 2])}… ({len(value)} characters)"
    if isinstance(value, Sequence | Mapping) and not isinstance(value, str):
        count = f" ({len(value)} {'members' if isinstance(value, Mapping) else 'items'})"
    else:
        count = ""
    text = ""
    try:
        for chunk in json.JSONEncoder(ensure_ascii=False, default=repr).iterencode(value):
            text += chunk[: _VALUE + 1]
            if len(text) > _VALUE:
                return f"{_line(text[:_VALUE])}…{count}"
    except (RecursionError, ValueError):
        return f"{_line(text[:_VALUE])}…{count}"
    return _line(text)


def _line(text: str) -> str:
    """Escape what would break the line or the terminal; JSON leaves most of it raw."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
