"""A schema that lacks something is found out, and on which side."""

from typing import Any

import graphql
import pytest

from wri.data import root
from wri_conformance import introspection

SDL = (root() / "schemas" / "graphql" / "base.graphql").read_text()


def described(sdl: str) -> Any:
    """Return what a server with this schema answers."""
    schema = graphql.build_schema(sdl)
    return graphql.graphql_sync(schema, introspection.QUERY).data


def test_a_schema_has_all_that_it_has() -> None:
    seen = introspection.compare(described(SDL), None)
    assert seen == {"queries": [], "mutations": [], "types": seen["types"]}
    assert seen["types"] > 40


def test_more_is_no_mistake() -> None:
    more = f"{SDL}\nextend type Queries {{ weather(place: String): String }}"
    seen = introspection.compare(described(more), None)
    assert not seen["queries"]
    assert not seen["mutations"]


@pytest.mark.parametrize(
    ("before", "after", "half", "said"),
    [
        ("  isHeld: Boolean\n", "  isKept: Boolean\n", "queries", "isHeld"),
        ("  cyclePoint: String\n", "  cyclePoint: Int\n", "queries", "changed type"),
        ("    nEdgeDistance: Int!\n", "    nEdgeDistance: String!\n", "mutations", "nEdgeDistance"),
        ("  CRITICAL\n", "  DIRE\n", "mutations", "CRITICAL"),
    ],
)
def test_what_is_missing_is_told(before: str, after: str, half: str, said: str) -> None:
    assert before in SDL
    seen = introspection.compare(described(SDL.replace(before, after)), None)
    other = "mutations" if half == "queries" else "queries"
    assert any(said in finding for finding in seen[half])
    assert not seen[other]


def test_subscriptions_do_not_count() -> None:
    start = SDL.index("type Subscriptions {")
    lost = SDL[:start] + SDL[start:].replace("isHeld: Boolean", "isKept: Boolean", 1)
    assert lost != SDL
    seen = introspection.compare(described(lost), None)
    assert not seen["queries"]
    assert not seen["mutations"]


def test_a_server_without_mutations() -> None:
    lost = SDL.replace("  mutation: Mutations\n", "")
    seen = introspection.compare(described(lost), None)
    assert any("the type of a mutation is None" in finding for finding in seen["mutations"])


def test_a_release_has_more_than_the_base() -> None:
    seen = introspection.compare(described(SDL), "8.5.4")
    assert seen["queries"]
    assert seen["mutations"]


@pytest.mark.parametrize("release", ["", "9.0", "8.99.1", "eight"])
def test_a_release_that_nobody_knows(release: str) -> None:
    with pytest.raises(LookupError, match="no GraphQL schema"):
        introspection.compare(described(SDL), release)


def test_a_schema_without_types() -> None:
    seen = introspection.compare({"__schema": {"types": [], "directives": []}}, None)
    assert seen["queries"]
    assert seen["mutations"]
    assert seen["types"] < 5


@pytest.mark.parametrize("answer", [{}, {"__schema": None}, {"__schema": []}])
def test_what_is_no_schema(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="describes no schema"):
        introspection.compare(answer, None)
