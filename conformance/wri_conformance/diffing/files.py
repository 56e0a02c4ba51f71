"""The contact file and the key files of a server, without what is another one in each run."""

import re
from pathlib import Path
from typing import Any, Final

from wri_conformance import service

_FORMS: Final = (
    ("a name", re.compile(r"\d+(\.\d+){3}|[0-9a-f]*:[0-9a-f:]+")),  # an address will do for one
    ("a version", re.compile(r"\d+\.\d+[\w.+-]*")),
    ("a number", re.compile(r"\d+")),
    ("a UUID", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    ("True or False", re.compile(r"True|False")),
    ("None", re.compile(r"None")),
    ("nothing", re.compile("")),
    ("a path", re.compile(r"[/$~][^ ]*")),
    ("a name", re.compile(r"[\w.-]+")),
)
_SAME: Final = ("CYLC_API",)  # fields whose value is kept


def contact(service_directory: Path) -> dict[str, Any]:
    """Return mode, keys and kinds of values of a contact file: `{exists, mode, fields, …}`."""
    seen = service.describe_contact(service_directory)
    if not seen.get("fields"):
        return {"exists": seen["exists"], "fields": {}}
    return {
        "exists": True,
        "mode": seen["mode"],
        "sorted": seen["keys"] == sorted(seen["keys"]),
        "wrong_lines": len(seen["wrong_lines"]),
        "fields": {
            key: value if key in _SAME else _form(value) for key, value in seen["fields"].items()
        },
    }


def _form(value: str) -> str:
    return next((name for name, form in _FORMS if form.fullmatch(value)), "a text")


def keys(service_directory: Path) -> dict[str, Any]:
    """Return mode and kind of each file of the service directory that has to do with keys.

    `same_secret` tells whether client and server have the same key pair.
    """
    seen = service.describe_keys(service_directory)
    files = {
        str(path.relative_to(service_directory)): f"{path.stat().st_mode & 0o777:04o}"
        for path in sorted(service_directory.rglob("*"))
        if path.is_file() and ".key" in path.name
    }
    pairs = [seen[f"{name}.key_secret"] for name in ("server", "client")]
    secrets = [pair.get("secret") for pair in pairs]
    return {
        "files": files,
        "well_formed": all(
            seen[name]["well_formed"] for name in service.KEY_FILES if seen[name]["exists"]
        ),
        "same_secret": None if None in secrets else secrets[0] == secrets[1],
    }


def left(service_directory: Path) -> list[str]:
    """Return what of these files is there, once the server has ended."""
    if not service_directory.is_dir():
        return []
    return sorted(
        str(path.relative_to(service_directory))
        for path in service_directory.rglob("*")
        if path.is_file() and (path.name == "contact" or ".key" in path.name)
    )
