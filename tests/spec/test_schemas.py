"""The schemas are schemas, their examples say what they claim, and explain() is readable."""

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable
from wri import data
from wri_conformance import schemas

SCHEMAS = data.root() / "schemas"
EXAMPLES = SCHEMAS / "examples"
FILES = sorted(SCHEMAS.glob("*.json"))
ANNOTATIONS = {"$schema", "$id", "$defs", "$comment", "title", "description"}
MINIMUM = {"valid": 2, "invalid": 3}
ONLY_ONE_VALUE = {"api/ping": "the constant true has no second valid value"}


def _targets() -> dict[str, str]:
    """What needs examples: their directory, and the name of the schema.

    A schema that constrains nothing itself is a collection of `$defs`, each of which needs
    examples of its own.
    """
    targets: dict[str, str] = {}
    for path in FILES:
        schema = json.loads(path.read_bytes())
        if set(schema) <= ANNOTATIONS:
            for name in schema["$defs"]:
                targets[f"{path.stem}/{name}"] = f"{path.name}#/$defs/{name}"
        else:
            targets[path.stem] = path.name
    return targets


TARGETS = _targets()
CASES = [
    pytest.param(name, path, id=path.relative_to(EXAMPLES).as_posix())
    for directory, name in TARGETS.items()
    for path in sorted((EXAMPLES / directory).glob("*.json"))
]


def _reasons(errors: Iterable[ValidationError]) -> int:
    """Count what is wrong, of alternatives with the one that fits best."""
    total = 0
    for error in errors:
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        total += min((_reasons(branch) for branch in branches.values()), default=1)
    return total


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_schema_is_a_schema(path: Path) -> None:
    schema = json.loads(path.read_bytes())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == schemas.BASE + path.name
    assert schema["title"]
    Draft202012Validator.check_schema(schema)
    schemas.validator(schema)


@pytest.mark.parametrize("directory", TARGETS)
@pytest.mark.parametrize("kind", MINIMUM)
def test_schema_has_examples(directory: str, kind: str) -> None:
    wanted = 1 if kind == "valid" and directory in ONLY_ONE_VALUE else MINIMUM[kind]
    values = {path.read_text() for path in (EXAMPLES / directory).glob(f"{kind}-*.json")}
    assert len(values) >= wanted, f"schemas/examples/{directory}/{kind}-*.json: too few that differ"


def test_no_example_is_left_out() -> None:
    assert {path.values[1] for path in CASES} == set(EXAMPLES.rglob("*.json"))
    assert all(path.suffix == ".json" for path in EXAMPLES.rglob("*") if path.is_file())


@pytest.mark.parametrize(("name", "path"), CASES)
def test_example(name: str, path: Path) -> None:
    errors = list(schemas.named(name).iter_errors(json.loads(path.read_bytes())))
    kind, _, reason = path.stem.partition("-")
    assert reason
    if kind == "valid":
        assert schemas.explain(errors) == ""
    else:
        assert kind == "invalid"
        assert _reasons(errors) == 1, schemas.explain(errors)
        assert schemas.explain(errors)


def test_reference_of_a_schema_may_be_short() -> None:
    validator = schemas.validator({"$ref": "response.json#/$defs/error"})
    assert validator.is_valid({"error": {"message": "no"}, "cylc_version": "8"})
    assert not validator.is_valid({"data": 1, "cylc_version": "8"})


def test_reference_inside_the_schema_still_works() -> None:
    validator = schemas.validator({"$defs": {"x": {"const": 1}}, "items": {"$ref": "#/$defs/x"}})
    assert validator.is_valid([1, 1])
    assert not validator.is_valid([1, 2])


def test_metaschema_can_be_referred_to() -> None:
    validator = schemas.validator({"$ref": "https://json-schema.org/draft/2020-12/schema"})
    assert validator.is_valid({"type": "object"})
    assert not validator.is_valid({"type": "objec"})


@pytest.mark.parametrize("schema", [True, False])
def test_schema_may_be_boolean(schema: bool) -> None:
    assert schemas.validator(schema).is_valid(1) is schema


@pytest.mark.parametrize(
    "reference",
    ["nope.json", "response.json#/$defs/nope", "#/$defs/nope", "https://wri.invalid/other"],
)
def test_reference_to_nothing_is_found_at_once(reference: str) -> None:
    with pytest.raises(Unresolvable):
        schemas.validator({"properties": {"a": {"items": {"$ref": reference}}}})


def test_reference_in_a_constant_is_no_reference() -> None:
    assert schemas.validator({"const": {"$ref": "nope.json"}}).is_valid({"$ref": "nope.json"})


def test_schema_that_is_none_is_refused() -> None:
    with pytest.raises(SchemaError):
        schemas.validator({"type": "objec"})


def test_network_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(Unresolvable):
        schemas.validator({"$ref": "https://example.com/schema.json"})


def _explain(schema: dict[str, Any] | bool, value: Any) -> str:
    return schemas.explain(schemas.validator(schema).iter_errors(value))


def test_explain_says_nothing_of_nothing() -> None:
    assert schemas.explain([]) == ""


@pytest.mark.parametrize(
    ("schema", "value", "explanation"),
    [
        ({"type": "object"}, [None], "$: [null] is not of type object"),
        ({"type": ["string", "null"]}, True, "$: true is not of type string or null"),
        ({"const": "5"}, "8", '$: "8" is not "5"'),
        ({"enum": ["a", None]}, "b", '$: "b" is none of "a", null'),
        ({"required": ["a", "b"]}, {"a": 1}, '$: lacks the member "b"'),
        ({"not": {"required": ["a"]}}, {"a": 1}, '$: has the member "a", which must not be there'),
        ({"pattern": "^/"}, "x", '$: "x" does not match the pattern ^/'),
        ({"minLength": 1}, "", '$: "" has fewer than 1 characters'),
        ({"uniqueItems": True}, [1, 1], "$: [1, 1] has the same item twice"),
        (False, 1, "$: 1 is not allowed here"),
        (
            {"properties": {"a b": {"items": {"type": "null"}}}},
            {"a b": [7]},
            '$["a b"][0]: 7 is not of type null',
        ),
    ],
    ids=lambda value: None if isinstance(value, dict | list) else str(value)[:30],
)
def test_explain_speaks_json(schema: dict[str, Any] | bool, value: Any, explanation: str) -> None:
    assert _explain(schema, value) == explanation


def test_explain_does_not_take_an_array_for_an_object() -> None:
    text = schemas.explain(schemas.named("response.json").iter_errors([True]))
    assert "as data: $: [true] is not of type object" in text


def test_explain_describes_each_alternative() -> None:
    value = {"error": {"message": ""}, "cylc_version": "8.5.4"}
    lines = schemas.explain(schemas.named("response.json").iter_errors(value)).splitlines()
    assert lines[0].startswith('$: {"error": {"message": ""}')
    assert lines[1:] == [
        '  as data: $: lacks the member "data"',
        '  as error: $.error.message: "" has fewer than 1 characters',
    ]


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 1_000_000] * 20,
        {str(number): ["y"] for number in range(50_000)},
        "z" * 5_000_000,
        [[number] for number in range(50_000)],
    ],
    ids=["long items", "many members", "long string", "many items"],
)
def test_explain_is_bounded(value: Any) -> None:
    empty = {"items": {"type": "null"}, "maxLength": 3, "maxProperties": 3}
    schema = {"oneOf": [{"type": "null"}, empty], "maxProperties": 3}
    text = _explain({**schema, "additionalProperties": False}, value)
    assert 0 < len(text) < 2000
    assert len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 240


def test_explain_survives_depth() -> None:
    value: Any = 1
    for _ in range(50_000):
        value = [value]
    assert _explain({"type": "object"}, value) == "$: nested too deeply to be described"


def test_explain_is_safe_on_a_terminal() -> None:
    text = _explain(
        {"additionalProperties": {"const": "\x07"}}, {"\x1b[2J\r\n\u202e": "\x1b[31m\x9b"}
    )
    assert all(character.isprintable() for character in text)
