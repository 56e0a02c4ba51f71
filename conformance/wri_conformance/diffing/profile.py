"""Profiles as documents: kept, read, written, and checked against `profile.json`."""

import gzip
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphql
from google.protobuf.message import DecodeError

from wri_conformance import schemas, venvs
from wri_conformance.diffing import descriptors, observe, target
from wri_conformance.mistakes import Mistake

Say = Callable[[str], None]


def read(path: Path) -> dict[str, Any]:
    """Return the profile in a file.

    Raises:
        Mistake: there is none, or it is one of another version of this program.
    """
    try:
        raw = path.read_bytes()
        document = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except FileNotFoundError:
        raise Mistake("there is no such profile", "check the path", path) from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Mistake(f"cannot be read as a profile: {error}", _AGAIN, path) from None
    if isinstance(document, dict) and document.get("format", observe.FORMAT) != observe.FORMAT:
        form = document.get("format")
        raise Mistake(f"is a profile of form {form}, not {observe.FORMAT}", _AGAIN, path)
    if errors := schemas.problems("profile.json", document):
        raise Mistake(f"is no profile: {schemas.explain(errors)}", _AGAIN, path)
    found: dict[str, Any] = document
    try:
        if found["graphql"] is not None:
            graphql.build_schema(found["graphql"], assume_valid=True)
        if found["protobuf"] is not None:
            descriptors.decode(found["protobuf"])
    except (graphql.GraphQLError, TypeError, ValueError, DecodeError) as error:
        raise Mistake(f"is no profile: {str(error)[:200]}", _AGAIN, path) from None
    return found


_AGAIN = "make it again with `wri diff --save`"


def write(path: Path, profile: dict[str, Any]) -> None:
    """Write a profile, compressed if the name ends with `.gz`.

    Raises:
        Mistake: it cannot be written.
    """
    raw = (json.dumps(profile, indent=1, sort_keys=True) + "\n").encode()
    content = gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise Mistake(f"cannot be written: {error.strerror}", "give another place", path) from None


def get(name: str, say: Say, *, fresh: bool = False, scale: float = 1.0) -> dict[str, Any]:
    """Return the profile of what `name` stands for: from a file, as it was kept, or observed now.

    Only releases are kept, since nothing about them changes. `fresh` observes anyway.

    Raises:
        Mistake: there is nothing of that name, or it cannot be installed or started.
    """
    if path := target.stored(name):
        return read(path)
    version = target.release(name)
    place = None if version is None else _place(version)
    if place is not None and place.is_file() and not fresh:
        try:
            return read(place)
        except Mistake:  # of another version of this program
            pass
    one = target.find(name, say)
    profile = observe.observe(one, lambda text: say(f"{one.name}: {text}"), scale)
    if place is not None:
        write(place, profile)
    return profile


def _place(version: str) -> Path:
    return venvs.cache() / "profiles" / f"{version}.json.gz"
