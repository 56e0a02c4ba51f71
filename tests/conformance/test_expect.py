"""Expectations: variables, saved values, typos, and mismatches in words."""

import pytest

from wri_conformance import expect


def test_a_whole_string_is_replaced_by_the_value_itself() -> None:
    assert expect.substitute({"a": ["${x}"]}, {"x": [1, None]}) == {"a": [[1, None]]}


def test_a_part_of_a_string_is_replaced_by_text() -> None:
    assert expect.substitute("a ${x} b ${y}", {"x": 1, "y": "z"}) == "a 1 b z"


def test_names_are_replaced_too() -> None:
    assert expect.substitute({"${r}": 1}, {"r": "WRI-ERR-1"}) == {"WRI-ERR-1": 1}


def test_an_unknown_variable_is_told() -> None:
    with pytest.raises(KeyError, match="gone"):
        expect.substitute("${gone}", {})


def test_saved_values_are_found_by_path() -> None:
    saved = {"contact": {"fields": {"A": "1"}}}
    assert expect.resolve({"const": {"$get": "contact/fields/A"}}, saved) == {"const": "1"}


@pytest.mark.parametrize("path", ["gone", "contact/gone", "contact/fields/A/deeper"])
def test_a_value_that_was_not_saved_is_told(path: str) -> None:
    with pytest.raises(LookupError, match="nothing was saved"):
        expect.resolve({"$get": path}, {"contact": {"fields": {"A": "1"}}})


def test_references_are_collected() -> None:
    step = {"expect": {"A": {"allOf": [{"const": {"$get": "x/y"}}, {"const": {"$get": "z"}}]}}}
    assert expect.references(step) == {"x", "z"}


@pytest.mark.parametrize(
    "schema",
    [
        {"requird": ["data"]},
        {"properties": {"data": {"typ": "string"}}},
        {"not": {"requird": []}},
        {"oneOf": [{"required": []}, {"patern": "x"}]},
        {"items": {"minimun": 1}},
        {"properties": {"x": 3}},
    ],
)
def test_a_typo_in_an_expectation_is_found(schema: object) -> None:
    assert expect.lint(schema)


def test_a_member_may_have_the_name_of_no_keyword() -> None:
    assert expect.lint({"properties": {"requird": {"const": {"anything": 1}}}}) == []


def test_a_mismatch_names_the_place() -> None:
    reason = expect.mismatch({"properties": {"data": {"const": True}}}, {"data": None})
    assert reason is not None
    assert "data" in reason


@pytest.mark.parametrize("actual", [7, None, [], "data", True])
@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["data"]},
        {"properties": {"x": True}},
        {"not": {"required": ["error"]}, "required": ["data"]},
        {"anyOf": [{"required": ["data"]}, {"properties": {"data": {"type": "null"}}}]},
    ],
)
def test_a_wrong_type_satisfies_nothing(schema: object, actual: object) -> None:
    assert expect.mismatch(schema, actual) is not None


@pytest.mark.parametrize("data", [None, 7, {}, True])
def test_a_wrong_type_inside_satisfies_nothing(data: object) -> None:
    for inner in ({"contains": {"const": "api"}}, {"pattern": "x"}, {"minItems": 0}):
        schema = {"properties": {"data": inner}}
        assert expect.mismatch(schema, {"data": data}) is not None


def test_references_to_the_schemas_resolve() -> None:
    schema = {"$ref": "response.json#/$defs/error"}
    good = {"error": {"message": "x"}, "cylc_version": "8"}
    assert expect.mismatch(schema, good) is None
    assert expect.mismatch(schema, {"error": {"message": ""}, "cylc_version": "8"}) is not None
    assert expect.mismatch(schema, {**good, "data": None}) is not None


LISTS = {
    "snap": {
        "taskProxies": [
            {"name": "foo", "cyclePoint": "1", "state": "waiting"},
            {"name": "foo", "cyclePoint": "2", "state": "running"},
            {"name": "bar", "cyclePoint": "2", "jobSubmits": 0},
        ]
    }
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("snap/taskProxies/1/state", "running"),
        ("snap/taskProxies/name=foo,cyclePoint=1/state", "waiting"),
        ("snap/taskProxies/jobSubmits=0/name", "bar"),
    ],
)
def test_an_item_of_a_list_is_found(path: str, value: str) -> None:
    assert expect.lookup(path, LISTS) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("snap/taskProxies/3/state", "no items"),
        ("snap/taskProxies/name=foo/state", "2 items"),
        ("snap/taskProxies/name=qux/state", "no items"),
        ("snap/taskProxies/gone/state", "no items"),
    ],
)
def test_no_item_or_more_than_one_is_told(path: str, words: str) -> None:
    with pytest.raises(LookupError, match=words):
        expect.lookup(path, LISTS)


def test_saved_values_are_joined_to_one_text() -> None:
    node = {"id": {"$join": [{"$get": "run/id"}, "//", 1, "/foo"]}}
    assert expect.resolve(node, {"run": {"id": "~u/w"}}) == {"id": "~u/w//1/foo"}
    assert expect.references(node) == {"run"}
    assert expect.lint({"$join": ["a"], "type": "string"})
