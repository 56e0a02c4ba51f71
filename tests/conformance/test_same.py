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


def test_what_is_twice_on_the_left_is_told_and_compared_once() -> None:
    seen = same([*PROTOBUF, PROTOBUF[1]], GRAPHQL, "id", ["state"])
    assert seen == {"left": 2, "right": 2, "compared": 2, "differences": ["b: twice on the left"]}


def test_differences_are_in_the_order_of_names_and_fields() -> None:
    left = [{"id": n, "x": 1, "y": 1} for n in ("d", "c", "b")]
    right = [{"id": n, "x": 2, "y": 2} for n in ("c", "d", "a", "e")]
    assert same(left, right, "id", ["x", "y"])["differences"] == [
        "b: only on the left",
        "a: only on the right",
        "e: only on the right",
        "c: x: 1 is not 2",
        "d: x: 1 is not 2",
        "c: y: 1 is not 2",
        "d: y: 1 is not 2",
    ]


NOTHING: list[Any] = [False, 0, "", [], {}, None]
SOMETHING: list[Any] = [True, 1, "x", ["x"], {"a": 0}]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        *((nothing, None, True) for nothing in NOTHING),
        *((something, None, False) for something in SOMETHING),
        (["b", "a", "a"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ([1, 2], [2, 1], False),
        (["a", 1], [1, "a"], False),
        ([], {}, False),
        (0, "", False),
    ],
)
def test_what_lacks_is_the_same_as_nothing(left: Any, right: Any, *, equal: bool) -> None:
    others = {"id": "z", "x": "there"}
    for a, b in ((left, right), (right, left)):
        seen = same([{"id": "a", "x": a}, others], [{"id": "a", "x": b}, others], "id", ["x"])
        assert (seen["differences"] == []) is equal


def test_a_member_that_only_one_side_has_is_no_typo() -> None:
    assert same([{"id": 1, "x": 0}], [{"id": 1}], "id", ["x"])["differences"] == []


def test_the_two_paths_of_a_field_are_told_apart() -> None:
    field = {"left": "p", "right": "q/r"}
    assert same({"id": 1, "p": 2}, {"id": "1", "q": {"r": 2}}, "id", [field])["differences"] == []
    told = same({"id": 1, "p": 2}, {"id": "1", "q": {"r": 3}}, "id", [field])["differences"]
    assert told == ["1: p: 2 is not 3"]


def test_objects_can_be_named_by_a_member_of_a_member() -> None:
    seen = same([{"n": {"m": "a"}, "x": 1}], [{"n": {"m": "a"}, "x": 1}], "n/m", ["x"])
    assert (seen["compared"], seen["differences"]) == (1, [])


def test_many_differences_are_shortened() -> None:
    told = same([{"id": n} for n in range(30)], [], "id", ["x"])["differences"]
    assert (len(told), told[-1]) == (21, "and 10 more")


def test_only_differences_are_no_evidence_of_nothing() -> None:
    assert same([{"id": "a"}], None, "id", ["x"]) == {
        "left": 1,
        "right": 0,
        "compared": 0,
        "differences": ["a: only on the left"],
    }
