"""Compares what was observed with what a scenario expects. Pure: no sockets, no clocks."""

import functools
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from wri_conformance import schemas

_ONE = frozenset(
    {"not", "if", "then", "else", "additionalProperties", "propertyNames", "items", "contains"}
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"properties", "patternProperties"})
_KEYWORDS = (_ONE | _LIST | _MAP).union(
    ("$ref", "type", "enum", "const", "title", "description"),
    ("required", "minProperties", "maxProperties", "minItems", "maxItems", "uniqueItems"),
    ("minContains", "maxContains", "minLength", "maxLength", "pattern"),
    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
_IMPLIED = {
    "object": {
        *("properties", "patternProperties", "additionalProperties", "propertyNames"),
        *("required", "minProperties", "maxProperties"),
    },
    "array": {
        *("items", "prefixItems", "contains", "minContains", "maxContains"),
        *("minItems", "maxItems", "uniqueItems"),
    },
    "string": {"minLength", "maxLength", "pattern"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}
_ERRORS = 1000  # mismatches of one value that are looked at
_REMEMBERED = 10_000  # characters of an expectation; a longer one has what a server sent in it
_VARIABLE = re.compile(r"\$\{([a-z_]+)\}")


def lint(schema: Any) -> list[str]:
    """Return what is wrong with an expectation, in words; empty if nothing.

    JSON Schema ignores keywords that it does not know, so that a typo would make an
    expectation that nothing fails. Here it is a mistake.
    """
    if isinstance(schema, bool):
        return []
    if not isinstance(schema, Mapping):
        return [f"{schema!r} is no JSON Schema"]
    for word in {"$get", "$join"} & set(schema):
        return [] if len(schema) == 1 else [f"{word} stands beside other keys, which would be lost"]
    found: list[str] = [] if schema else ["an empty schema, which everything satisfies"]
    for key, value in schema.items():
        if key not in _KEYWORDS:
            found.append(f"unknown JSON Schema keyword {key!r}")
        elif key in _ONE:
            found += lint(value)
        elif key in _LIST and isinstance(value, list):
            found += [message for part in value for message in lint(part)]
        elif key in _MAP and isinstance(value, Mapping):
            found += [message for part in value.values() for message in lint(part)]
    return found


def strict(schema: Any) -> Any:
    """Return an expectation in which each keyword implies the type that it speaks of.

    JSON Schema lets `required: [data]` hold for the number 7, since it says something of
    objects only. An expectation that a wrong type satisfies is none.
    """
    if not isinstance(schema, Mapping):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _ONE:
            result[key] = strict(value)
        elif key in _LIST:
            result[key] = [strict(part) for part in value]
        elif key in _MAP:
            result[key] = {name: strict(part) for name, part in value.items()}
        else:
            result[key] = value
    if "type" not in result:
        implied = [kind for kind, words in _IMPLIED.items() if words & set(result)]
        if implied:
            result["type"] = implied
    return result


def substitute(node: Any, variables: Mapping[str, Any]) -> Any:
    """Replace `${name}` in `node`: a string that is nothing else by the value itself.

    Raises:
        KeyError: there is no such variable.
    """
    if isinstance(node, str):
        whole = _VARIABLE.fullmatch(node)
        if whole:
            return variables[whole[1]]
        return _VARIABLE.sub(lambda m: _text(variables[m[1]]), node)
    if isinstance(node, Mapping):
        return {substitute(k, variables): substitute(v, variables) for k, v in node.items()}
    if isinstance(node, list):
        return [substitute(item, variables) for item in node]
    return node


def _text(value: Any) -> str:
    """Return a value inside a text: another text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def resolve(node: Any, saved: Mapping[str, Any]) -> Any:
    """Replace each `{$get: path}` in `node` by the saved value, each `{$join: […]}` by one text.

    Raises:
        LookupError: nothing was saved under that name, or it has no such part.
    """
    if isinstance(node, Mapping):
        if set(node) == {"$get"}:
            return lookup(node["$get"], saved)
        if set(node) == {"$join"}:
            return "".join(str(resolve(part, saved)) for part in node["$join"])
        return {key: resolve(value, saved) for key, value in node.items()}
    if isinstance(node, list):
        return [resolve(item, saved) for item in node]
    return node


def lookup(path: str, saved: Any) -> Any:
    """Return the part of `saved` that `path`, names joined by slashes, leads to.

    In a list, a name is a number from 0, or `member=text[,member=text…]`: the one item that
    has all these members.

    Raises:
        LookupError: there is no such part, or more than one.
    """
    value = saved
    for name in path.split("/"):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list):
            value = _item(value, name, path)
        else:
            raise LookupError(f"nothing was saved as {path!r}")
    return value


def _item(items: list[Any], name: str, path: str) -> Any:
    if name.isdecimal():
        found = items[int(name) : int(name) + 1]
    else:
        wanted = [pair.partition("=") for pair in name.split(",")]
        found = [
            item
            for item in items
            if isinstance(item, Mapping)
            and all(key in item and str(item[key]) == text for key, _, text in wanted)
        ]
    if len(found) != 1:
        raise LookupError(f"{path!r}: {len(found) or 'no'} items are {name!r}")
    return found[0]


def references(node: Any) -> set[str]:
    """Return the first part of every `$get` in `node`: the names that have to be saved."""
    if isinstance(node, Mapping):
        if set(node) == {"$get"}:
            return {str(node["$get"]).split("/")[0]}
        return set().union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(item) for item in node))
    return set()


@functools.lru_cache(maxsize=1024)
def _validator(schema: str) -> Draft202012Validator:
    return schemas.validator(json.loads(schema))


def mismatch(schema: Any, actual: Any) -> str | None:
    """Return why `actual` does not satisfy the expectation `schema`, or None if it does."""
    text = json.dumps(strict(schema))
    make = _validator if len(text) <= _REMEMBERED else _validator.__wrapped__
    errors = list(itertools.islice(make(text).iter_errors(actual), _ERRORS))
    return schemas.explain(errors) if errors else None
