"""What a server leaves in `.service`: contact file and key files, read without judging them."""

import hashlib
import itertools
import os
import re
import stat
from pathlib import Path
from typing import Any

import zmq
from attrs import field, frozen

from wri_conformance import reading

KEY_FILES = ("server.key", "server.key_secret", "client.key_secret")
_MOST_FILES = 10_000  # that are looked at
_LINE = re.compile(r"[^=\n]+=[^\n]*\n")
_PROPERTY = re.compile(r'^ {4}(public-key|secret-key)\s*=\s*"(.*)"\s*$')
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


@frozen
class KeyPair:
    """A CURVE key pair in Z85; the secret half is never printed."""

    public: bytes
    secret: bytes | None = field(default=None, repr=False)

    @classmethod
    def new(cls) -> "KeyPair":
        """Return a pair that nobody knows."""
        return cls(*zmq.curve_keypair())


def parse_contact(text: str) -> dict[str, str]:
    """Return the fields of a contact file as a tolerant client reads them."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            fields[key.strip()] = value.strip()
    return fields


def read_contact(service: Path) -> dict[str, str]:
    """Return the fields of the contact file, or nothing if it is not there."""
    try:
        return parse_contact(reading.text(service / "contact"))
    except (OSError, UnicodeDecodeError):
        return {}


def describe_contact(service: Path) -> dict[str, Any]:
    """Return what an `observe: contact` step sees."""
    path = service / "contact"
    try:
        status = path.stat()
        text = reading.text(path)
    except OSError:  # it is not there, or is something that nobody can read as a file
        return {"exists": os.path.lexists(path)}
    except UnicodeDecodeError:
        return {"exists": True, "utf8": False, "mode": _mode(status)}
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    return {
        "exists": True,
        "utf8": True,
        "mode": _mode(status),
        "written": str(status.st_mtime_ns),
        "others_can_write": bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)),
        "wrong_lines": [line for line in lines if not _LINE.fullmatch(line)],
        "keys": [line.partition("=")[0].strip() for line in lines],
        "fields": parse_contact(text),
    }


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


def read_key(path: Path) -> KeyPair | None:
    """Return the keys in a certificate file, or None if there is no public key in it."""
    try:
        found: dict[str, str] = {
            match[1]: match[2]
            for line in reading.text(path).splitlines()
            if (match := _PROPERTY.match(line))
        }
    except (OSError, UnicodeDecodeError):
        return None
    if not found or not all(_Z85.fullmatch(value) for value in found.values()):
        return None
    if "public-key" not in found:
        return None
    secret = found.get("secret-key")
    return KeyPair(found["public-key"].encode(), secret.encode() if secret else None)


def describe_keys(service: Path) -> dict[str, Any]:
    """Return what an `observe: keys` step sees: each key file, secret keys as fingerprints."""
    seen: dict[str, Any] = {name: _describe_key(service / name) for name in KEY_FILES}
    secrets = [
        pair.secret
        for name in KEY_FILES
        if (pair := read_key(service / name)) is not None and pair.secret is not None
    ]
    seen["exposed"] = sorted(
        str(path.relative_to(service))
        for path in _below(service)
        if (status := _status(path)) and _open_to_others(status) and _holds(path, secrets)
    )
    admitted = service / "client_public_keys"
    seen["client_public_keys"] = {
        "exists": admitted.is_dir(),
        "keys": sorted(
            pair.public.decode() for path in _below(admitted, "*") if (pair := read_key(path))
        ),
    }
    return seen


def _below(directory: Path, pattern: str = "**/*") -> list[Path]:
    """Return what is in a directory, as long as it is one that can be listed."""
    try:
        return list(itertools.islice(directory.glob(pattern), _MOST_FILES))
    except OSError:
        return []


def _status(path: Path) -> os.stat_result | None:
    """Return what is known of a regular file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _open_to_others(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _holds(path: Path, secrets: list[bytes]) -> bool:
    try:
        content = reading.content(path)
    except OSError:
        return False
    return any(secret in content for secret in secrets)


def _describe_key(path: Path) -> dict[str, Any]:
    status = _status(path)
    if status is None:
        return {"exists": os.path.lexists(path)}
    pair = read_key(path)
    seen: dict[str, Any] = {
        "exists": True,
        "mode": _mode(status),
        "others_can_access": _open_to_others(status),
        "well_formed": _well_formed(path),
        "public": None if pair is None else pair.public.decode(),
        "secret": None,
        "pair": False,
    }
    if pair is not None and pair.secret is not None:
        seen["secret"] = "sha256:" + hashlib.sha256(pair.secret).hexdigest()[:16]
        try:
            seen["pair"] = zmq.curve_public(pair.secret) == pair.public
        except (zmq.ZMQError, ValueError):
            seen["pair"] = False
    return seen


def _well_formed(path: Path) -> bool:
    """Tell whether a file is a ZPL text with the section and properties of a certificate."""
    try:
        lines = reading.text(path).splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if "curve" not in lines:
        return False
    start = lines.index("curve") + 1
    body = []
    for line in lines[start:]:
        if not line.startswith(" "):
            break
        body.append(line)
    found = [match.groups() for line in body if (match := _PROPERTY.match(line))]
    wanted = {"public-key", "secret-key"} if path.name.endswith("_secret") else {"public-key"}
    return (
        len(found) == len(body)
        and {name for name, _ in found} == wanted
        and all(_Z85.fullmatch(value) for _, value in found)
    )
