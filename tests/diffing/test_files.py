"""The files of a server, without what is another one in each run."""

from pathlib import Path

import pytest

from wri_conformance.diffing import files


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("8.5.4", "a version"),
        ("8.7.0.dev", "a version"),
        ("43001", "a number"),
        ("0b4a1c7e-1111-4222-8333-123456789abc", "a UUID"),
        ("True", "True or False"),
        ("None", "None"),
        ("", "nothing"),
        ("/home/a/cylc-run", "a path"),
        ("$HOME/cylc-run", "a path"),
        ("host.example.org", "a name"),
        ("127.0.0.1", "a name"),
        ("::1", "a name"),
        ("ssh -oBatchMode=yes", "a text"),
    ],
)
def test_values_of_the_contact_file_are_told_by_their_form(
    value: str, form: str, tmp_path: Path
) -> None:
    (tmp_path / "contact").write_text(f"CYLC_API=5\nKEY={value}\n")
    assert files.contact(tmp_path)["fields"] == {"CYLC_API": "5", "KEY": form}


def test_what_is_not_there(tmp_path: Path) -> None:
    assert files.contact(tmp_path) == {"exists": False, "fields": {}}
    assert files.keys(tmp_path) == {"files": {}, "well_formed": True, "same_secret": None}
    assert files.left(tmp_path / "nowhere") == []
    (tmp_path / "contact").write_text("")
    (tmp_path / "db").write_text("")
    (tmp_path / "server.key_secret").write_text("")
    assert files.left(tmp_path) == ["contact", "server.key_secret"]
