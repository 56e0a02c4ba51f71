"""Watches what a server publishes while one thing at a time happens to it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field

from wri_conformance.diffing import publications
from wri_conformance.diffing.asking import Asker
from wri_conformance.peers import Peer
from wri_conformance.streams import Batch, Stream

_QUIET: Final = 3.5  # seconds without a publication after which a phase is over
_MOST: Final = 60.0  # seconds of a phase
_LOOK: Final = 0.2
_CYCLES: Final = 2  # of the workflow `changes`

Until = Callable[[Sequence[Batch]], bool]


def added(batches: Sequence[Batch]) -> bool:
    """Tell whether task proxies were added."""
    return any(bool(b.parts["task_proxies"].added) for b in batches if "task_proxies" in b.parts)


def changed(batches: Sequence[Batch]) -> bool:
    """Tell whether task proxies were updated."""
    return any(bool(b.parts["task_proxies"].updated) for b in batches if "task_proxies" in b.parts)


def reloaded(batches: Sequence[Batch]) -> bool:
    """Tell whether everything was reloaded, and task proxies are there again."""
    first = next(
        (n for n, b in enumerate(batches) if any(part.reloaded for part in b.parts.values())), None
    )
    return first is not None and added(batches[first:])


def finished(batches: Sequence[Batch]) -> bool:
    """Tell whether the last job of the workflow `changes` has succeeded, in each cycle.

    A task that has may be pruned before anybody is told so.
    """
    parts = [batch.parts["task_proxies"] for batch in batches if "task_proxies" in batch.parts]
    ended: set[str] = {one.id for part in parts for one in part.updated if one.state == "succeeded"}
    ended |= {identifier for part in parts for identifier in part.pruned}
    return sum(identifier.endswith("/third") for identifier in ended) == _CYCLES


@define
class Watch:
    """A subscriber of everything, whose stream is cut into phases."""

    asker: Asker
    patience: float = _MOST  # seconds until a phase is given up
    _peer: Peer = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Subscribe."""
        self._peer = self.asker.subscriber()

    def phase(self, until: Until | None, mutation: str | None = None) -> Stream | None:
        """Return what is published from a mutation on until `until` holds and nothing more comes.

        None if it does not in a minute.
        """
        scale = self.asker.run.workshop.scale
        if mutation is not None:
            self.asker.graphql(mutation)
        messages: list[Sequence[bytes]] = []
        begin = last = time.monotonic()
        while time.monotonic() - begin < self.patience * scale:
            reply = self._peer.receive(_LOOK)
            if reply is not None:
                messages.append(reply.frames)
                last = time.monotonic()
            elif time.monotonic() - last >= _QUIET * scale:
                stream = Stream.received(messages)
                if until is None or until(stream.batches):
                    return stream
                last += _LOOK
        return None

    def facts(self, until: Until, mutation: str) -> dict[str, Any] | None:
        """Return what `publications.facts` sees in a phase, None if it does not come to its end."""
        stream = self.phase(until, mutation)
        return None if stream is None else publications.facts(stream)

    def ending(self, mutation: str) -> dict[str, Any] | None:
        """Return what is published when the server stops."""

        def over(_batches: Sequence[Batch]) -> bool:
            return bool(self.asker.run.ended())

        stream = self.phase(over, mutation)
        return None if stream is None else publications.facts(stream)

    def close(self) -> None:
        """Drop the subscription."""
        self._peer.close()
