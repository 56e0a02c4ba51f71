"""The comparison of one thing in two forms."""

from typing import Any

import pytest

from wri_conformance.same import same

PROTOBUF = [
    {"id": "a", "state": "waiting", "firstParent": "f", "edges": ["x", "y", "x"]},
    {"id": "b", "state": "running", "firstParent": "f", "isHeld": True},
]
GRAPHQL = [
    {"id": "b", "state": "running", "firstParent": {"id": "f"}, "isHeld": True, "edges": []},
    {
        "id": "a",
        "state": "waiting",
        "firstParent": {"id": "f"},
        "isHeld": False,
        "edges": ["y", "x"],
    },
]
FIELDS = ["state", "isHeld", "edges", {"left": "firstParent", "right": "firstParent/id"}]


def test_the_same_in_another_order() -> None:
    assert same(PROTOBUF, GRAPHQL, "id", FIELDS) == {
        "left": 2,
        "right": 2,
        "compared": 2,
        "differences": [],
    }


def test_one_object_is_a_list_of_one() -> None:
    assert same(PROTOBUF[0], GRAPHQL[1], "id", FIELDS)["compared"] == 1


@pytest.mark.parametrize("nothing", [None, []])
def test_nothing_is_no_evidence(nothing: Any) -> None:
    seen = same(nothing, nothing, "id", FIELDS)
    assert (seen["compared"], seen["differences"]) == (0, None)


@pytest.mark.parametrize(
    ("left", "right", "fields", "told"),
    [
        (PROTOBUF, GRAPHQL[:1], ["state"], ["a: only on the left"]),
        (PROTOBUF[:1], GRAPHQL, ["state"], ["b: only on the right"]),
        (PROTOBUF, [*GRAPHQL, GRAPHQL[0]], ["state"], ["b: twice on the right"]),
        (PROTOBUF, GRAPHQL, ["stat"], ["stat: nobody has this member"]),
        (
            PROTOBUF[1:],
            [{**GRAPHQL[0], "state": "failed"}],
            ["state"],
            ["b: state: 'running' is not 'failed'"],
        ),
        (PROTOBUF[1:], [{"id": "b"}], ["isHeld"], ["b: isHeld: True is not None"]),
    ],
)
def test_each_difference_is_told(left: Any, right: Any, fields: Any, told: list[str]) -> None:
    assert same(left, right, "id", fields)["differences"] == told


def test_what_has_no_name_cannot_be_compared() -> None:
    with pytest.raises(LookupError):
        same([{"state": "x"}], GRAPHQL, "id", ["state"])
