"""The client: asks a running server, and tells what became of the question (chapter 11)."""

import asyncio
import math
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import zmq

from wri_reference import _contact, _keys, _process
from wri_reference._errors import (
    ClientError,
    ClientTimeout,
    HandshakeRefused,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyError,
    RequestError,
    WorkflowMoved,
    WorkflowStopped,
)
from wri_reference._messages import Error, decode_response, encode_request, quote
from wri_reference._rundir import RunDirectory

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds to wait for a response (CLI-8)."""

_REFUSALS: Final = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not admit the key of this client",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it has other keys than the run directory, or left",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "it does not speak ZMTP with CURVE",
}

_Key = TypeVar("_Key")


class WorkflowRuntimeClient:
    """A client of the server of one workflow: `client('ping_workflow')` returns True.

    Each request has a connection of its own, and reads the contact file and the keys again. It
    costs some milliseconds, and by construction no reply is taken for that to another request
    (CLI-10), each request is sent (CLI-11), and a restarted server is found (CLI-19, SEC-26).

    Args:
        workflow: the workflow id.
        host: where the server is; without `host` and `port` the contact file says it.
        port: its request port.
        timeout: seconds to wait for each response; 5 if None.
        context: the ZeroMQ context to use.
        srv_public_key_loc: file with the public key of the server, if it is not the one in the
            run directory.

    Raises:
        WorkflowStopped: there is no contact file to read an address from (CLI-18).
        ClientError: the contact file makes no sense (DSC-21), or `workflow` is no workflow id.
        ValueError: `timeout` is not a number above 0.
    """

    def __init__(
        self,
        workflow: str,
        host: str | None = None,
        port: int | str | None = None,
        timeout: float | str | None = None,
        context: zmq.Context[Any] | None = None,
        srv_public_key_loc: str | os.PathLike[str] | None = None,
    ) -> None:
        self.workflow = workflow
        self.timeout = _seconds(timeout, DEFAULT_TIMEOUT)
        try:
            self._directory = RunDirectory(workflow)
        except LocalProtocolError as error:
            raise ClientError(str(error)) from None
        self._context = context or zmq.Context.instance()
        self._server_key = Path(srv_public_key_loc or self._directory.server_public)
        self._host, self._port = host, None if port is None else int(port)
        self._address = self._find()

    @property
    def host(self) -> str:
        """The host that the last request went to, or the next one will go to."""
        return self._address.host

    @property
    def port(self) -> int:
        """The request port, likewise."""
        return self._address.port

    @property
    def header(self) -> dict[str, Any]:
        """What each request tells of this client (REQ-2)."""
        program = Path(sys.argv[0]).name if sys.argv else ""
        return {"meta": {"prog": program, "host": socket.gethostname(), "comms_method": "zmq"}}

    def __call__(
        self,
        command: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        req_meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what `serial_request` does."""
        return self.serial_request(command, args, timeout, req_meta)

    def serial_request(
        self,
        command: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        req_meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask for the endpoint `command` and return the `data` of the response (CLI-1).

        Args:
            command: name of an endpoint. The reply to one that begins with `pb_` is returned
                as bytes, unless it is an error.
            args: arguments of the endpoint; none if None.
            timeout: seconds to wait this time (CLI-9).
            req_meta: members to add to the `meta` of the request.

        Raises:
            RequestError: the server answered with an error.
            ReplyError: the reply is not a response.
            HandshakeRefused: the keys are not accepted.
            WorkflowMoved: the contact file names another address by now.
            ClientError: one of the above, or the request could not be sent.
            ClientTimeout: nothing came in time and the server may still be running.
            WorkflowStopped: the workflow is not running.
            ValueError: `timeout` is not a number above 0.
        """
        deadline = time.monotonic() + _seconds(timeout, self.timeout)
        with self._send(command, args, req_meta) as exchange:
            poller = zmq.Poller()
            exchange.watch(poller)
            try:
                while (body := exchange.reply()) is None:
                    poller.poll(_milliseconds_to(deadline))
            except (HandshakeRefused, ClientTimeout) as error:
                self.timeout_handler()
                raise self._in_full(error) from None
        return _interpret(command, body)

    async def async_request(
        self,
        command: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,  # noqa: ASYNC109 - the same shape as serial_request
        req_meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what `serial_request` does, without blocking the event loop (CLI-23).

        Several requests may be under way at the same time.
        """
        from zmq.asyncio import Poller  # noqa: PLC0415 - a tenth of a second that few need

        deadline = time.monotonic() + _seconds(timeout, self.timeout)
        with self._send(command, args, req_meta) as exchange:
            poller = Poller()
            exchange.watch(poller)
            try:
                while (body := exchange.reply()) is None:
                    await poller.poll(_milliseconds_to(deadline))
            except (HandshakeRefused, ClientTimeout) as error:
                await asyncio.to_thread(self.timeout_handler)
                raise self._in_full(error) from None
        return _interpret(command, body)

    def timeout_handler(self) -> None:
        """Find out why nothing came; return if the server may still be running (CLI-15).

        The contact file of a dead server is left to the next start: process ids that look dead
        from inside a container may be alive outside (CLI-16).

        Raises:
            WorkflowStopped: the contact file is gone, or its process is dead (CLI-13, CLI-17).
            WorkflowMoved: the contact file names another address (CLI-14).
            ClientError: the contact file makes no sense.
        """
        fields = self._contact_fields()
        try:
            address = _contact.address(fields)
        except RemoteProtocolError as error:
            raise ClientError(f"the contact file {self._directory.contact} {error}") from None
        if address != self._address:
            raise WorkflowMoved(
                f"{self.workflow} is no longer at {self._address}; it has moved to {address}"
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

    def close(self) -> None:
        """Do nothing: each request closes what it opens (CLI-22)."""

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def _find(self) -> _contact.Address:
        if self._host is not None and self._port is not None:
            return _contact.Address(self._host, self._port)
        try:
            address = _contact.address(self._contact_fields())
        except RemoteProtocolError as error:
            raise ClientError(f"the contact file {self._directory.contact} {error}") from None
        return _contact.Address(self._host or address.host, self._port or address.port)

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

    def _send(
        self, command: str, args: Mapping[str, Any] | None, meta: Mapping[str, Any] | None
    ) -> "_Exchange":
        try:
            header = self.header["meta"] | dict(meta or {})
            request = encode_request(command, {} if args is None else args, header)
        except LocalProtocolError as error:
            raise ClientError(f"this cannot be asked: {error}") from None
        self._address = self._find()
        server_key = _read_key(self._server_key, "public key of the server", _keys.parse_public)
        keys = _read_key(self._directory.client_secret, "keys of the client", _keys.parse_pair)
        try:
            return _Exchange(self._context, self._address, server_key, keys, request)
        except (zmq.ZMQError, OverflowError) as error:
            raise ClientError(f"ZeroMQ cannot connect to {self._address}: {error}") from None

    def _in_full(self, error: Exception) -> Exception:
        return type(error)(f"{self.workflow} at {self._address}: {error}")


class _Exchange:
    """One request on its way and the wait for what comes back."""

    def __init__(
        self,
        context: zmq.Context[Any],
        address: _contact.Address,
        server_key: bytes,
        keys: _keys.KeyPair,
        request: bytes,
    ) -> None:
        self._socket = zmq.Socket(context, zmq.REQ)
        self._refusals = self._socket.get_monitor_socket(sum(_REFUSALS))
        try:
            self._socket.setsockopt(zmq.LINGER, 0)  # CLI-22
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
            host = address.host
            if ":" in host:
                self._socket.setsockopt(zmq.IPV6, 1)
                host = f"[{host}]"
            self._socket.connect(f"tcp://{host}:{address.port}")
            self._socket.send(request, zmq.NOBLOCK)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def watch(self, poller: zmq.Poller) -> None:
        """Have `poller` wait for what `reply` looks at."""
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._refusals, zmq.POLLIN)

    def reply(self) -> list[bytes] | None:
        """Return the reply if it is there; raise HandshakeRefused if it will never come."""
        try:
            return self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            pass
        try:
            event, _ = struct.unpack("=hi", self._refusals.recv_multipart(zmq.NOBLOCK)[0])
        except zmq.Again:
            return None
        raise HandshakeRefused(f"the server refused the handshake: {_REFUSALS[event]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.disable_monitor()
        self._socket.close(linger=0)


def _interpret(command: str, body: list[bytes]) -> Any:
    raw = command.startswith("pb_") and len(body) == 1
    try:
        response = decode_response(body)
    except RemoteProtocolError as error:
        if raw:
            return body[0]
        raise ReplyError(f"{quote(command)} got no response: {error}") from None
    if isinstance(response, Error):
        raise RequestError(response.message)
    return body[0] if raw else response.value


def _read_key(path: Path, what: str, parse: Callable[[bytes], _Key]) -> _Key:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ClientError(f"the {what}, {path}, cannot be read: {error.strerror}") from None
    except RemoteProtocolError as error:
        raise ClientError(f"the {what}, {path}, {error}") from None


def _seconds(timeout: float | str | None, default: float) -> float:
    seconds = default if timeout is None else float(timeout)
    if not 0 < seconds < math.inf:
        raise ValueError(f"a time-out is a number of seconds above 0, not {timeout!r}")
    return seconds


def _milliseconds_to(deadline: float) -> int:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ClientTimeout("no response came in time")
    return math.ceil(left * 1000)
