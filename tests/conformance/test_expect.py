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


SAMPLES = {
    "properties": {},
    "patternProperties": {},
    "additionalProperties": True,
    "propertyNames": {"minLength": 0},
    "required": [],
    "minProperties": 0,
    "maxProperties": 9,
    "items": True,
    "prefixItems": [True],
    "contains": True,
    "minContains": 0,
    "maxContains": 9,
    "minItems": 0,
    "maxItems": 9,
    "uniqueItems": True,
    "minLength": 0,
    "maxLength": 9,
    "pattern": "",
    "minimum": 0,
    "maximum": 9,
    "exclusiveMinimum": 0,
    "exclusiveMaximum": 9,
    "multipleOf": 1,
}
RIGHT = {"object": {"a": 1}, "array": [1], "string": "a", "number": 1}


def _right(word: str) -> object:
    kinds = {"Properties": "object", "Items": "array", "Contains": "array", "Length": "string"}
    named = {
        **dict.fromkeys(("properties", "patternProperties", "required"), "object"),
        **dict.fromkeys(("additionalProperties", "propertyNames"), "object"),
        **dict.fromkeys(("items", "prefixItems", "contains"), "array"),
        "pattern": "string",
    }
    ending = next((kind for end, kind in kinds.items() if word.endswith(end)), "number")
    return RIGHT[named.get(word, ending)]


@pytest.mark.parametrize("word", SAMPLES)
def test_every_keyword_implies_the_type_that_it_speaks_of(word: str) -> None:
    assert expect.lint({word: SAMPLES[word]}) == []
    for actual in (*RIGHT.values(), None, True):
        satisfied = expect.mismatch({word: SAMPLES[word]}, actual) is None
        assert satisfied is (actual is not True and actual == _right(word))


def test_a_type_that_is_given_is_not_replaced() -> None:
    assert expect.mismatch({"type": ["object", "null"], "required": ["a"]}, None) is None
    assert expect.mismatch({"type": "string", "required": ["a"]}, {"a": 1}) is not None


def test_keywords_of_two_types_allow_either() -> None:
    schema = {"minLength": 2, "minimum": 5}
    assert all(expect.mismatch(schema, actual) is None for actual in ("ab", 5))
    assert not any(expect.mismatch(schema, actual) is None for actual in ("a", 4, None))


@pytest.mark.parametrize("keyword", ["const", "enum", "type", "title", "description"])
def test_what_speaks_of_no_type_implies_none(keyword: str) -> None:
    assert expect.strict({keyword: "x"}) == {keyword: "x"}
    assert expect.strict(True) is True


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf", "prefixItems"])
def test_lists_of_schemas_are_strict_too(keyword: str) -> None:
    inner = {"required": ["a"]}
    assert expect.strict({keyword: [inner, True]})[keyword] == [{**inner, "type": ["object"]}, True]
    assert expect.lint({keyword: [inner, {"requird": []}]}) == [
        "unknown JSON Schema keyword 'requird'"
    ]


@pytest.mark.parametrize("keyword", ["not", "if", "then", "else", "items", "contains"])
def test_single_schemas_are_strict_too(keyword: str) -> None:
    inner = {"minimum": 1}
    assert expect.strict({keyword: inner})[keyword] == {**inner, "type": ["number"]}


@pytest.mark.parametrize("keyword", ["properties", "patternProperties"])
def test_schemas_of_members_are_strict_too(keyword: str) -> None:
    inner = {"a": {"pattern": "x"}, "b": False}
    assert expect.strict({keyword: inner})[keyword] == {
        "a": {"pattern": "x", "type": ["string"]},
        "b": False,
    }


_EMPTY = ["an empty schema, which everything satisfies"]
_UNKNOWN = ["unknown JSON Schema keyword 'foo'"]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (True, []),
        (False, []),
        ({}, _EMPTY),
        ([], ["[] is no JSON Schema"]),
        ("x", ["'x' is no JSON Schema"]),
        ({"$get": "a"}, []),
        ({"$join": ["a"]}, []),
        ({"$get": "a", "type": "x"}, ["$get stands beside other keys, which would be lost"]),
        ({"$join": [], "type": "x"}, ["$join stands beside other keys, which would be lost"]),
        ({"typ": 1, "foo": 2}, ["unknown JSON Schema keyword 'typ'", *_UNKNOWN]),
        ({"not": {}}, _EMPTY),
        ({"properties": {"a": {}, "b": {"x": 1}}}, [*_EMPTY, "unknown JSON Schema keyword 'x'"]),
        ({"enum": [{"typ": 1}], "const": {"foo": 1}}, []),
        ({"$ref": "x", "type": "string", "title": "t", "description": "d"}, []),
        *(
            ({"foo": 1, **valid}, _UNKNOWN)
            for valid in ({"not": True}, {"allOf": [True]}, {"properties": {"a": True}})
        ),
    ],
)
def test_each_mistake_is_said(schema: object, said: list[str]) -> None:
    assert expect.lint(schema) == said


def test_variables_are_replaced_at_every_depth() -> None:
    variables = {"a": [1], "b": "x", "c": None, "d": "é"}
    node = {"${b}": ["${a}", {"k": "-${a}-${b}-${c}-${d}"}], "n": 1, "m": None}
    assert expect.substitute(node, variables) == {
        "x": [[1], {"k": "-[1]-x-null-é"}],
        "n": 1,
        "m": None,
    }
    assert expect.substitute('${e}"', {"e": {"k": "é"}}) == '{"k": "é"}"'
    assert expect.substitute("$b {b} ${B} ${}", variables) == "$b {b} ${B} ${}"


def test_references_are_resolved_at_every_depth() -> None:
    saved = {"a": {"b": [1, {"c": 2}]}, "t": "x"}
    node = {"p": [{"$get": "a/b/1/c"}, {"q": {"$get": "t"}}], "r": {"$join": ["-", {"$get": "t"}]}}
    assert expect.resolve(node, saved) == {"p": [2, {"q": "x"}], "r": "-x"}
    assert expect.resolve({"$get": "t", "x": 1}, saved) == {"$get": "t", "x": 1}
    assert expect.references([node, {"$get": "u"}, 1, "$get"]) == {"a", "t", "u"}
    assert expect.references({"$get": "t", "x": {"$get": "v"}}) == {"v"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a/gone", "nothing was saved as 'a/gone'"),
        ("a/b/2", "'a/b/2': no items are '2'"),
        ("a/b/k=1", "'a/b/k=1': 2 items are 'k=1'"),
        ("a/b/k=1,l=3", "'a/b/k=1,l=3': no items are 'k=1,l=3'"),
        ("a/b/l", "'a/b/l': no items are 'l'"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: str, said: str) -> None:
    with pytest.raises(LookupError) as caught:
        expect.lookup(path, {"a": {"b": [{"k": 1, "l": "x=y"}, {"k": 1}]}})
    assert caught.value.args == (said,)


def test_a_text_in_a_path_may_have_an_equals_sign_or_be_no_member_of_others() -> None:
    items = [7, {"k": 1, "l": "x=y"}, {"k": 1}, []]
    assert expect.lookup("l=x=y", items) == items[1]
    assert expect.lookup("0", items) == 7
    with pytest.raises(LookupError, match="no items"):
        expect.lookup("l=x", items)


def test_a_long_list_of_mismatches_stays_short() -> None:
    said = expect.mismatch({"items": {"type": "string"}}, [0] * 100_000)
    assert said is not None
    assert len(said) < 2000
    assert "and 995 more" in said


def test_an_expectation_of_any_length_is_compared() -> None:
    long = "x" * 20_000
    assert expect.mismatch({"const": long}, long) is None
    assert expect.mismatch({"const": long}, long[1:]) is not None
