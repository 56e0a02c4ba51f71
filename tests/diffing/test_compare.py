"""Each kind of change, its level and for whom it is, from two profiles that differ in one thing."""

import copy
import json
from typing import Any

import pytest

from wri.data import root
from wri_conformance.diffing.changes import NEW_CLIENTS, OLD_CLIENTS, SERVERS, Level
from wri_conformance.diffing.compare import compare, unseen
from wri_conformance.specification import load

EXAMPLE = root() / "schemas" / "examples" / "profile" / "valid-much-was-observed.json"
BOTH = (OLD_CLIENTS, NEW_CLIENTS)
OK = {"outcome": "data", "keys": ["data"], "data": "array"}
FAILED = {"outcome": "error", "keys": ["error"], "at": ["error"], "error_keys": ["message"]}
SILENT = {"outcome": "silence"}
SHAPES = ("requests", "operations", "elements", "hidden", "mutations", "hostile")


def answered(*, accepted: bool | None = None, **more: Any) -> dict[str, Any]:
    told = {} if accepted is None else {"accepted": accepted}
    return {"outcome": "data", "members": ["id", "response"], **told, **more}


def profile(part: str, value: Any) -> dict[str, Any]:
    """Return the example with nothing but `part`, such as `publications/start/workflow`."""
    found: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
    found |= {name: {} for name in SHAPES}
    found["graphql"] = found["protobuf"] = None
    *path, last = part.split("/")
    place = found
    for step in path:
        place = place[step]
    place[last] = value
    return found


# part, before, after, kind, level, sides
CASES: list[tuple[str, Any, Any, str, Level, tuple[str, ...]]] = [
    ("endpoints", ["api", "x"], ["api"], "endpoint-removed", Level.BREAKING, (OLD_CLIENTS,)),
    ("endpoints", ["api"], ["api", "x"], "endpoint-added", Level.BREAKING, (NEW_CLIENTS,)),
    ("requests", {"api": OK}, {"api": FAILED}, "outcome", Level.BREAKING, (OLD_CLIENTS,)),
    ("requests", {"api": FAILED}, {"api": OK}, "outcome", Level.BREAKING, (NEW_CLIENTS,)),
    ("requests", {"NaN": OK}, {"NaN": FAILED}, "outcome", Level.RISKY, BOTH),
    ("requests", {"NaN": OK}, {"NaN": SILENT}, "outcome", Level.BREAKING, (OLD_CLIENTS,)),
    (
        *("requests", {"api": OK}, {"api": {**OK, "keys": ["cylc_version", "data"]}}),
        *("member-added", Level.RISKY, (NEW_CLIENTS,)),
    ),
    (
        *("requests", {"api": {**OK, "keys": ["cylc_version", "data"]}}, {"api": OK}),
        *("member-removed", Level.BREAKING, (OLD_CLIENTS,)),
    ),
    (
        *("requests", {"NaN": {**FAILED, "error_keys": ["message", "traceback"]}}, {"NaN": FAILED}),
        *("member-removed", Level.SAFE, (OLD_CLIENTS,)),
    ),
    (
        *("requests", {"NaN": {**FAILED, "message": "a"}}, {"NaN": {**FAILED, "message": "b"}}),
        *("texts", Level.SAFE, BOTH),
    ),
    (
        *("operations", {"empty document": {**OK, "at": ["data[].error"]}}),
        *({"empty document": FAILED}, "error-place", Level.BREAKING, BOTH),
    ),
    (
        *("operations", {"subscription": {**OK, "at": ["data[].error"]}}, {"subscription": OK}),
        *("outcome", Level.RISKY, BOTH),
    ),
    (
        *("elements", {"all": {"outcome": "bytes"}}, {"all": {"outcome": "bytes", "empty": True}}),
        *("outcome", Level.RISKY, BOTH),
    ),
    (
        *("elements", {"jobs": {"outcome": "bytes", "fields": ["time"]}}),
        *({"jobs": {"outcome": "bytes", "fields": ["added", "time"]}}, "fields"),
        *(Level.RISKY, BOTH),
    ),
    (
        "elements",
        {"jobs": {"outcome": "bytes"}},
        {"jobs": FAILED},
        "outcome",
        Level.BREAKING,
        (OLD_CLIENTS,),
    ),
    ("injected", ["user"], [], "argument-injected", Level.RISKY, (SERVERS,)),
    ("injected", [], ["user"], "argument-injected", Level.RISKY, (SERVERS,)),
    ("hidden", {"port": FAILED}, {"port": OK}, "hidden-method", Level.RISKY, (SERVERS,)),
    ("hidden", {"port": OK}, {"port": FAILED}, "hidden-method", Level.SAFE, (SERVERS,)),
    (
        *("hostile", {"x": {**FAILED, "serves": True}}, {"x": {**SILENT, "serves": False}}),
        *("dies", Level.BREAKING, (SERVERS,)),
    ),
    (
        *("hostile", {"x": {**SILENT, "serves": False}}, {"x": {**FAILED, "serves": True}}),
        *("dies", Level.SAFE, (SERVERS,)),
    ),
    (
        *("mutations", {"hold": answered(accepted=True, text="Command queued")}),
        *({"hold": answered(accepted=True, text="<uuid>")}, "mutation-text", Level.RISKY, BOTH),
    ),
    (
        *("mutations", {"hold": answered(accepted=True, text="a")}),
        *({"hold": answered(accepted=False, text="a")}, "mutation-answer"),
        *(Level.BREAKING, (OLD_CLIENTS,)),
    ),
    (
        *("mutations", {"message without eventTime": FAILED}),
        *({"message without eventTime": answered(accepted=True, text="a")}, "mutation-answer"),
        *(Level.BREAKING, (NEW_CLIENTS,)),
    ),
    (
        *("mutations", {"hold of nothing": answered(accepted=True, text="a")}),
        *({"hold of nothing": answered(accepted=False, text="a")}, "mutation-answer"),
        *(Level.RISKY, BOTH),
    ),
    (
        *("mutations", {"broadcast": answered(response="[]")}),
        *({"broadcast": answered(response="[1]")}, "mutation-result", Level.RISKY, BOTH),
    ),
    (
        *("contact/fields", {"SCHEDULER_X": "None"}, {}),
        *("contact-key-removed", Level.RISKY, (OLD_CLIENTS,)),
    ),
    (
        "contact/fields",
        {"A": "a number"},
        {},
        "contact-key-removed",
        Level.BREAKING,
        (OLD_CLIENTS,),
    ),
    ("contact/fields", {}, {"A": "a number"}, "contact-key-added", Level.RISKY, (NEW_CLIENTS,)),
    ("contact/fields", {"A": "None"}, {"A": "a path"}, "contact-value", Level.RISKY, BOTH),
    ("contact/mode", "0644", "0666", "contact-file", Level.RISKY, BOTH),
    ("keys/files", {"server.key": "0600"}, {}, "key-file-removed", Level.BREAKING, (OLD_CLIENTS,)),
    ("keys/files", {"a": "0600"}, {}, "key-file-removed", Level.RISKY, (OLD_CLIENTS,)),
    ("keys/files", {}, {"a": "0600"}, "key-file-added", Level.SAFE, BOTH),
    ("keys/files", {"a": "0600"}, {"a": "0644"}, "key-file-mode", Level.RISKY, (SERVERS,)),
    ("keys/same_secret", True, False, "key-files", Level.RISKY, BOTH),
    ("left", [], ["contact"], "left-after-stop", Level.RISKY, BOTH),
    (
        "store",
        {"PbJob": ["id", "x"]},
        {"PbJob": ["id"]},
        "field-unset",
        Level.RISKY,
        (OLD_CLIENTS,),
    ),
    (
        "store",
        {"PbTaskProxy": ["state"]},
        {"PbTaskProxy": []},
        "field-unset",
        Level.BREAKING,
        (OLD_CLIENTS,),
    ),
    ("store", {"PbJob": ["id"]}, {"PbJob": ["id", "x"]}, "field-set", Level.SAFE, BOTH),
    (
        "publications/start/topics",
        ["all", "x"],
        ["all"],
        "topic-removed",
        Level.BREAKING,
        (OLD_CLIENTS,),
    ),
    ("publications/start/topics", ["all"], ["all", "x"], "topic-added", Level.SAFE, BOTH),
    (
        *("publications/start/batches", [{"tasks": "1 added"}]),
        *([{"tasks": "1 added"}, {"*": "same as before"}], "sequence", Level.RISKY, BOTH),
    ),
    (
        *("publications/start/batches", [{"tasks": "1 added"}], [{"tasks": "2 added"}]),
        *("counts", Level.SAFE, BOTH),
    ),
    ("publications/start/states_updated", "absent", "true", "states-updated", Level.RISKY, BOTH),
    ("publications/start/workflow", ["a"], [], "workflow-updates", Level.RISKY, (OLD_CLIENTS,)),
    ("publications/start/workflow", [], ["a"], "workflow-updates", Level.SAFE, BOTH),
    ("publications/start/pruned", [], ["jobs"], "pruned", Level.RISKY, BOTH),
    (
        *("publications/start/relations", {"tasks": {"ids_twice": True}}),
        *({"tasks": {"ids_twice": False}}, "added-ids-twice", Level.RISKY, BOTH),
    ),
    (
        *("publications/start/relations", {"tasks": {"updates_held": "all"}}),
        *({"tasks": {"updates_held": "none"}}, "added-updates-held", Level.RISKY, BOTH),
    ),
    ("publications/stop/shutdown", ["A"], ["B"], "shutdown", Level.RISKY, BOTH),
    ("package/exceptions", {"X": ["Y"]}, {}, "exception-removed", Level.BREAKING, (OLD_CLIENTS,)),
    ("package/exceptions", {}, {"X": ["Y"]}, "exception-added", Level.RISKY, (NEW_CLIENTS,)),
    (
        "package/exceptions",
        {"X": ["Y"]},
        {"X": ["Z"]},
        "exception-bases",
        Level.RISKY,
        (OLD_CLIENTS,),
    ),
    ("package/client_needs", {}, {"A": "KeyError"}, "contact-needed", Level.RISKY, (NEW_CLIENTS,)),
    ("package/client_needs", {"A": "KeyError"}, {}, "contact-needed", Level.SAFE, (NEW_CLIENTS,)),
    (
        "package/requires_python",
        ">=3.7",
        ">=3.12",
        "requires_python",
        Level.RISKY,
        (NEW_CLIENTS, SERVERS),
    ),
    ("package/zmq_context", "left open", "closed", "zmq_context", Level.SAFE, (NEW_CLIENTS,)),
    (
        *("package/dead_scheduler", {"outcome": "WorkflowStopped", "contact": "removed"}),
        *({"outcome": "ClientTimeout", "contact": "kept"}, "dead-scheduler"),
        *(Level.RISKY, (NEW_CLIENTS,)),
    ),
]


@pytest.mark.parametrize(
    ("part", "before", "after", "kind", "level", "sides"),
    CASES,
    ids=[f"{number}-{case[3]}" for number, case in enumerate(CASES)],
)
def test_one_thing_is_one_change(
    part: str, before: Any, after: Any, kind: str, level: Level, sides: tuple[str, ...]
) -> None:
    (change,) = compare(profile(part, before), profile(part, after))
    assert (change.kind, change.level, change.sides) == (kind, level, sides)
    assert not change.sentence[0].islower()
    assert change.sentence.endswith(".")
    assert "{wh" not in change.sentence
    assert not change.requirement or change.requirement in load().requirements


def test_what_is_the_same_is_no_change() -> None:
    one = json.loads(EXAMPLE.read_bytes())
    assert compare(one, copy.deepcopy(one)) == []
    assert unseen(one, one) == ["publications at run"]


def test_the_same_change_in_several_places_is_told_once() -> None:
    names = ["api", "with meta", "meta null", "description"]
    more = {**OK, "keys": ["cylc_version", "data"]}
    old = profile("requests", dict.fromkeys(names, OK))
    new = profile("requests", dict.fromkeys(names, more))
    (change,) = compare(old, new)
    assert change.place == ", ".join(names)
    assert change.sentence.startswith("The answer to “api”, “with meta”, “meta null” and 1 more")


def test_phases_with_the_same_change_are_told_together() -> None:
    phase = {"states_updated": "absent", "workflow": [], "pruned": []}
    old = profile("publications", {"hold": phase, "release": phase})
    other = {**phase, "states_updated": "true"}
    (change,) = compare(old, profile("publications", {"hold": other, "release": other}))
    assert change.place == "hold, release"
    assert change.sentence.startswith("When a task is held and when a task is released, ")


def test_what_was_not_observed_is_not_compared() -> None:
    old, new = profile("package", None), profile("requests", {})
    assert compare(old, new) == []
    assert "package" in unseen(old, new)
    new["publications"]["start"] = None
    assert "publications at start" in unseen(old, new)


def test_a_mutation_that_one_schema_does_not_allow_is_told_of_by_the_schema() -> None:
    base = "type Queries {a: String} type R {result: String} schema {query: Queries mutation: M}"
    has = f"{base} type M {{pause(workflows: [String]): R}}"
    lacks = f"{base} type M {{other: R}}"
    old = profile("mutations", {"pause": answered(accepted=True, text="a")}) | {"graphql": has}
    new = profile("mutations", {"pause": FAILED}) | {"graphql": lacks}
    assert {change.area for change in compare(old, new)} == {"GraphQL schema"}
    assert "mutation-answer" in {one.kind for one in compare(old, {**new, "graphql": has})}
