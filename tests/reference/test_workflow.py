"""The reader of workflow.yaml: what it understands, and how it tells mistakes."""

from pathlib import Path

import pytest

from wri.data import root
from wri_reference import _workflow
from wri_reference._workflow import Child, DefinitionError, Dependency, parse, read, synthetic

TEXT = """
cycle_points: ["1", "3", "5"]
families:
  SUB: {parent: FAM}
  FAM: {}
tasks:
  foo:
  bad: {outcome: failed, external_trigger: go}
  m1: {parent: SUB, seconds: 0.5, title: T, description: D, outputs: {extra: a message}}
  end: {}
graph:
  - {before: [foo, bad], after: m1}
  - {before: foo, cycle: -1, after: foo}
  - {before: bad, output: finished, after: [foo, end]}
  - {before: m1, output: extra, after: end}
"""


def test_all_of_it() -> None:
    definition = parse(TEXT)
    assert definition.cycle_points == ("1", "3", "5")
    assert definition.is_integer
    assert definition.families["SUB"].namespace == ("root", "FAM", "SUB")
    task = definition.tasks["m1"]
    assert task.namespace == ("root", "FAM", "SUB", "m1")
    assert (task.outcome, task.seconds, task.title, task.description) == (
        "succeeded",
        0.5,
        "T",
        "D",
    )
    assert task.outputs == {"extra": "a message"}
    assert task.dependencies == (
        Dependency("foo", 0, ("succeeded",)),
        Dependency("bad", 0, ("succeeded",)),
    )
    assert task.children == {"extra": (Child("end", 0),)}
    assert definition.tasks["foo"].dependencies == (
        Dependency("foo", -1, ("succeeded",)),
        Dependency("bad", 0, ("failed", "succeeded")),
    )
    assert definition.tasks["foo"].children == {"succeeded": (Child("m1", 0), Child("foo", 1))}
    assert definition.tasks["bad"].external_trigger == "go"


def test_every_fixture_can_be_read() -> None:
    paths = sorted((root() / "conformance" / "fixtures").glob("*/workflow.yaml"))
    assert paths
    for path in paths:
        assert read(path).tasks


@pytest.mark.parametrize(
    ("points", "before", "after"),
    [
        ('["1", "3"]', "-1", "5"),
        ('["7"]', "6", "8"),
        ('["20300101T0000Z", "20300101T1200Z"]', "20291231T1200Z", "20300102T0000Z"),
    ],
)
def test_points_outside(points: str, before: str, after: str) -> None:
    definition = parse(f"{{cycle_points: {points}, tasks: {{a: }}, graph: [{{after: a}}]}}")
    assert definition.point(-1) == before
    assert definition.point(len(definition.cycle_points)) == after


@pytest.mark.parametrize(
    ("task", "ends", "text"),
    [
        ("end", {"succeeded": True, "failed": False, "expired": False}, "succeeded"),
        ("bad", {"succeeded": True, "failed": True}, "succeeded or failed"),
        ("m1", {"succeeded": False, "failed": False}, "(extra and succeeded)"),
    ],
)
def test_what_is_expected(task: str, ends: dict[str, bool], text: str) -> None:
    found = parse(TEXT).tasks[task]
    assert {end: found.is_complete({"submitted", "started", end}) for end in ends} == ends
    assert found.completion == text


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('["1", "3", "5"]', "[]", 2, "there is no cycle point"),
        ('["1", "3", "5"]', '["1", "5", "3"]', 2, "'3' is not after '5'"),
        ('["1", "3", "5"]', '["1", "20300101T0000Z"]', 2, "numbers and dates are mixed"),
        ('["1", "3", "5"]', "[today]", 2, "'today' is not a cycle point"),
        ('["1", "3", "5"]', "1", 2, "this is not a list"),
        ("families:", "runahead: 0\nfamilies:", 3, "'0' is no number of cycle points"),
        ("families:", "runahead: P4\nfamilies:", 3, "'P4' is no number of cycle points"),
        ("cycle_points:", "points:", 2, "there is no key 'points'"),
        ("SUB: {parent: FAM}", "SUB: {parent: FUM}", 4, "there is no family 'FUM'"),
        ("FAM: {}", "FAM: {parent: SUB}", 5, "the family 'SUB' is its own ancestor"),
        ("FAM: {}", "root: {}", 5, "'root' is there anyway"),
        ("FAM: {}", "FAM: []", 5, "this is not a mapping"),
        ("  end: {}", "  FAM: {}", 10, "'FAM' is a family"),
        ("  end: {}", "  end: {}\n  end: {}", 11, "the key 'end' stands here a second time"),
        ("  end: {}", "  a b: {}", 10, "'a b' is not a name"),
        ("  end: {}", "  end: {}\n  extra: {}", 11, "'extra' is not in the graph"),
        ("outcome: failed", "outcome: fails", 8, "there is no outcome 'fails'"),
        ("seconds: 0.5", "seconds: soon", 9, "'soon' is no duration"),
        ("seconds: 0.5", "seconds: .nan", 9, "'.nan' is no duration"),
        ("seconds: 0.5", "seconds: [1]", 9, "this is not a text"),
        ("seconds: 0.5", "second: 0.5", 9, "there is no key 'second'"),
        ("extra: a message", "failed: a message", 9, "every task has the output 'failed'"),
        ("extra: a message", "extra: started", 9, "another output has the message 'started'"),
        ("parent: SUB", "parent: TOP", 9, "there is no family 'TOP'"),
        ("after: m1", "after: m2", 12, "there is no task 'm2'"),
        (", after: m1", "", 12, "the line has no 'after'"),
        ("cycle: -1", "cycle: last", 13, "'last' is not a whole number"),
        ("output: finished", "output: done", 14, "there is no output of 'bad' 'done'"),
        ("before: m1, output", "output", 15, "'output' without 'before'"),
        ("[foo, bad]", "[]", 12, "no task is named"),
        ("[foo, bad]", "m1", 12, "'m1' waits for itself by way of other tasks"),
        (
            "before: foo, cycle: -1, after: foo",
            "before: m1, after: foo",
            12,
            "'m1' waits for itself by way of other tasks",
        ),
        ("- {before: m1", "- {before: m1: 2", 15, "is not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_a_fix(
    old: str, new: str, line: int, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(DefinitionError) as error:
        parse(TEXT.replace(old, new), "some.yaml")
    place, _, rest = str(error.value).partition(": ")
    told, fix = rest.split("\n  fix: ")
    assert (place, fix != "") == (f"some.yaml:{line}", True)
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("[1]", "this is not a mapping"),
        ("{cycle_points: ['1'], tasks: {a: }}", "there is no 'graph'"),
        ("{cycle_points: ['1'], tasks: {}, graph: []}", "there is no task"),
        ("? [a]\n: 1", "this is not a text"),
        ("\x00", "is not valid YAML"),
        ("a: !!python/object:os.system 1", "there is no key 'a'"),
    ],
)
def test_what_is_no_workflow_at_all(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as error:
        parse(text)
    assert message in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none", "there is no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(DefinitionError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: {message}")
    path = tmp_path / "latin"
    path.write_bytes(b"\xff")
    with pytest.raises(DefinitionError):
        read(path)


def test_synthetic() -> None:
    definition = synthetic(2500)
    assert len(definition.tasks) == 2500
    assert len(definition.families) == 4
    assert set(_workflow.OUTCOMES) >= {task.outcome for task in definition.tasks.values()}
