"""Two validators: the quick one says whether a document is right, the other one what is wrong."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from wri_conformance import scenario, schemas

PATHS = sorted(scenario.directory().rglob("*.yaml"))[::10]


SPOILT: tuple[Any, ...] = (None, 7, "?", [], {}, {"no": "such"})


def _damaged(document: Any) -> Iterator[Any]:
    """Yield the document with each of its members, of the first two levels, taken out or spoilt."""
    for key, value in document.items():
        for spoilt in SPOILT:
            yield {**document, key: spoilt}
        yield {name: value for name, value in document.items() if name != key}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in _damaged(value[0]):
                changed = copy.deepcopy(document)
                changed[key][0] = inner
                yield changed


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_both_agree(path: Any) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert schemas.problems("scenario.json", document) == []
    full = schemas.named("scenario.json")
    rejected = 0
    for damaged in _damaged(document):
        found = schemas.problems("scenario.json", damaged)
        assert bool(found) == (not full.is_valid(damaged)), damaged
        rejected += bool(found)
    assert rejected > 10


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, {1: 2}, {"a": b"x"}])
def test_what_json_has_not_is_left_to_the_full_one(value: Any) -> None:
    step = {"wait": value}
    expected = list(schemas.named("scenario.json#/$defs/step").iter_errors(step))
    found = schemas.problems("scenario.json#/$defs/step", step)
    assert [one.message for one in found] == [one.message for one in expected]
