"""Identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_reference import RemoteProtocolError, _ids
from wri_reference._ids import Tokens

WORKFLOW = "~me/a/run1"


def part(forbidden: str) -> st.SearchStrategy[str]:
    alphabet = st.characters(exclude_characters=f"/:\n{forbidden}", exclude_categories=["Cs"])
    return st.text(alphabet, min_size=1, max_size=8).map(str.strip).filter(bool)


def test_what_is_built() -> None:
    assert _ids.workflow_id("me", "a/run1") == WORKFLOW
    assert _ids.proxy_id(WORKFLOW, "1", "foo") == "~me/a/run1//1/foo"
    assert _ids.job_id(WORKFLOW, "1", "foo", 1) == "~me/a/run1//1/foo/01"
    assert _ids.job_id(WORKFLOW, "1", "foo", 123) == "~me/a/run1//1/foo/123"
    assert _ids.definition_id(WORKFLOW, "foo") == "~me/a/run1//$namespace|foo"
    assert _ids.edge_id(WORKFLOW, "1/foo", "2/bar") == "~me/a/run1//$edge|1/foo|2/bar"


@given(part("~"), part("~"), part("~"), part(""), st.integers(1, 200))
def test_what_is_built_is_taken_apart(
    user: str, workflow: str, cycle: str, name: str, number: int
) -> None:
    text = _ids.job_id(_ids.workflow_id(user, workflow), cycle, name, number)
    assert _ids.parse(text) == Tokens(
        user=user, workflow=workflow, cycle=cycle, task=name, job=f"{number:02}"
    )


@given(st.text(st.sampled_from("/:~a1* \n|$"), max_size=12))
def test_each_text_is_an_identifier_or_refused(text: str) -> None:
    for parse in (_ids.parse, _ids.parse_relative):
        try:
            tokens = parse(text)
        except RemoteProtocolError:
            continue
        given_parts = [part for part in tokens if part is not None]
        assert given_parts
        assert all(part and part == part.strip() and part in text for part in given_parts)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("w", Tokens(workflow="w")),
        ("w//", Tokens(workflow="w")),
        ("w\n", Tokens(workflow="w")),
        ("a/b", Tokens(workflow="a/b")),
        ("1/foo", Tokens(workflow="1/foo")),
        ("w:paused", Tokens(workflow="w", workflow_selector="paused")),
        ("~me", Tokens(user="me")),
        ("~me/", Tokens(user="me")),
        ("~me/w", Tokens(user="me", workflow="w")),
        ("//1", Tokens(cycle="1")),
        ("//1/foo", Tokens(cycle="1", task="foo")),
        ("w//1/", Tokens(workflow="w", cycle="1")),
        ("w//1/foo/", Tokens(workflow="w", cycle="1", task="foo")),
        (
            "~me/w:r//1:a/foo:b/01:c",
            Tokens("me", "w", "r", "1", "a", "foo", "b", "01", "c"),
        ),
        ("w//1/foo/NN", Tokens(workflow="w", cycle="1", task="foo", job="NN")),
        ("w // 1 / foo ", Tokens(workflow="w", cycle="1", task="foo")),
        ("w//$edge|1", Tokens(workflow="w", cycle="$edge|1")),
    ],
)
def test_absolute(text: str, tokens: Tokens) -> None:
    assert _ids.parse(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1", Tokens(cycle="1")),
        ("1/", Tokens(cycle="1")),
        ("//1/foo", Tokens(cycle="1", task="foo")),
        ("1/foo/01", Tokens(cycle="1", task="foo", job="01")),
        ("*:failed", Tokens(cycle="*", cycle_selector="failed")),
        ("*/*:failed", Tokens(cycle="*", task="*", task_selector="failed")),
        ("1:", Tokens(cycle="1:")),
        ("a:b:c", Tokens(cycle="a:b", cycle_selector="c")),
        (
            "2000-01-01T00:00Z/foo",
            Tokens(cycle="2000-01-01T00", cycle_selector="00Z", task="foo"),
        ),
        ("1/~foo", Tokens(cycle="1", task="~foo")),
    ],
)
def test_relative(text: str, tokens: Tokens) -> None:
    assert _ids.parse_relative(text) == tokens


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "~",
        "/w",
        "w/",
        "w///",
        "~me//1",
        "~me/w/",
        "//",
        "w//1//",
        "w//1/foo/01/",
        "w//~1",
        "w//:x",
        "w//a~b",
        "w//1/foo:a:b",
        "~a:b/w",
        "w//1/foo:",
        "w\n//1",
        "w//1/ /01",
        "w//1/foo/01/x",
        "~a~b/w",
        "w//1/a\nb",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="is not an identifier"):
        _ids.parse(text)


@pytest.mark.parametrize("text", ["", "w//1", "~me/w//1", "////1", "/1", "1//foo", "1/foo/01/"])
def test_refused_within_a_workflow(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="is not an identifier"):
        _ids.parse_relative(text)
