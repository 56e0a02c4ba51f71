"""The contact file, byte by byte (chapter 2)."""

from pathlib import Path

import pytest

from wri_reference._contact import (
    Address,
    Process,
    address,
    format_contact,
    parse_contact,
    process,
)
from wri_reference._errors import LocalProtocolError, RemoteProtocolError
from wri_reference._rundir import RunDirectory, write_file


def test_fields_arrive_unchanged() -> None:
    fields = {"B": "x=y", "A": "é ü", "EMPTY": ""}
    text = format_contact(fields)
    assert text == "A=é ü\nB=x=y\nEMPTY=\n".encode()
    assert parse_contact(text) == fields


@pytest.mark.parametrize("value", ["a\nB=c", "a\rb", " a", "a "])
def test_a_value_that_would_come_back_changed_is_not_written(value: str) -> None:
    with pytest.raises(LocalProtocolError, match="A="):
        format_contact({"A": value})


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"", {}),
        (b" A = 1=2 \r\nB=", {"A": "1=2", "B": ""}),
        (b"A=1\nUNKNOWN=x\n", {"A": "1", "UNKNOWN": "x"}),
        ("A=a\u2028b\n".encode(), {"A": "a\u2028b"}),
    ],
)
def test_readers_are_lenient(text: bytes, fields: dict[str, str]) -> None:
    assert parse_contact(text) == fields


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(b"A=1\nnonsense\n", "line 2: 'nonsense'"), (b"A=1\n\n", "line 2"), (b"A=\xff\n", "UTF-8")],
)
def test_what_cannot_be_parsed_is_an_error(text: bytes, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        parse_contact(text)


def test_only_what_is_used_is_needed() -> None:
    assert address({"CYLC_WORKFLOW_HOST": "h", "CYLC_WORKFLOW_PORT": "1"}) == Address("h", 1)
    fields = {"CYLC_WORKFLOW_HOST": "h", "CYLC_WORKFLOW_PID": "7", "CYLC_WORKFLOW_COMMAND": "c d"}
    assert process(fields) == Process("h", 7, "c d")


@pytest.mark.parametrize(
    "port", ["", "abc", "0", "-1", "65536", "1.5", "\uff14\uff13", "9" * 50, "0x1"]
)
def test_a_port_is_a_port(port: str) -> None:
    with pytest.raises(RemoteProtocolError, match="CYLC_WORKFLOW_PORT"):
        address({"CYLC_WORKFLOW_HOST": "h", "CYLC_WORKFLOW_PORT": port})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RemoteProtocolError, match="CYLC_WORKFLOW_HOST"):
        address({"CYLC_WORKFLOW_PORT": "1"})
    with pytest.raises(RemoteProtocolError, match="CYLC_WORKFLOW_COMMAND"):
        process({"CYLC_WORKFLOW_HOST": "h", "CYLC_WORKFLOW_PID": "7"})


@pytest.mark.parametrize("workflow", ["w", "a/b/run1", "é", "a b", "..a", ".a"])
def test_workflow_ids(workflow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = tmp_path / "cylc-run" / workflow / ".service" / "contact"
    assert RunDirectory(workflow).contact == expected


@pytest.mark.parametrize(
    "workflow", ["", "/w", "w/", "a//b", "..", "../w", "a/../b", ".", "~u", "w:x", "a\nb", "a\0b"]
)
def test_what_is_no_workflow_id(workflow: str) -> None:
    with pytest.raises(LocalProtocolError, match="is not a workflow id"):
        RunDirectory(workflow)


def test_a_file_replaces_another_one_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    with path.open() as reader:
        write_file(path, b"new", 0o600)
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["file"]
