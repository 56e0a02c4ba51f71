"""Following a workflow: a data store that is kept up with publications, without sockets."""

from collections import deque
from typing import Any, Final

from google.protobuf.message import DecodeError

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference._errors import RemoteProtocolError
from wri_reference._messages import quote
from wri_reference._store import TOPICS, DataStore, Mismatch

ALL: Final = b"all"
SHUTDOWN: Final = b"shutdown"

MAX_WAITING: Final = 1000
"""How many publications are kept while a snapshot is on its way: as many as a publisher keeps."""

_DELTAS: Final[dict[bytes, type[Any]]] = {
    **{topic.encode(): type(getattr(pb.AllDeltas(), topic)) for topic in TOPICS},
    ALL: pb.AllDeltas,
}


def decode(topic: bytes, payload: bytes) -> Any:
    """Return the changes that a publication holds, or None if its topic is none of changes.

    Raises:
        RemoteProtocolError: the payload is not what the topic promises.
    """
    kind = _DELTAS.get(topic)
    if kind is None:
        return None
    try:
        return kind.FromString(payload)
    except DecodeError:
        name = quote(topic.decode("utf-8", "replace"))
        raise RemoteProtocolError(f"the payload of the topic {name} is no change") from None


def decode_snapshot(payload: bytes) -> pb.PbEntireWorkflow:
    """Return the snapshot that `pb_entire_workflow` sent.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        return pb.PbEntireWorkflow.FromString(payload)
    except DecodeError:
        raise RemoteProtocolError("the result of 'pb_entire_workflow' is no snapshot") from None


class Follower:
    """A data store that is kept in step with a publisher.

    Subscribe first (DELTA-20). Give each publication to `feed`; whenever `trouble` is not None,
    ask for `pb_entire_workflow` and give the result to `load`. Publications that come in between
    are kept and applied afterwards, so that nothing is lost, however long the snapshot takes.

    Subscribe to `all`, or to the topics of all types, or to those of interest only.

    Attributes:
        store: what is known; only right while there is no trouble.
        trouble: why the store is out of step, for people; None while it is in step.
        stopped: the reason in the publication `shutdown`, after which none comes.
    """

    def __init__(self) -> None:
        self.store = DataStore()
        self.trouble: str | None = "there is no snapshot yet"
        self.stopped: str | None = None
        self._waiting: deque[tuple[bytes, Any]] = deque(maxlen=MAX_WAITING)

    def feed(self, topic: bytes, payload: bytes) -> None:
        """Take a publication; unknown topics are ignored (PUB-7). Raises nothing."""
        if topic == SHUTDOWN:
            self.stopped = payload.decode("utf-8", "replace")
            return
        try:
            changes = decode(topic, payload)
        except RemoteProtocolError as error:
            self.trouble = str(error)
            return
        if changes is None:
            return
        if self.trouble is None:
            self._apply(topic, changes)
        else:
            self._waiting.append((topic, changes))

    def load(self, snapshot: bytes) -> None:
        """Begin anew from the result of `pb_entire_workflow`.

        A server that starts or reloads has an empty store: then the trouble goes on.

        Raises:
            RemoteProtocolError: it is no snapshot.
        """
        message = decode_snapshot(snapshot)
        if not message.workflow.id:
            self.trouble = "the snapshot is empty: the server has not finished its start"
            return
        self.store.load(message)
        self.trouble = None
        waiting, self._waiting = self._waiting, deque(maxlen=MAX_WAITING)
        for topic, changes in waiting:
            self._apply(topic, changes)

    def _apply(self, topic: bytes, changes: Any) -> None:
        if topic == ALL:
            found = self.store.apply(changes)
        else:
            mismatch = self.store.apply_delta(topic.decode(), changes)
            found = [mismatch] if mismatch else []
        if found:
            self.trouble = _explain(found)


def _explain(found: list[Mismatch]) -> str:
    topics = ", ".join(mismatch.topic for mismatch in found)
    return f"something was missed: the checksum of {topics} is not that of what is known"
