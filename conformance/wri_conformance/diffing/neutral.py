"""Takes out of what was observed what is another one in each run, or tells of the user."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from wri_conformance.runs import Run

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_FILE = re.compile(r"(?:/[\w.+@~-]+){2,}")


@frozen
class Neutral:
    """Replaces identities, addresses and paths in every text of a document."""

    _patterns: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def of(cls, run: Run) -> "Neutral":
        """Return what makes neutral what one run shows."""
        contact = run.contact
        host = contact.get("CYLC_WORKFLOW_HOST", "")
        hosts = {host, socket.gethostname(), socket.gethostname().split(".")[0]} - {"", "localhost"}
        literal = [(str(run.home), "<home>"), (str(Path.home()), "<home>")]
        literal += [(name, "<host>") for name in sorted(hosts, key=len, reverse=True)]
        if owner := contact.get("CYLC_WORKFLOW_OWNER"):
            literal.append((f"~{owner}", "~<user>"))
        if version := contact.get("CYLC_VERSION"):
            literal.append((version, "<version>"))
        known = [(re.compile(rf"(?<!\w){re.escape(text)}(?!\w)"), name) for text, name in literal]
        return cls(
            (
                *known,
                (_UUID, "<uuid>"),
                (_ADDRESS, "<address>"),
                (_TIME, "<time>"),
                (_FILE, "<path>"),
            )
        )

    @classmethod
    def of_package(cls, version: str) -> "Neutral":
        """Return what makes neutral what is known of a package."""
        form = re.compile(rf"(?<!\w){re.escape(version)}(?!\w)") if version else None
        return cls((*([(form, "<version>")] if form else []), (_UUID, "<uuid>"), (_FILE, "<path>")))

    def __call__(self, node: Any) -> Any:
        """Return `node` with the same shape and nothing of the run in its values."""
        if isinstance(node, str):
            for pattern, name in self._patterns:
                node = pattern.sub(name, node)
            return node
        if isinstance(node, Mapping):
            return {key: self(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return [self(item) for item in node]
        return node
