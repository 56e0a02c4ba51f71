"""The data store of a running workflow, kept up to date: subscriber, client and follower (9.3)."""

import time
from types import TracebackType
from typing import Final, Self

from wri_reference._errors import ClientError, ClientTimeout, RemoteProtocolError, WorkflowStopped
from wri_reference._follow import ALL, SHUTDOWN, Follower
from wri_reference._store import DataStore
from wri_reference.client import WorkflowRuntimeClient
from wri_reference.subscriber import WorkflowSubscriber

_LULL: Final = 0.05
"""Seconds without a publication after which all that was published is taken to have come."""


class WorkflowDataStore:
    """What the server of one workflow knows of it, as far as it was published.

    It subscribes when it is made, and asks for a snapshot when it is looked at: then, and whenever
    something was missed (DELTA-20 to DELTA-24).

    Args:
        workflow: the workflow id.

    Raises:
        WorkflowStopped: there is no contact file.
        ClientError: the contact file or a key makes no sense, or `workflow` is no workflow id.
    """

    def __init__(self, workflow: str) -> None:
        self.workflow = workflow
        self._subscribe()

    def current(self, timeout: float) -> DataStore:
        """Return the store as soon as nothing is known to be missing from it.

        Args:
            timeout: seconds to wait for that.

        Raises:
            ClientTimeout: it is not in step with the server, and why.
            WorkflowStopped: the server is gone.
            ClientError: the server refuses, or sends what makes no sense.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._take()
            if self._follower.stopped is not None:
                raise WorkflowStopped(f"{self.workflow} has stopped: {self._follower.stopped}")
            if self._follower.trouble is None:
                return self._follower.store
            if (left := deadline - time.monotonic()) <= 0:
                raise ClientTimeout(self._follower.trouble)
            self._load(left)

    def close(self) -> None:
        """Close the connection."""
        self._subscriber.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def _subscribe(self) -> None:
        self._follower = Follower()
        self._subscriber = WorkflowSubscriber(self.workflow, topics=(ALL, SHUTDOWN))

    def _take(self) -> None:
        try:
            while (publication := self._subscriber.receive(_LULL)) is not None:
                self._follower.feed(*publication)
                if self._follower.stopped is not None:
                    return
        except ClientError:
            self.close()
            self._subscribe()

    def _load(self, timeout: float) -> None:
        try:
            with WorkflowRuntimeClient(self.workflow, timeout=timeout) as client:
                self._follower.load(client("pb_entire_workflow"))
        except ClientTimeout as error:
            raise ClientTimeout(f"{self._follower.trouble}; {error}") from None
        except RemoteProtocolError as error:
            raise ClientError(str(error)) from None
