"""The contact file: between its text and its fields (chapter 2), without touching the disk."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from wri_reference._errors import LocalProtocolError, RemoteProtocolError
from wri_reference._messages import quote

API: Final = "CYLC_API"
VERSION: Final = "CYLC_VERSION"
COMMAND: Final = "CYLC_WORKFLOW_COMMAND"
HOST: Final = "CYLC_WORKFLOW_HOST"
ID: Final = "CYLC_WORKFLOW_ID"
OWNER: Final = "CYLC_WORKFLOW_OWNER"
PID: Final = "CYLC_WORKFLOW_PID"
PORT: Final = "CYLC_WORKFLOW_PORT"
PUBLISH_PORT: Final = "CYLC_WORKFLOW_PUBLISH_PORT"
RUN_DIR: Final = "CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST"
UUID: Final = "CYLC_WORKFLOW_UUID"

_INTEGER = re.compile(r"[1-9][0-9]{0,9}")
_MAX_PORT = 65535


class Address(NamedTuple):
    """Where a server answers requests."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as people write it."""
        return f"{self.host}:{self.port}"


class Process(NamedTuple):
    """What identifies the process of a server: its host, id and command line."""

    host: str
    pid: int
    command: str


def format_contact(fields: Mapping[str, str]) -> bytes:
    """Return the contact file with `fields` (DSC-6, DSC-7).

    Raises:
        LocalProtocolError: a value would come back changed, or not at all (DSC-19).
    """
    for key, value in fields.items():
        if value != value.strip() or "\n" in value or "\r" in value:
            raise LocalProtocolError(f"the contact file cannot hold {key}={quote(value)}")
    return "".join(f"{key}={fields[key]}\n" for key in sorted(fields)).encode("utf-8")


def parse_contact(text: bytes) -> dict[str, str]:
    """Return the fields of a contact file, the unknown ones included (DSC-19, DSC-20).

    Raises:
        RemoteProtocolError: it is not UTF-8, or a line has no equals sign.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise RemoteProtocolError("is not UTF-8") from None
    if lines[-1] == "":
        lines.pop()
    fields = {}
    for number, line in enumerate(lines, 1):
        key, equals, value = line.partition("=")
        if not equals:
            raise RemoteProtocolError(f"has no equals sign in line {number}: {quote(line)}")
        fields[key.strip()] = value.strip()
    return fields


def address(fields: Mapping[str, str], port_field: str = PORT) -> Address:
    """Return where requests go, or what another field with a port is for.

    Raises:
        RemoteProtocolError: host or port is missing or makes no sense. Other fields are not
            looked at (DSC-22).
    """
    port = _integer(fields, port_field)
    if port > _MAX_PORT:
        raise RemoteProtocolError(f"has no port in {port_field}: {quote(fields[port_field])}")
    return Address(_text(fields, HOST), port)


def process(fields: Mapping[str, str]) -> Process:
    """Return which process the server is.

    Raises:
        RemoteProtocolError: host, process id or command line is missing or makes no sense.
    """
    return Process(_text(fields, HOST), _integer(fields, PID), _text(fields, COMMAND))


def _text(fields: Mapping[str, str], key: str) -> str:
    if not fields.get(key):
        raise RemoteProtocolError(f"has no {key}")
    return fields[key]


def _integer(fields: Mapping[str, str], key: str) -> int:
    value = _text(fields, key)
    if not _INTEGER.fullmatch(value):
        raise RemoteProtocolError(f"has no positive number in {key}: {quote(value)}")
    return int(value)
