"""The subscriber: receives what the publisher of one workflow publishes (chapter 10)."""

import contextlib
import math
import os
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import zmq

from wri_reference import _contact
from wri_reference._connection import Server
from wri_reference._errors import ClientError, ReplyError, WorkflowStopped
from wri_reference._follow import SHUTDOWN

SILENCE: Final = 5.0
"""Seconds without a publication after which the contact file is asked whether there is a server."""

_FRAMES = 2  # PUB-2


class Publication(NamedTuple):
    """One message of a publisher."""

    topic: bytes
    payload: bytes


class WorkflowSubscriber:
    """A subscriber to the publications of one workflow; iterate over it to receive them.

    The iteration ends after `shutdown`. A publisher that has nothing to say is silent for as
    long as it likes, so a server that died is found by its contact file, unless its address was
    given.

    It is connected when it is made, and receives what is published from a moment later on: who
    wants all of a workflow asks for a snapshot then, and looks at the times (see `Follower`).

    Args:
        workflow: the workflow id.
        host: where the publisher is; without `host` and `port` the contact file says it.
        port: its publish port.
        topics: the topics to receive, in full: others that begin alike are left out (PUB-6).
        context: the ZeroMQ context to use.
        srv_public_key_loc: file with the public key of the server, if it is not the one in the
            run directory.

    Raises:
        WorkflowStopped: there is no contact file to read an address from.
        ClientError: the contact file or a key makes no sense, or `workflow` is no workflow id.
    """

    def __init__(
        self,
        workflow: str,
        host: str | None = None,
        port: int | str | None = None,
        topics: Collection[bytes] = (b"all", b"shutdown"),
        context: zmq.Context[Any] | None = None,
        srv_public_key_loc: str | os.PathLike[str] | None = None,
    ) -> None:
        self.workflow = workflow
        self.topics = frozenset(topics)
        self._watched = host is None or port is None
        self._server = Server(workflow, _contact.PUBLISH_PORT, host, port, srv_public_key_loc)
        self._connection = self._server.connect(context or zmq.Context.instance(), zmq.SUB)
        for topic in self.topics:
            self._connection.socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._poller = zmq.Poller()
        self._connection.watch(self._poller)
        self._ended = False
        self._heard = time.monotonic()

    @property
    def host(self) -> str:
        """The host that publishes."""
        return self._server.address.host

    @property
    def port(self) -> int:
        """The publish port."""
        return self._server.address.port

    def receive(self, timeout: float | None = None) -> Publication | None:
        """Return the next publication; None if none came within `timeout` seconds.

        Without a time-out it waits for as long as the server may be running.

        Raises:
            HandshakeRefused: the keys are not accepted.
            WorkflowStopped: the server is gone, or has published `shutdown` before.
            WorkflowMoved: the contact file names another address by now.
            ReplyError: what came is no publication.
            ClientError: one of the above, or the connection was lost (DELTA-23), or the contact
                file makes no sense.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (publication := self._next()) is None:
            now = time.monotonic()
            if now >= deadline:
                return None
            if now >= self._heard + SILENCE:
                self._heard = now
                if (publication := self._explained()) is not None:
                    break
            wait = min(deadline, self._heard + SILENCE) - now
            self._poller.poll(math.ceil(wait * 1000))
        self._heard = time.monotonic()
        return publication

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __iter__(self) -> Iterator[Publication]:
        """Yield publications up to `shutdown`; raises what `receive` raises."""
        while not self._ended:
            if (publication := self.receive()) is not None:
                yield publication

    def __enter__(self) -> Self:
        """Return the subscriber."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def _next(self) -> Publication | None:
        try:
            return self._take()
        except ReplyError:
            raise
        except ClientError as error:
            self._server.explain_silence()
            raise self._server.in_full(error) from None

    def _take(self) -> Publication | None:
        while (frames := self._connection.receive()) is not None:
            if len(frames) != _FRAMES:
                raise ReplyError(
                    f"{self.workflow} published a message of {len(frames)} frames, not of two"
                )
            if frames[0] in self.topics:
                self._ended = self._ended or frames[0] == SHUTDOWN
                return Publication(*frames)
        return None

    def _explained(self) -> Publication | None:
        if self._watched:
            try:
                self._server.explain_silence()
            except (ClientError, WorkflowStopped):
                # The last publication may have come after the silence, and before the end.
                with contextlib.suppress(ClientError):
                    if (publication := self._take()) is not None:
                        return publication
                raise
        return None
