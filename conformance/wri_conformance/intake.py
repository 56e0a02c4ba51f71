"""Takes publications as soon as they come, so that neither they nor memory are lost."""

import threading
import time
from collections import deque
from typing import Final

import zmq
from attrs import define, field

MOST_BYTES: Final = 128 << 20
"""What a subscriber takes in its life; the streams of all fixtures together are smaller."""

MOST_MESSAGES: Final = 100_000

_LOOK: Final = 20  # milliseconds between two looks at whether it is to end


@define(eq=False)
class Intake:
    """Reads a socket in a thread of its own, which nobody else may use until `close`.

    Between the steps of a scenario nobody reads, and libzmq would keep all that comes.
    """

    socket: "zmq.Socket[bytes]"
    flooded: bool = False  # more came than can be taken: the rest is lost
    _messages: deque[list[bytes]] = field(factory=deque)
    _bytes: int = 0
    _count: int = 0
    _arrived: threading.Condition = field(factory=threading.Condition)
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set() and not self.flooded:
            if not self.socket.poll(_LOOK):
                continue
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:  # what was there is not for a subscriber
                continue
            self._bytes += sum(map(len, frames))
            self._count += 1
            with self._arrived:
                if self._bytes > MOST_BYTES or self._count > MOST_MESSAGES:
                    self.flooded = True
                else:
                    self._messages.append(frames)
                self._arrived.notify_all()
        self.socket.close(linger=0)

    def take(self, deadline: float) -> list[bytes] | None:
        """Return the next message, waiting until `deadline` on the monotonic clock at most."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: self._messages or self.flooded, max(0.0, deadline - time.monotonic())
            )
            return self._messages.popleft() if self._messages else None

    def close(self) -> None:
        """End the thread, which closes the socket."""
        self._stop.set()
        self._thread.join()
