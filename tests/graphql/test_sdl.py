"""Base and overlays against what each release shows of itself, and the gates on their text."""

import re
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from graphql import build_schema, graphql_sync, parse, validate_schema
from graphql.language import ast

from tests.graphql.conftest import RELEASES, SDL, recorded
from tests.graphql.introspect import QUERY, facts

FILES = sorted(path.name for path in SDL.glob("*.graphql"))
DESCRIBED = (
    ast.TypeDefinitionNode,
    ast.FieldDefinitionNode,
    ast.InputValueDefinitionNode,
    ast.EnumValueDefinitionNode,
)
ARGUMENT = re.compile(r'(\w+): ([\w\[\]!]+(?: = (?:\[[^\]]*\]|"[^"]*"|[^,)]+))?)')


def read(*names: str) -> str:
    return "".join((SDL / name).read_text(encoding="utf-8") for name in names)


def overlay(release: str) -> str:
    return f"{release.rpartition('.')[0]}.graphql"


def shown(sdl: str) -> dict[str, Any]:
    """Return the facts of a schema that is written in SDL."""
    schema = build_schema(sdl)
    assert not validate_schema(schema)
    result = graphql_sync(schema, QUERY)
    assert result.data
    assert not result.errors
    return facts(result.data)


def common(one: Any, other: Any) -> Any:
    """Return what is the same in both: equal leaves of objects, equal items of lists."""
    if isinstance(one, dict):
        both = {name: common(one[name], other[name]) for name in one if name in other}
        return {name: value for name, value in both.items() if value is not None}
    if isinstance(one, list):
        return [item for item in one if item in other]
    return one if one == other else None


def members(release: str) -> dict[str, str]:
    """Return everything that a release has, each by a name that says where it stands.

    `Type`, `Type.member`, `field(argument:)`; the value is what may change: type and default,
    with arguments also those of all types in which the field stands.
    """
    found: dict[str, str] = {}
    for name, kind in recorded(release)["types"].items():
        found[name] = kind["kind"]
        found.update(dict.fromkeys((f"{name}.{value}" for value in kind.get("enumValues", ())), ""))
        for field, text in kind.get("fields", {}).items():
            arguments, _, result = text.rpartition("): ") if "(" in text else ("", "", text)
            found[f"{name}.{field}"] = result
            for argument, value in ARGUMENT.findall(arguments):
                place = f"{field}({argument}:)"
                found[place] = f"{found.get(place, '')} {name}: {value}"
    return found


def difference(older: str, newer: str) -> dict[str, set[str]]:
    """Return what came, went and changed; of a whole type or field only its own name."""
    before, after = members(older), members(newer)

    def heads(names: set[str]) -> set[str]:
        whole = {name for name in names if "(" not in name}
        fields = {name.partition(".")[2] for name in whole}
        return {
            name
            for name in names
            if name.partition(".")[0] not in names - {name} and name.partition("(")[0] not in fields
        }

    return {
        "came": heads(after.keys() - before.keys()),
        "went": heads(before.keys() - after.keys()),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }


def table() -> dict[str, list[set[str]]]:
    """Return the rows of the table in README.md: the names in each cell, by release."""
    rows = {}
    for line in read("README.md").splitlines():
        if match := re.match(r"\| (8\.\d) \|(.*)\|$", line):
            rows[match[1]] = [set(re.findall("`([^`]+)`", cell)) for cell in match[2].split("|")]
    return rows


def nodes(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for key in node.keys:
        value = getattr(node, key, None)
        for child in value if isinstance(value, list | tuple) else [value]:
            if isinstance(child, ast.Node):
                yield from nodes(child)


@pytest.mark.parametrize("release", RELEASES)
def test_base_and_overlay_are_the_schema_of_the_release(release: str) -> None:
    assert shown(read("base.graphql", overlay(release))) == recorded(release)


def test_the_base_is_what_all_releases_have() -> None:
    assert shown(read("base.graphql")) == reduce(common, map(recorded, RELEASES))


def test_each_minor_release_has_an_overlay() -> None:
    assert sorted({"base.graphql", *map(overlay, RELEASES)}) == FILES


@pytest.mark.parametrize("file", FILES)
def test_everything_is_described(file: str) -> None:
    silent = [
        f"{file}:{node.loc and node.loc.start_token.line}"
        for node in nodes(parse(read(file)))
        if isinstance(node, DESCRIBED) and not (node.description and node.description.value.strip())
    ]
    assert not silent


@pytest.mark.parametrize(("older", "newer"), list(pairwise(RELEASES)))
def test_the_table_says_what_each_release_brought(older: str, newer: str) -> None:
    cells = table()[newer.rpartition(".")[0]]
    assert dict(zip(("came", "went", "changed"), cells, strict=True)) == difference(older, newer)
