"""Faults of the publisher (chapter 10)."""

import zmq

from mutants.peer import Mutant
from mutants.registry import fault
from wri_reference._keys import KeyPair

SHUTDOWN = "publisher/shutdown::"
TOPICS = "publisher/deltas/topics::"


@fault(
    "three-frames",
    [f"{SHUTDOWN}all::WRI-PUB-2", "publisher/deltas/stream::stream::WRI-PUB-2"],
)
class ThreeFrames(Mutant):
    """Adds a frame to each publication."""

    def publish_queued_items(self) -> None:
        while self._queue:
            self._publications.send_multipart([*self._queue.popleft(), b"1"])


@fault("silent-end", [f"{SHUTDOWN}*", "publisher/deltas/run::last-part::*"])
class SilentEnd(Mutant):
    """Stops without publishing anything."""

    def publish(self, topic: str, payload: bytes) -> None:
        pass


@fault("no-reason", [f"{SHUTDOWN}all::WRI-PUB-3"])
class NoReason(Mutant):
    """Gives no reason for its end."""

    def publish(self, topic: str, _payload: bytes) -> None:
        super().publish(topic, b"")


@fault("reason-in-latin-1", [f"{SHUTDOWN}all::WRI-PUB-3"])
class ReasonInLatin1(Mutant):
    """Gives a reason that is not UTF-8."""

    def publish(self, topic: str, _payload: bytes) -> None:
        super().publish(topic, "arrêté".encode("latin-1"))


@fault(
    "last-words",
    [
        f"{SHUTDOWN}nothing-after::WRI-PUB-4",
        "publisher/deltas/automatic::nothing-after::WRI-PUB-4",
        "publisher/deltas/reasons/now::nothing-after::WRI-PUB-4",
    ],
)
class LastWords(Mutant):
    """Publishes something after its end."""

    def publish(self, topic: str, payload: bytes) -> None:
        super().publish(topic, payload)
        super().publish("workflow", payload)


class Manual(Mutant):
    """Decides itself who gets what."""

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: KeyPair
    ) -> zmq.Socket[bytes]:
        bound = super()._bound_socket(context, zmq.XPUB if kind == zmq.PUB else kind, keys)
        if kind == zmq.PUB:
            bound.setsockopt(zmq.XPUB_MANUAL, 1)
        return bound

    def publish_queued_items(self) -> None:
        while self._publications.poll(0):
            self.subscribe(self._publications.recv()[1:])
        super().publish_queued_items()

    def subscribe(self, topic: bytes) -> None:
        """Note a subscription to `topic` of the peer that was heard last."""
        raise NotImplementedError


@fault(
    "everything-for-everybody",
    [
        f"{SHUTDOWN}other-topic::WRI-PUB-5",
        *(f"{TOPICS}{step}::WRI-PUB-5" for step in ("exact", "prefix", "twice", "capitals")),
    ],
)
class EverythingForEverybody(Manual):
    """Sends every subscriber everything."""

    def subscribe(self, _topic: bytes) -> None:
        self._publications.setsockopt(zmq.SUBSCRIBE, b"")


@fault(
    "topics-are-ignored",
    [
        f"{SHUTDOWN}exact::WRI-PUB-5",
        f"{SHUTDOWN}prefix::WRI-PUB-5",
        *(f"{TOPICS}{step}::WRI-PUB-5" for step in ("exact", "prefix", "twice")),
    ],
)
class TopicsAreIgnored(Manual):
    """Serves only those who subscribed to everything."""

    def subscribe(self, topic: bytes) -> None:
        if not topic:
            self._publications.setsockopt(zmq.SUBSCRIBE, b"")
