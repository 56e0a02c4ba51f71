"""Connections to the server of a workflow: where it is, its keys, and what became of it."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import zmq

from wri_reference import _contact, _keys, _process
from wri_reference._errors import (
    ClientError,
    HandshakeRefused,
    LocalProtocolError,
    RemoteProtocolError,
    WorkflowMoved,
    WorkflowStopped,
)
from wri_reference._rundir import RunDirectory

_REFUSALS: Final = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not admit the key of this client",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it has other keys than the run directory, or left",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "it does not speak ZMTP with CURVE",
}
_LOSSES: Final = {
    zmq.EVENT_DISCONNECTED: "the connection was lost, and what was published since then"
}

_Key = TypeVar("_Key")


class Server:
    """One port of the server of a workflow.

    Args:
        workflow: the workflow id.
        port_field: the field of the contact file that names the port.
        host: where the server is; without `host` and `port` the contact file says it.
        port: its port.
        public_key: file with the public key of the server, if it is not the one in the run
            directory.

    Raises:
        WorkflowStopped: there is no contact file to read an address from (CLI-18).
        ClientError: the contact file makes no sense (DSC-21), or `workflow` is no workflow id.
    """

    def __init__(
        self,
        workflow: str,
        port_field: str,
        host: str | None,
        port: int | str | None,
        public_key: str | os.PathLike[str] | None,
    ) -> None:
        self.workflow = workflow
        try:
            self._directory = RunDirectory(workflow)
        except LocalProtocolError as error:
            raise ClientError(str(error)) from None
        self._public_key = Path(public_key or self._directory.server_public)
        self._port_field = port_field
        self._host, self._port = host, None if port is None else int(port)
        self.address = self._find()

    def connect(self, context: zmq.Context[Any], kind: int) -> "Connection":
        """Open a socket with the address and the keys that are on disk now (CLI-19, SEC-26).

        Raises:
            ClientError: an address or a key is missing or makes no sense.
            WorkflowStopped: there is no contact file.
        """
        self.address = self._find()
        key = _read_key(self._public_key, "public key of the server", _keys.parse_public)
        keys = _read_key(self._directory.client_secret, "keys of the client", _keys.parse_pair)
        try:
            return Connection(context, kind, self.address, key, keys)
        except (zmq.ZMQError, OverflowError) as error:
            raise ClientError(f"ZeroMQ cannot connect to {self.address}: {error}") from None

    def explain_silence(self) -> None:
        """Find out why nothing came; return if the server may still be running (CLI-15).

        The contact file of a dead server is left to the next start: process ids that look dead
        from inside a container may be alive outside (CLI-16).

        Raises:
            WorkflowStopped: the contact file is gone, or its process is dead (CLI-13, CLI-17).
            WorkflowMoved: the contact file names another address (CLI-14).
            ClientError: the contact file makes no sense.
        """
        fields = self._contact_fields()
        address = self._address_in(fields)
        if address != self.address:
            raise WorkflowMoved(
                f"{self.workflow} is no longer at {self.address}; it has moved to {address}"
            )
        try:
            process = _contact.process(fields)
        except RemoteProtocolError:
            return
        if _process.is_alive(process) is False:
            raise WorkflowStopped(
                f"{self.workflow} is not running: process {process.pid} on {process.host} is "
                f"gone and has left {self._directory.contact}"
            )

    def in_full(self, error: Exception) -> Exception:
        """Return `error` with the workflow and its address in front of the message."""
        return type(error)(f"{self.workflow} at {self.address}: {error}")

    def _find(self) -> _contact.Address:
        if self._host is not None and self._port is not None:
            return _contact.Address(self._host, self._port)
        address = self._address_in(self._contact_fields())
        return _contact.Address(self._host or address.host, self._port or address.port)

    def _address_in(self, fields: dict[str, str]) -> _contact.Address:
        try:
            return _contact.address(fields, self._port_field)
        except RemoteProtocolError as error:
            raise ClientError(f"the contact file {self._directory.contact} {error}") from None

    def _contact_fields(self) -> dict[str, str]:
        try:
            fields = self._directory.read_contact()
        except RemoteProtocolError as error:
            raise ClientError(str(error)) from None
        if fields is None:
            raise WorkflowStopped(
                f"{self.workflow} is not running: there is no {self._directory.contact}"
            )
        return fields


class Connection:
    """A socket with CURVE, and whether its handshake was refused."""

    def __init__(
        self,
        context: zmq.Context[Any],
        kind: int,
        address: _contact.Address,
        server_key: bytes,
        keys: _keys.KeyPair,
    ) -> None:
        self.socket = zmq.Socket(context, kind)
        # ZeroMQ connects again by itself. A request is sent again then, publications are not.
        self._failures = _REFUSALS | _LOSSES if kind == zmq.SUB else _REFUSALS
        self._events = self.socket.get_monitor_socket(sum(self._failures))
        self._failure: ClientError | None = None
        try:
            self.socket.setsockopt(zmq.LINGER, 0)  # CLI-22
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
            host = address.host
            if ":" in host:
                self.socket.setsockopt(zmq.IPV6, 1)
                host = f"[{host}]"
            self.socket.connect(f"tcp://{host}:{address.port}")
        except BaseException:
            self.close()
            raise

    def watch(self, poller: zmq.Poller) -> None:
        """Have `poller` wait for what `receive` looks at."""
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self._events, zmq.POLLIN)

    def receive(self) -> list[bytes] | None:
        """Return the frames of a message if one is there.

        Raises:
            HandshakeRefused: none will ever come.
            ClientError: the connection of a subscriber was lost, after the last message.
        """
        frames = _take(self.socket)
        if frames is None and self._failure is None and (event := _take(self._events)):
            number, _ = struct.unpack("=hi", event[0])
            self._failure = (
                HandshakeRefused(f"the server refused the handshake: {_REFUSALS[number]}")
                if number in _REFUSALS
                else ClientError(self._failures[number])
            )
            frames = _take(self.socket)  # it may have come in between
        if frames is None and self._failure is not None:
            raise self._failure
        return frames

    def close(self) -> None:
        """Close the socket; what was not sent is dropped."""
        self.socket.disable_monitor()
        self.socket.close(linger=0)

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the socket."""
        self.close()


def _take(source: zmq.Socket[bytes]) -> list[bytes] | None:
    try:
        return source.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None


def _read_key(path: Path, what: str, parse: Callable[[bytes], _Key]) -> _Key:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ClientError(f"the {what}, {path}, cannot be read: {error.strerror}") from None
    except RemoteProtocolError as error:
        raise ClientError(f"the {what}, {path}, {error}") from None
