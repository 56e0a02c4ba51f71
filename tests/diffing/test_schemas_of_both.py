"""GraphQL schemas and protobuf descriptors: every rule, in both directions."""

import base64
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from wri_conformance.diffing import descriptors, profile, sdl
from wri_conformance.diffing.changes import NEW_CLIENTS, OLD_CLIENTS, Change, Level

BOTH = (OLD_CLIENTS, NEW_CLIENTS)
PROFILES = sorted((Path(__file__).parent / "profiles").glob("*.json.gz"))
BASE = """
schema {query: Q mutation: M}
type Q {a(x: Int): String t(e: E): T n: Int}
type M {stop(mode: String = "Clean", old: [String] = ["all"]): String}
type T {a: String e: O}
enum E {A B}
enum O {A B}
"""


def changed(old: str, new: str) -> list[Change]:
    assert BASE.count(old) == 1
    return list(sdl.compare(BASE, BASE.replace(old, new)))


# text, its replacement, kind, place, level, sides
SDL: list[tuple[str, str, str, str, Level, tuple[str, ...]]] = [
    ("type T {a: String ", "type T {", "FIELD_REMOVED", "T.a", Level.BREAKING, (OLD_CLIENTS,)),
    ("T {a", "T {b: Int a", "FIELD_ADDED", "T.b", Level.BREAKING, (NEW_CLIENTS,)),
    ("(x: Int)", "", "ARG_REMOVED", "Q.a(x:)", Level.BREAKING, (OLD_CLIENTS,)),
    ("(x: Int)", "(x: Int y: Int)", "ARG_ADDED", "Q.a(y:)", Level.BREAKING, (NEW_CLIENTS,)),
    ("M {", "M {m: String ", "FIELD_ADDED", "M.m", Level.BREAKING, (NEW_CLIENTS,)),
    ("enum E {A B}", "enum E {A}", "VALUE_REMOVED_FROM_ENUM", "E.B", Level.BREAKING,
     (OLD_CLIENTS,)),
    ("enum E {A B}", "enum E {A B C}", "VALUE_ADDED_TO_ENUM", "E.C", Level.BREAKING,
     (NEW_CLIENTS,)),
    ("enum O {A B}", "enum O {A B C}", "VALUE_ADDED_TO_ENUM", "O.C", Level.RISKY, BOTH),
    ('["all"]', "[]", "ARG_DEFAULT_VALUE_CHANGE", "M.stop(old:)", Level.RISKY, BOTH),
    (' = "Clean"', "", "ARG_DEFAULT_VALUE_CHANGE", "M.stop(mode:)", Level.RISKY, BOTH),
    ("(x: Int)", "(x: Int = null)", "", "", Level.SAFE, ()),
    ("a(x: Int): String", "a(x: Int): Int", "FIELD_CHANGED_KIND", "Q.a", Level.BREAKING, BOTH),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kind", "place", "level", "sides"), SDL)
def test_a_change_of_a_schema(
    old: str, new: str, kind: str, place: str, level: Level, sides: tuple[str, ...]
) -> None:
    found = changed(old, new)
    if not kind:
        assert found == []
        return
    (change,) = found
    assert (change.kind, change.place, change.level) == (kind, place, level)
    assert set(change.sides) == set(sides)


def test_a_required_argument_breaks_old_clients_only() -> None:
    kinds = {(one.kind, one.sides) for one in changed("(x: Int)", "(x: Int y: Int!)")}
    assert ("REQUIRED_ARG_ADDED", (OLD_CLIENTS,)) in kinds
    assert ("ARG_ADDED", (NEW_CLIENTS,)) in kinds


def test_a_default_that_is_only_written_otherwise_is_safe() -> None:
    one = "type Query {a(x: E! = %s): Int} enum E {Set Clear} schema {query: Query}"
    (change,) = sdl.compare(one % '"Set"', one % "Set")
    assert (change.kind, change.level) == ("ARG_DEFAULT_VALUE_SPELLING", Level.SAFE)


def test_what_only_subscriptions_reach_is_no_change() -> None:
    more = "schema {query: Q mutation: M subscription: S} type S {n: N} type N {a: Int}"
    old = BASE.replace("schema {query: Q mutation: M}", more)
    assert list(sdl.compare(old, old.replace("N {a: Int}", "N {b: Int}"))) == []


def file(*fields: tuple[str, int, int], reserved: tuple[int, ...] = (), more: str = "") -> str:
    """Return a descriptor of a message `M` with (name, number, type), or label 3 for repeated."""
    one = descriptor_pb2.FileDescriptorProto(name="a.proto", syntax="proto3")
    message = one.message_type.add(name="M")
    for name, number, kind in fields:
        label = Field.LABEL_REPEATED if kind < 0 else Field.LABEL_OPTIONAL
        message.field.add(name=name, number=number, type=abs(kind), label=label)
    for number in reserved:
        message.reserved_range.add(start=number, end=number + 1)
    if more:
        one.message_type.add(name=more)
    return base64.b64encode(one.SerializeToString()).decode()


A, B = ("a", 1, Field.TYPE_STRING), ("b", 2, Field.TYPE_INT32)
UNRESERVED = "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"
MESSAGES: list[tuple[str, str, str, Level]] = [
    (file(A, B), file(A), UNRESERVED, Level.BREAKING),
    (file(A, B), file(A, reserved=(2,)), "FIELD_NO_DELETE", Level.BREAKING),
    (file(A), file(A, B), "FIELD_ADDED", Level.SAFE),
    (file(A, reserved=(2,)), file(A, B), "FIELD_NUMBER_REUSED", Level.BREAKING),
    (file(A, reserved=(2,)), file(A), "RESERVED_MESSAGE_NO_DELETE", Level.RISKY),
    (file(A, B), file(A, ("b", 2, Field.TYPE_STRING)), "FIELD_SAME_TYPE", Level.BREAKING),
    (file(A, B), file(A, ("b", 2, -Field.TYPE_INT32)), "FIELD_SAME_CARDINALITY", Level.BREAKING),
    (file(A, B), file(A, ("c", 2, Field.TYPE_INT32)), "FIELD_SAME_NAME", Level.RISKY),
    (file(A, more="N"), file(A), "MESSAGE_NO_DELETE", Level.BREAKING),
    (file(A), file(A, more="N"), "MESSAGE_ADDED", Level.SAFE),
]


@pytest.mark.parametrize(
    ("before", "after", "kind", "level"), MESSAGES, ids=[case[2] for case in MESSAGES]
)
def test_a_change_of_the_messages(before: str, after: str, kind: str, level: Level) -> None:
    (change,) = descriptors.compare(before, after)
    assert (change.kind, change.level) == (kind, level)


def buf(before: str, after: str, rules: str, place: Path) -> set[str]:
    """Return what `buf breaking` says: the rules that are broken, each with what it names."""
    images = []
    for name, text in (("old", before), ("new", after)):
        files = descriptor_pb2.FileDescriptorSet(file=[descriptors.decode(text)])
        images.append(place / f"{name}.binpb")
        images[-1].write_bytes(files.SerializeToString())
    config = json.dumps({"version": "v2", "breaking": {"use": [rules]}})
    program = str(Path(sys.executable).with_name("buf"))
    done = subprocess.run(
        [program, "breaking", str(images[1]), "--against", str(images[0]), "--config", config,
         "--error-format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 100}, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"{one['type']}: {one['message']}" for one in told}


def ours(before: str, after: str) -> dict[str, int]:
    """Return the numbers of our findings by the rules that buf has."""
    found: dict[str, int] = {}
    for change in descriptors.compare(before, after):
        # buf does not tell of a number that is used again, but of that it is not reserved any more.
        kind = change.kind.replace("FIELD_NUMBER_REUSED", "RESERVED_MESSAGE_NO_DELETE")
        if "ADDED" not in kind:
            found[kind] = found.get(kind, 0) + 1
    return found


def theirs(before: str, after: str, place: Path) -> dict[str, int]:
    """Return the numbers of findings of buf, its strict rule split by what the mild one says."""
    strict, mild = (buf(before, after, rules, place) for rules in ("FILE", "WIRE"))
    found: dict[str, int] = {}
    for text in strict:
        rule = text.partition(":")[0]
        found[rule] = found.get(rule, 0) + 1
    unreserved = sum(text.startswith(UNRESERVED) for text in mild)
    if unreserved:
        found[UNRESERVED] = unreserved
        found["FIELD_NO_DELETE"] -= unreserved
    return {rule: number for rule, number in found.items() if number}


@pytest.mark.parametrize(
    ("before", "after"), [case[:2] for case in MESSAGES], ids=[case[2] for case in MESSAGES]
)
def test_buf_finds_the_same(before: str, after: str, tmp_path: Path) -> None:
    assert ours(before, after) == theirs(before, after, tmp_path)


def test_buf_finds_the_same_between_releases(tmp_path: Path) -> None:
    files: list[Any] = [profile.read(path)["protobuf"] for path in PROFILES]
    texts = [text for text in files if text]
    assert len(texts) >= 8
    compared = 0
    for before, after in itertools.pairwise(texts):
        assert ours(before, after) == theirs(before, after, tmp_path)
        compared += bool(ours(before, after))
    assert compared >= 3
