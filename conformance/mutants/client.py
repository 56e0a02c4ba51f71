"""A correct client with seams, from which the faults of clients are made."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import zmq
from zmq.asyncio import Poller

from wri_reference import ClientTimeout, HandshakeRefused, WorkflowRuntimeClient
from wri_reference._connection import Connection
from wri_reference._messages import encode_request
from wri_reference.client import _interpret


class Client(WorkflowRuntimeClient):
    """Does what the reference does, step by step."""

    async def async_request(
        self,
        command: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,  # noqa: ASYNC109
        req_meta: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        deadline = time.monotonic() + self.patience(None if timeout is None else float(timeout))
        connection = self.open()
        try:
            await self.send(connection, self.request(command, args or {}))
            body = await self.receive(connection, deadline)
        except (HandshakeRefused, ClientTimeout) as error:
            await asyncio.to_thread(self.silent)
            raise self.unanswered(error) from None
        finally:
            self.drop(connection)
        return self.interpret(command, body)

    def patience(self, timeout: float | None) -> float:
        """Return the seconds to wait for a response."""
        return self.timeout if timeout is None else timeout

    def open(self) -> Connection:
        """Return the connection for a request."""
        return self._server.connect(self._context, zmq.REQ)

    def drop(self, connection: Connection) -> None:
        """Be done with the connection of a request."""
        connection.close()

    def request(self, command: str, args: Mapping[str, Any]) -> list[bytes]:
        """Return the frames of a request."""
        return [encode_request(command, dict(args), self.header["meta"])]

    async def send(self, connection: Connection, frames: list[bytes]) -> None:
        """Send a request."""
        connection.socket.send_multipart(frames, zmq.NOBLOCK)

    async def receive(self, connection: Connection, deadline: float) -> list[bytes]:
        """Return the frames of the reply."""
        poller = Poller()
        connection.watch(poller)
        while (body := connection.receive()) is None:
            if (left := deadline - time.monotonic()) <= 0:
                raise ClientTimeout("no response came in time")
            await poller.poll(left * 1000)
        return body

    def silent(self) -> None:
        """Find out why nothing came."""
        self.timeout_handler()

    def unanswered(self, error: Exception) -> Exception:
        """Return what to raise if the server may still be running."""
        return self._server.in_full(error)

    def interpret(self, command: str, body: list[bytes]) -> Any:
        """Return what the reply says."""
        return _interpret(command, body)
