"""Takes out of a result what tells of the user: names, hosts and home directories."""

import contextlib
import getpass
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field


def _identities() -> list[tuple[re.Pattern[str], str]]:
    found = []
    home = Path.home()
    if len(home.parts) > 1:  # a home of `/` is in every path
        # Not in the middle of an identifier, such as 1/root where the home is /root.
        found.append((rf"(?<![\w*]){re.escape(str(home))}\b", "<home>"))
    host = socket.gethostname()
    names = {host, host.split(".")[0]} - {"localhost", ""}
    found += [(rf"\b{re.escape(name)}\b", "<host>") for name in sorted(names, key=len)[::-1]]
    with contextlib.suppress(KeyError, OSError):
        found.append((rf"\b{re.escape(getpass.getuser())}\b", "<user>"))
    return [(re.compile(pattern), name) for pattern, name in found]


@define
class Redaction:
    """Replaces identities in every string of a document."""

    _patterns: list[tuple[re.Pattern[str], str]] = field(factory=_identities)

    def __call__(self, node: Any) -> Any:
        """Return `node` with the same shape and nothing of the user in it."""
        if isinstance(node, str):
            for pattern, name in self._patterns:
                node = pattern.sub(name, node)
            return node
        if isinstance(node, Mapping):
            return {self(key): self(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return [self(item) for item in node]
        return node


_TELLING = frozenset({"message", "sent", "expected", "actual", "frames", "fatal", "known"})


def redacted(node: Any, redaction: Redaction | None = None) -> Any:
    """Return the document of a run without identities; ids and verdicts are left alone."""
    redaction = redaction or Redaction()
    if isinstance(node, Mapping):
        return {
            key: redaction(value) if key in _TELLING else redacted(value, redaction)
            for key, value in node.items()
        }
    return [redacted(item, redaction) for item in node] if isinstance(node, list) else node
