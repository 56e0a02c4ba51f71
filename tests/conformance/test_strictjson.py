"""JSON of others: read strictly, and no more of it than can be handled."""

import json
from pathlib import Path
from typing import Any

import pytest

from wri_conformance import fields, strictjson
from wri_conformance.strictjson import DEEPEST, MOST_VALUES, loads


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "é", [], {}, [1, {"a": [None]}]])
def test_what_is_json_is_read(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[1,]", b"{'a': 1}", b"1 2", b"\xff", b'"\xed\xa0\x80"', b"\xef\xbb\xbf1"),
        *(b"1" * 5000, b'["', b"nul"),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        loads(data)


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_constants_of_other_languages_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is not JSON$"):
        loads(f"[{name}]".encode())


@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_the_depth_is_bounded(begin: bytes, end: bytes) -> None:
    levels = len(begin.strip(b'"a:'))  # of brackets
    times = DEEPEST // levels
    assert loads(begin * times + b"1" + end * times)
    for deeper in (times + 1, 10 * times, 100_000):
        with pytest.raises(ValueError, match=f"^it is nested more than {DEEPEST} levels deep"):
            loads(begin * deeper + b"1" + end * deeper)


def test_the_bounds_are_those_of_the_guide() -> None:
    guide = Path(__file__, "../../../conformance/README.md").resolve().read_text(encoding="utf-8")
    assert "JSON of a million values and 250 levels, protobuf of 250 000 fields" in " ".join(
        guide.split()
    )
    assert (MOST_VALUES, DEEPEST, fields.MOST) == (10**6, 250, 250_000)


def test_what_is_broad_and_as_deep_as_it_may_be_is_read() -> None:
    whole = b"[" * DEEPEST + b"{},[],1" + b"]" * DEEPEST
    with pytest.raises(ValueError, match="levels deep"):
        loads(b"[" + whole + b"]")
    flat = b"[" + b"[]," * DEEPEST + b"[" * (DEEPEST - 1) + b"]" * DEEPEST
    assert len(loads(flat)) == DEEPEST + 1


def test_what_is_only_broad_is_not_deep() -> None:
    broad = [[{"a": [n]}] for n in range(DEEPEST * 2)]
    assert loads(json.dumps(broad).encode()) == broad


@pytest.mark.parametrize(
    ("most", "refused"), [(0, True), (6, True), (7, False), (MOST_VALUES, False)]
)
def test_the_number_of_values_is_bounded(
    monkeypatch: pytest.MonkeyPatch, most: int, *, refused: bool
) -> None:
    monkeypatch.setattr(strictjson, "MOST_VALUES", most)
    data = b'[1,{"a":[2],"b":3},{}]'  # four brackets and three commas
    if refused:
        with pytest.raises(ValueError, match=f"^it has more than {most} values"):
            loads(data)
    else:
        assert loads(data) == [1, {"a": [2], "b": 3}, {}]


def test_objects_are_made_of_their_members_as_one_likes() -> None:
    assert loads(b'{"a": 1, "a": 2}') == {"a": 2}
    assert loads(b'{"a": 1, "a": 2}', lambda pairs: {"pairs": pairs}) == {
        "pairs": [("a", 1), ("a", 2)]
    }
