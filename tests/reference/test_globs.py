"""Which elements identifiers mean."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_reference import RemoteProtocolError, _globs
from wri_reference._globs import Node


class Task(NamedTuple):
    cycle: str
    name: str
    families: tuple[str, ...]
    state: str


POOL = [
    Task("1", "foo", ("root",), "waiting"),
    Task("1", "m1", ("SUB", "FAM", "root"), "running"),
    Task("1", "bad", ("FAM", "root"), "failed"),
    Task("2", "foo", ("root",), "waiting"),
    Task("2", "m1", ("SUB", "FAM", "root"), "waiting"),
    Task("10", "foo", ("root",), "failed"),
]
DATES = [
    Task("20000101T0000Z", "foo", ("root",), "waiting"),
    Task("20000102T0000Z", "foo", ("root",), "waiting"),
]
ALL = "1/foo 1/m1 1/bad 2/foo 2/m1 10/foo"


def found(pool: list[Task], *ids: str) -> str:
    matched, _ = _globs.match_active(_globs.parse_tasks(ids), pool)
    return " ".join(f"{task.cycle}/{task.name}" for task in matched)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("*", ALL),
        ("**", ALL),
        ("*/*", ALL),
        ("*/root", ALL),
        ("1", "1/foo 1/m1 1/bad"),
        ("1/", "1/foo 1/m1 1/bad"),
        ("1*/foo", "1/foo 10/foo"),
        ("?/foo", "1/foo 2/foo"),
        ("[!1]/foo", "2/foo"),
        ("[!1]*/foo", "2/foo"),
        ("01/foo", "1/foo"),
        ("+1/foo", "1/foo"),
        ("1/FAM", "1/m1 1/bad"),
        ("1/SUB", "1/m1"),
        ("*/F?M", "1/m1 1/bad 2/m1"),
        ("1/fam", ""),
        ("*/*:failed", "1/bad 10/foo"),
        ("*/*:fail*", "1/bad 10/foo"),
        ("*/*:Failed", ""),
        ("*/foo:failed", "10/foo"),
        ("*:failed", "1/foo 1/m1 1/bad 10/foo"),
        ("1:failed", "1/foo 1/m1 1/bad"),
        ("2:failed", ""),
        ("1:failed/foo", ""),
        ("1:failed/bad", "1/bad"),
        ("foo", ""),
        ("3/foo", ""),
        ("1/{foo,bad}", ""),
        ("^/foo", ""),
    ],
)
def test_commands(identifier: str, expected: str) -> None:
    assert found(POOL, identifier) == expected


@pytest.mark.parametrize(
    "point",
    [
        "20000101T0000Z",
        "20000101T00Z",
        "2000-01-01",
        "2000",
        "2000-01",
        "20000101T0100+01",
        "20000101",
        "20000101T*",
        "2000?101T0000Z",
    ],
)
def test_dates(point: str) -> None:
    assert found(DATES, f"{point}/foo") == "20000101T0000Z/foo"


@pytest.mark.parametrize("point", ["1", "2000010", "2001", "20000101T00", "99999999", "2000-13"])
def test_other_dates(point: str) -> None:
    expected = "20000101T0000Z/foo" if point == "20000101T00" else ""
    assert found(DATES, f"{point}/foo") == expected


def test_what_is_not_matched_is_told() -> None:
    ids = _globs.parse_tasks(["1/foo", "9/foo", "*/nope", "1/*"])
    matched, unmatched = _globs.match_active(ids, POOL)
    assert matched == POOL[:3]
    assert unmatched == [ids[1], ids[2]]


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [""],
        ["//1/foo"],
        ["/1/foo"],
        ["w//1/foo"],
        ["~me/w//1/foo"],
        ["1/foo/01"],
        ["1/foo/*"],
        ["1/foo", "///"],
        [None],
        [1],
        [["1/foo"]],
    ],
)
def test_what_a_command_refuses(ids: list[object]) -> None:
    with pytest.raises(RemoteProtocolError):
        _globs.parse_tasks(ids)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("1/qux", ("1", "qux")),
        ("1/FAM/", ("1", "FAM")),
        ("1", None),
        ("*/qux", None),
        ("1/q[u]x", None),
        ("1/qux:failed", None),
        ("1:failed/qux", None),
    ],
)
def test_only_one_can_be_meant(identifier: str, expected: object) -> None:
    assert _globs.exact(_globs.parse_tasks([identifier])[0]) == expected


@given(st.integers(-(10**9), 10**9))
def test_integers_are_equal_by_value(number: int) -> None:
    assert _globs.same_point(str(number), f"{number:+}")
    assert _globs.same_point(str(number), f"{number:015}")
    assert not _globs.same_point(str(number), str(number + 1))


@given(st.datetimes().map(lambda moment: moment.replace(second=0, microsecond=0)))
def test_dates_are_equal_by_value(moment: object) -> None:
    basic, extended = (format(moment, form) for form in ("%Y%m%dT%H%MZ", "%Y-%m-%dT%H:%MZ"))
    if len(basic) == len("20000101T0000Z"):
        assert _globs.same_point(basic, extended)


NODES = [
    Node("1", "foo", "01", "failed"),
    Node("1", "foo", "02", "succeeded"),
    Node("10", "bad", "01", "failed"),
]


def queried(*ids: str, exids: tuple[str, ...] = ()) -> str:
    meant = _globs.node_filter(ids, exids)
    return " ".join(f"{node.cycle}/{node.task}/{node.job}" for node in NODES if meant(node))


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("*", "1/foo/01 1/foo/02 10/bad/01"),
        ("1", "1/foo/01 1/foo/02"),
        ("//1/", "1/foo/01 1/foo/02"),
        ("1*/[bf]*", "1/foo/01 1/foo/02 10/bad/01"),
        ("*/*/01", "1/foo/01 10/bad/01"),
        ("*/*/1", ""),
        ("*/*/NN", ""),
        ("01/foo", ""),
        ("foo", ""),
        ("*:failed", "1/foo/01 10/bad/01"),
        ("*/foo:failed", "1/foo/01"),
        ("*/*/*:failed", "1/foo/01 10/bad/01"),
        ("*/*:fail*", ""),
    ],
)
def test_queries(identifier: str, expected: str) -> None:
    assert queried(identifier) == expected


def test_queries_that_leave_out() -> None:
    assert queried() == queried("*")
    assert queried(exids=("1",)) == "10/bad/01"
    assert queried("1", exids=("*/*/01",)) == "1/foo/02"
    assert queried("1/foo/02", "10") == "1/foo/02 10/bad/01"


def test_a_task_proxy_has_no_job() -> None:
    node = Node("1", "foo", None, "failed")
    assert _globs.node_filter(["1/foo"])(node)
    assert not _globs.node_filter(["1/foo/01"])(node)


@pytest.mark.parametrize("identifier", ["", "~me/w//1/foo", "w//1", None, 1])
def test_what_a_query_refuses(identifier: object) -> None:
    with pytest.raises(RemoteProtocolError):
        _globs.node_filter([identifier])
    with pytest.raises(RemoteProtocolError):
        _globs.node_filter([], [identifier])


def test_definitions() -> None:
    assert _globs.name_filter([])("foo")
    assert _globs.name_filter(["f*"])("foo")
    assert not _globs.name_filter(["1/foo", "bar"])("foo")
    assert not _globs.name_filter([], ["fo?"])("foo")
    with pytest.raises(RemoteProtocolError):
        _globs.name_filter([None])


@pytest.mark.parametrize(
    "identifier",
    ["a/run1", "~me/a/run1", "~*/a/run?", "*", "~me", "a/run1:paused", "a/run1//1/foo", "//1"],
)
def test_workflows(identifier: str) -> None:
    assert _globs.workflow_filter([identifier])("me", "a/run1", "paused")
    assert not _globs.workflow_filter([], [identifier])("me", "a/run1", "paused")


@pytest.mark.parametrize("identifier", ["a", "~you/a/run1", "A/run1", "*:p*", "a/run1:running"])
def test_other_workflows(identifier: str) -> None:
    assert not _globs.workflow_filter([identifier])("me", "a/run1", "paused")
    assert _globs.workflow_filter([])("me", "a/run1", "paused")


def test_what_no_workflow_can_be() -> None:
    with pytest.raises(RemoteProtocolError):
        _globs.workflow_filter([""])
