"""The claim of one server to a run directory: who may write its files, and the files themselves."""

import contextlib
import fcntl
import os
import re
import uuid
from types import TracebackType
from typing import BinaryIO, Self

import zmq
from zmq.utils import z85

from wri_reference import _contact, _keys, _process
from wri_reference._errors import RemoteProtocolError, StartError
from wri_reference._rundir import RunDirectory, write_file

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Claim:
    """The right of one server to write the files of a run directory."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._lock: BinaryIO | None = None

    def __enter__(self) -> Self:
        directory = self._directory
        try:
            directory.service.mkdir(parents=True, exist_ok=True, mode=0o755)
            self._lock = directory.uuid.open("a+b")
            # Two starts at the same moment would both find no contact file.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._refuse_if_running()
        except BlockingIOError:
            self.__exit__(None, None, None)
            raise StartError(f"another server is running in {directory.path}") from None
        except OSError as error:
            self.__exit__(None, None, None)
            raise StartError(f"{directory.service} cannot be used: {error.strerror}") from None
        except StartError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def _refuse_if_running(self) -> None:
        """Tell a running server from what a crash left (LIFE-1, LIFE-3, LIFE-5)."""
        try:
            fields = self._directory.read_contact()
            if fields is None:
                return
            process = _contact.process(fields)
        except RemoteProtocolError:
            return
        if process.pid == os.getpid():  # in a container each start has the same id
            return
        alive = _process.is_alive(process)
        where = f"process {process.pid} on {process.host}, says {self._directory.contact}"
        if alive:
            raise StartError(f"{fields.get(_contact.ID, 'the workflow')} is running: {where}")
        if alive is None:
            raise StartError(
                f"it cannot be told from here whether the workflow is running: {where}; "
                "remove that file if it is not"
            )

    def write_keys(self) -> _keys.KeyPair:
        """Replace all keys by new ones (SEC-1, SEC-7, LIFE-4) and return those of the server.

        The client's pair is another one, so that no client can pose as the server.
        """
        directory = self._directory
        server, client = (_keys.KeyPair(*zmq.curve_keypair()) for _ in range(2))
        directory.client_public_keys.mkdir(exist_ok=True, mode=0o755)
        for stale in directory.client_public_keys.glob("*.key"):
            stale.unlink()
        write_file(directory.server_public, _keys.format_public(server), 0o600)
        write_file(directory.server_secret, _keys.format_secret(server), 0o600)
        write_file(directory.client_secret, _keys.format_secret(client), 0o600)
        write_file(directory.client_public, _keys.format_public(client), 0o600)
        return server

    def authorised(self) -> set[bytes]:
        """Return the public keys, of 32 bytes, in the directory of those to admit (SEC-2)."""
        return {
            z85.decode(_keys.parse_public(path.read_bytes()))
            for path in self._directory.client_public_keys.glob("*.key")
        }

    def uuid(self) -> str:
        """Return the identity of the run, the same at each start (LIFE-2)."""
        assert self._lock is not None
        self._lock.seek(0)
        known = self._lock.read(64).decode("ascii", "replace").strip()
        if not _UUID.fullmatch(known):
            known = str(uuid.uuid4())
            self._lock.truncate(0)
            self._lock.write(f"{known}\n".encode())
            self._lock.flush()
        return known

    def write_contact(self, text: bytes) -> None:
        """Make the contact file appear, complete (DSC-4)."""
        write_file(self._directory.contact, text, 0o644)

    def remove_files(self, contact: bytes) -> None:
        """Remove the contact file, if it is still `contact`, then the keys (LIFE-6, 7, 10)."""
        directory = self._directory
        with contextlib.suppress(OSError):
            if directory.contact.read_bytes() == contact:
                directory.contact.unlink()
        for path in (
            directory.client_secret,
            directory.client_public,
            directory.server_secret,
            directory.server_public,
        ):
            with contextlib.suppress(OSError):
                path.unlink()
