"""Recorded streams: what one subscriber of one run was given, as compressed JSON lines.

The first line is about the recording, each further one is a thing that happened, in order. The
shape is that of `schemas/recording.json`; conformance/streams/README.md says it in words.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from wri import data
from wri_conformance import schemas
from wri_conformance.mistakes import Mistake

SUFFIX: Final = ".jsonl.gz"
FORMAT: Final = 1
_LONGEST: Final = 64 * 1024 * 1024  # octets of a recording that is decompressed
_AGAIN: Final = "make it again with conformance/streams/record.py"


class Kind(StrEnum):
    """What can happen."""

    COMMAND = "command"
    SNAPSHOT = "snapshot"
    PUBLICATION = "publication"


@frozen
class Entry:
    """One thing that happened, `at` seconds after the recording began.

    A publication has a topic and a payload, a snapshot the payload that `pb_entire_workflow`
    gave, a command only a text for people.
    """

    at: float
    kind: Kind
    topic: str = ""
    payload: bytes = b""
    text: str = ""


@frozen
class Recording:
    """One run of one implementation, from the snapshot of a new subscriber to its end.

    `entries` hold at least two snapshots: the first is what a subscriber begins with, who applies
    all publications of the recording that came before it as well; the last one was taken when
    nothing happened any more, so that no publication before it is missing from it.
    """

    name: str
    implementation: str
    version: str
    workflow: str
    made: str
    entries: tuple[Entry, ...]
    path: Path | None = field(default=None, eq=False)

    @property
    def snapshots(self) -> list[Entry]:
        """Return the snapshots in the order in which they were taken."""
        return [entry for entry in self.entries if entry.kind is Kind.SNAPSHOT]

    @property
    def publications(self) -> list[Entry]:
        """Return what was published before the last snapshot."""
        last = max(n for n, entry in enumerate(self.entries) if entry.kind is Kind.SNAPSHOT)
        return [entry for entry in self.entries[:last] if entry.kind is Kind.PUBLICATION]


def directory() -> Path:
    """Return where the recordings are that come with wri."""
    return data.root() / "conformance" / "streams"


def names() -> list[str]:
    """Return the names of the recordings that come with wri, such as 8.5.4, oldest first."""
    found = [path.name.removesuffix(SUFFIX) for path in directory().glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda name: [part.zfill(4) for part in name.split(".")])


def find(name: str) -> Path:
    """Return the path of the recording that a name or a path means.

    Raises:
        Mistake: there is none.
    """
    own = directory() / f"{name}{SUFFIX}"
    path = own if name in names() else Path(name)
    if not path.is_file():
        raise Mistake(
            f"there is no recording {name}",
            f"give a path, or one of those that come with wri: {', '.join(names())}",
        )
    return path


def read(path: Path) -> Recording:
    """Return the recording in a file.

    Raises:
        Mistake: it cannot be read, or is no recording.
    """
    lines = _lines(path)
    documents = [_document(path, number, line) for number, line in enumerate(lines, start=1)]
    if not documents:
        raise Mistake("the file is empty", _AGAIN, path)
    head, *rest = documents
    _validate(path, 1, head, "head")
    for number, document in enumerate(rest, start=2):
        _validate(path, number, document, "entry")
    found = Recording(
        path.name.removesuffix(SUFFIX),
        head["implementation"],
        head["version"],
        head["workflow"],
        head["made"],
        tuple(_entry(document) for document in rest),
        path,
    )
    if len(found.snapshots) < 2:  # noqa: PLR2004 - the first and the last
        raise Mistake("a recording needs two snapshots, the first and the last", _AGAIN, path)
    return found


def write(recording: Recording, path: Path) -> None:
    """Write a recording; the same one gives the same octets.

    Raises:
        OSError: it cannot be written.
    """
    head = {
        "recording": FORMAT,
        "implementation": recording.implementation,
        "version": recording.version,
        "workflow": recording.workflow,
        "made": recording.made,
    }
    documents: Iterable[Mapping[str, Any]] = (head, *map(_as_document, recording.entries))
    text = "".join(f"{json.dumps(one, separators=(', ', ': '))}\n" for one in documents)
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, mtime=0) as packed:
        packed.write(text.encode())
    path.write_bytes(buffer.getvalue())


def _lines(path: Path) -> list[str]:
    try:
        with gzip.open(path) as packed:
            content = packed.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise Mistake(f"more than {_LONGEST} octets come out of it", "make it shorter", path)
        return content.decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise Mistake(f"cannot be read as gzip of UTF-8 lines: {error}", _AGAIN, path) from None


def _document(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"line {number} is no JSON: {error}", _AGAIN, path) from None


def _validate(path: Path, number: int, document: Any, part: str) -> None:
    if found := schemas.problems(f"recording.json#/$defs/{part}", document):
        raise Mistake(f"line {number}: {schemas.explain(found)}", _AGAIN, path)


def _entry(document: Mapping[str, Any]) -> Entry:
    return Entry(
        document["at"],
        Kind(document["kind"]),
        document.get("topic", ""),
        bytes.fromhex(document.get("payload", "")),
        document.get("text", ""),
    )


def _as_document(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"at": round(entry.at, 3), "kind": entry.kind.value}
    if entry.kind is Kind.PUBLICATION:
        found["topic"] = entry.topic
    if entry.kind is Kind.COMMAND:
        return {**found, "text": entry.text}
    return {**found, "payload": entry.payload.hex()}
