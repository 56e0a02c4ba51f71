"""The client: asks a running server, and tells what became of the question (chapter 11)."""

import asyncio
import math
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import zmq

from wri_reference import _contact
from wri_reference._connection import Connection, Server
from wri_reference._errors import (
    ClientError,
    ClientTimeout,
    HandshakeRefused,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyError,
    RequestError,
)
from wri_reference._messages import Error, decode_response, encode_request, quote

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds to wait for a response (CLI-8)."""


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
        self._context = context or zmq.Context.instance()
        self._server = Server(workflow, _contact.PORT, host, port, srv_public_key_loc)

    @property
    def host(self) -> str:
        """The host that the last request went to, or the next one will go to."""
        return self._server.address.host

    @property
    def port(self) -> int:
        """The request port, likewise."""
        return self._server.address.port

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
                while (body := exchange.receive()) is None:
                    poller.poll(_milliseconds_to(deadline))
            except (HandshakeRefused, ClientTimeout) as error:
                self.timeout_handler()
                raise self._server.in_full(error) from None
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
                while (body := exchange.receive()) is None:
                    await poller.poll(_milliseconds_to(deadline))
            except (HandshakeRefused, ClientTimeout) as error:
                await asyncio.to_thread(self.timeout_handler)
                raise self._server.in_full(error) from None
        return _interpret(command, body)

    def timeout_handler(self) -> None:
        """Find out why nothing came; return if the server may still be running (CLI-15).

        Raises:
            WorkflowStopped: the contact file is gone, or its process is dead (CLI-13, CLI-17).
            WorkflowMoved: the contact file names another address (CLI-14).
            ClientError: the contact file makes no sense.
        """
        self._server.explain_silence()

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

    def _send(
        self, command: str, args: Mapping[str, Any] | None, meta: Mapping[str, Any] | None
    ) -> Connection:
        try:
            header = self.header["meta"] | dict(meta or {})
            request = encode_request(command, {} if args is None else args, header)
        except LocalProtocolError as error:
            raise ClientError(f"this cannot be asked: {error}") from None
        connection = self._server.connect(self._context, zmq.REQ)
        try:
            connection.socket.send(request, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            connection.close()
            raise ClientError(f"ZeroMQ cannot send to {self._server.address}: {error}") from None
        return connection


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
