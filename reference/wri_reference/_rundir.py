"""The run directory of a workflow: paths, and files that are never seen half written."""

import contextlib
import os
import re
from pathlib import Path

from wri_reference import _contact
from wri_reference._errors import LocalProtocolError, RemoteProtocolError
from wri_reference._messages import quote

_ID = re.compile(r"[^/~:\s][^~:\n\r]*")


class RunDirectory:
    """Where the files of the workflow `workflow` are (chapter 2.1, chapter 3.1).

    Raises:
        LocalProtocolError: `workflow` is not a workflow id.
    """

    def __init__(self, workflow: str) -> None:
        parts = workflow.split("/")
        if not _ID.fullmatch(workflow) or {"", ".", ".."} & set(parts) or "\0" in workflow:
            raise LocalProtocolError(f"{quote(workflow)} is not a workflow id")
        self.path = Path.home() / "cylc-run" / workflow
        self.service = self.path / ".service"
        self.contact = self.service / "contact"
        self.server_public = self.service / "server.key"
        self.server_secret = self.service / "server.key_secret"
        self.client_secret = self.service / "client.key_secret"
        self.client_public_keys = self.service / "client_public_keys"
        self.client_public = self.client_public_keys / "client_localhost.key"
        self.uuid = self.service / "uuid"  # of this implementation only
        self.definition = self.path / "workflow.yaml"  # likewise

    def read_contact(self) -> dict[str, str] | None:
        """Return the fields of the contact file, or None if there is none.

        Raises:
            RemoteProtocolError: it cannot be read or parsed; the message names it (DSC-21).
        """
        try:
            return _contact.parse_contact(self.contact.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RemoteProtocolError(
                f"the contact file {self.contact} cannot be read: {error.strerror}"
            ) from None
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"the contact file {self.contact} {error}") from None


def write_file(path: Path, text: bytes, mode: int) -> None:
    """Make `path` appear complete in one step, with `mode` less the umask, never with more."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - Path cannot open a descriptor
        file.write(text)
    temporary.replace(path)
