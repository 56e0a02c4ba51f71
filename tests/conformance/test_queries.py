"""The GraphQL of the scenarios is valid for every release that the specification covers."""

from typing import Any

import graphql
import pytest

from wri_conformance import introspection
from wri_conformance import scenario as scenarios

SCHEMAS = {release: introspection.expected(release) for release in ("8.4", "8.5", "8.6", "8.7")}
"""Those with the envelope of the specification (chapter 14)."""

QUERIES = sorted(
    {
        (one.id, step.name, step.spec["graphql"]["query"])
        for one in scenarios.load_all()
        for step in one.steps
        if "graphql" in step.spec
    }
)


def test_there_are_queries() -> None:
    assert len(QUERIES) > 100


@pytest.mark.parametrize("release", SCHEMAS)
def test_a_query_is_valid(release: str) -> None:
    wrong: list[Any] = []
    for scenario, step, text in QUERIES:
        errors = graphql.validate(SCHEMAS[release], graphql.parse(text))
        wrong += [f"{scenario}::{step}: {error.message}" for error in errors]
    assert not wrong, "\n".join(wrong)
