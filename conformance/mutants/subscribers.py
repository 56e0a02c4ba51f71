"""Faults of subscribers: what they hand on, and when they notice that nothing more will come."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

from mutants import lookups
from mutants.registry import adapter_fault
from wri_reference import ClientError, ReplyError, WorkflowStopped, WorkflowSubscriber, _keys
from wri_reference._connection import Connection
from wri_reference.subscriber import Publication

SHUTDOWN = b"shutdown"
FRAMES = 2


class Subscriber(WorkflowSubscriber):
    """Does what the reference does, message by message."""

    def _take(self) -> Publication | None:
        while (frames := self._connection.receive()) is not None:
            if (publication := self.handle(frames)) is not None:
                return publication
        return None

    def handle(self, frames: list[bytes]) -> Publication | None:
        """Return the publication that a message is, or None if it is not handed on."""
        if len(frames) != FRAMES:
            raise ReplyError(f"{self.workflow} published {len(frames)} frames")
        if frames[0] not in self.topics:
            return None
        self._ended = self._ended or frames[0] == SHUTDOWN
        return Publication(*frames)


@adapter_fault("none-subscriber", [])
class Right(Subscriber):
    """Nothing is wrong."""


# -- what is handed on


@adapter_fault(
    "compares-prefixes",
    [
        "subscriber/publications/prefix/*::whole::WRI-PUB-6",
        "subscriber/publications/prefix-of-shutdown::whole::WRI-PUB-6",
        "subscriber/publications/unknown-topics::known::WRI-PUB-7",
    ],
)
class ComparesPrefixes(Subscriber):
    """Hands on whatever its socket brings."""

    def handle(self, frames: list[bytes]) -> Publication | None:
        if frames[0] == SHUTDOWN or len(frames) != FRAMES:
            return super().handle(frames)
        return Publication(frames[0].decode("utf-8", "replace").encode(), frames[1])


@adapter_fault(
    "loses-the-first",
    [
        "subscriber/publications/order::received::WRI-PUB-21",
        "subscriber/publications/many::*::WRI-PUB-21",
        "subscriber/publications/every-topic::all-of-them::WRI-PUB-21",
        "subscriber/publications/two-subscribers::one::WRI-PUB-21",
        "subscriber/publications/two-subscribers::other::WRI-PUB-21",
        "subscriber/end/crashed::before::WRI-PUB-21",
        "subscriber/end/shutdown/*::before::WRI-PUB-21",
        "subscriber/end/shutdown/*::reason::WRI-PUB-22",
        "subscriber/end/stopped::before::WRI-PUB-21",
        "subscriber/end/stopped::reason::WRI-PUB-22",
        "subscriber/end/silent::after-it::WRI-PUB-21",
        "subscriber/publications/payloads/*::*::WRI-PUB-21",
    ],
)
class LosesTheFirst(Subscriber):
    """Drops the first publication."""

    first = True

    def handle(self, frames: list[bytes]) -> Publication | None:
        if self.first:
            self.first = False
            return None
        return super().handle(frames)


@adapter_fault(
    "hands-on-twice",
    [
        "subscriber/publications/order::*::WRI-PUB-21",
        "subscriber/publications/repeated::*::WRI-PUB-21",
    ],
)
class HandsOnTwice(Subscriber):
    """Hands each publication on twice."""

    again: Publication | None = None

    def _take(self) -> Publication | None:
        if self.again is not None:
            again, self.again = self.again, None
            return again
        self.again = super()._take()
        return self.again


@adapter_fault("hands-on-in-pairs", ["subscriber/publications/order::received::WRI-PUB-21"])
class HandsOnInPairs(Subscriber):
    """Hands on the later one of two publications first."""

    later: list[Publication]

    def _take(self) -> Publication | None:
        self.later = getattr(self, "later", [])
        if self.later:
            return self.later.pop()
        one = super()._take()
        time.sleep(0.05)
        other = None if one is None else super()._take()
        if one is None or other is None:
            return one
        self.later.append(one)
        return other


@adapter_fault(
    "knows-it-already",
    [
        "subscriber/publications/repeated::as-often::WRI-PUB-21",
        "subscriber/publications/many::many::WRI-PUB-21",
        "subscriber/publications/many::last::WRI-PUB-21",
    ],
)
class KnowsItAlready(Subscriber):
    """Drops a publication that is equal to the one before."""

    before: list[bytes] | None = None

    def handle(self, frames: list[bytes]) -> Publication | None:
        if frames == self.before:
            return None
        self.before = frames
        return super().handle(frames)


@adapter_fault(
    "payload-as-text",
    ["subscriber/publications/payloads/not-text::handed-on::WRI-PUB-21"],
)
class PayloadAsText(Subscriber):
    """Takes each payload for text."""

    def handle(self, frames: list[bytes]) -> Publication | None:
        return super().handle([frames[0], frames[1].decode("utf-8", "replace").encode()])


@adapter_fault("no-empty-payload", ["subscriber/publications/payloads/empty::*::WRI-PUB-21"])
class NoEmptyPayload(Subscriber):
    """Drops what has no payload."""

    def handle(self, frames: list[bytes]) -> Publication | None:
        return super().handle(frames) if frames[1:] != [b""] else None


ONE: dict[str, Any] = {}


@adapter_fault("one-for-all", ["subscriber/publications/two-subscribers::other*::WRI-PUB-21"])
class OneForAll(Subscriber):
    """Uses the connection of the first subscriber for all that follow."""

    def __init__(self, workflow: str, **more: Any) -> None:
        super().__init__(workflow, **more)
        first = ONE.setdefault(workflow, self)
        self._connection, self._poller = first._connection, first._poller  # noqa: SLF001
        self.topics = first.topics


@adapter_fault(
    "first-two-frames",
    [
        "subscriber/publications/not-two-frames/three::not-handed-on::WRI-PUB-23",
        "subscriber/publications/not-two-frames/many::not-handed-on::WRI-PUB-23",
        "subscriber/publications/shows-no-secret::not-handed-on::WRI-PUB-23",
    ],
)
class FirstTwoFrames(Subscriber):
    """Takes the first two frames of a message for a publication."""

    def handle(self, frames: list[bytes]) -> Publication | None:
        return super().handle(frames[:FRAMES])


@adapter_fault("ends-at-nonsense", ["subscriber/publications/not-two-frames/*::*::WRI-PUB-24"])
class EndsAtNonsense(Subscriber):
    """Hands nothing on after a message that is not of two frames."""

    nonsense = ""

    def handle(self, frames: list[bytes]) -> Publication | None:
        if self.nonsense or len(frames) != FRAMES:
            self.nonsense = "this makes no sense"
            raise ReplyError(self.nonsense)
        return super().handle(frames)

    def receive(self, timeout: float | None = None) -> Publication | None:
        if self.nonsense:
            raise ReplyError(self.nonsense)
        return super().receive(timeout)


# -- the end


@adapter_fault(
    "no-last-word",
    [
        "subscriber/end/shutdown/*::reason::WRI-PUB-22",
        "subscriber/end/stopped::reason::WRI-PUB-22",
    ],
)
class NoLastWord(Subscriber):
    """Does not tell why the workflow has ended."""

    def handle(self, frames: list[bytes]) -> Publication | None:
        if frames[0] == SHUTDOWN:
            raise WorkflowStopped("the workflow has ended")
        return super().handle(frames)


@adapter_fault(
    "waits-for-ever",
    [
        "subscriber/end/crashed::found-out::WRI-PUB-25",
        "subscriber/end/stopped::found-out::WRI-PUB-25",
        "subscriber/end/gone::found-out::WRI-PUB-25",
        "subscriber/end/deaf-port::found-out::WRI-PUB-25",
        "subscriber/keys/refused/*::refused::WRI-SEC-25",
    ],
)
class WaitsForEver(Subscriber):
    """Asks nobody why nothing comes, and does not look at the connection either."""

    def receive(self, timeout: float | None = None) -> Publication | None:
        deadline = time.monotonic() + (timeout or 0)
        while (left := deadline - time.monotonic()) > 0:
            try:
                if (publication := self._take()) is not None:
                    return publication
            except (ClientError, WorkflowStopped):
                pass
            time.sleep(min(left, 0.05))
        return None


@adapter_fault(
    "silence-is-the-end-here",
    ["subscriber/end/silent::*"],
)
class SilenceIsTheEnd(Subscriber):
    """Takes a server that says nothing for stopped."""

    silent = False

    def receive(self, timeout: float | None = None) -> Publication | None:
        publication = None if self.silent else super().receive(timeout)
        if publication is None:
            self.silent = True
            raise WorkflowStopped("nothing comes any more")
        return publication


@adapter_fault("lingers", ["subscriber/end/process-*::ends::WRI-CLI-22"])
class Lingers(Subscriber):
    """Waits in a thread that keeps the process."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        threading.Thread(target=time.sleep, args=(3600,)).start()


@adapter_fault("late-to-say-stopped-here", ["subscriber/discovery/no-contact/*::stopped::*"])
class LateToSayStopped(Subscriber):
    """Waits for a contact file."""

    def __init__(self, *args: Any, **more: Any) -> None:
        try:
            super().__init__(*args, **more)
        except WorkflowStopped:
            time.sleep(5)
            raise


# -- the contact file


@adapter_fault(
    "keeps-spaces-here", ["subscriber/discovery/contact-file/spaces/*::read::WRI-DSC-19"]
)
class KeepsSpaces(lookups.SpacesKept, Subscriber):
    __doc__ = lookups.SpacesKept.__doc__


@adapter_fault(
    "knows-all-keys-here", ["subscriber/discovery/contact-file/unknown-keys::read::WRI-DSC-20"]
)
class KnowsAllKeys(lookups.AllKeysKnown, Subscriber):
    __doc__ = lookups.AllKeysKnown.__doc__


@adapter_fault(
    "wants-all-fields-here",
    ["subscriber/discovery/contact-file/missing-field/*::read::WRI-DSC-22"],
)
class WantsAllFields(lookups.AllFieldsWanted, Subscriber):
    __doc__ = lookups.AllFieldsWanted.__doc__


@adapter_fault(
    "nonsense-as-stopped-here",
    [
        "subscriber/discovery/contact-file/unreadable/empty::told::WRI-DSC-21",
        "subscriber/discovery/contact-file/unreadable/no-equals-sign::told::WRI-DSC-21",
        "subscriber/discovery/contact-file/unreadable/not-utf8::told::WRI-DSC-21",
        "subscriber/discovery/contact-file/unreadable/no-host::told::WRI-DSC-21",
    ],
)
class NonsenseAsStopped(lookups.NonsenseStops, Subscriber):
    __doc__ = lookups.NonsenseStops.__doc__


# -- keys


def service(subscriber: WorkflowSubscriber) -> Path:
    """Return the directory of the key files."""
    return Path.home() / "cylc-run" / subscriber.workflow / ".service"


@adapter_fault(
    "nameless-key-file-here",
    [
        "subscriber/keys/missing/*::told::WRI-CLI-20",
        "subscriber/keys/unreadable/*::told::WRI-CLI-20",
    ],
)
class NamelessKeyFile(Subscriber):
    """Does not say which file it cannot use."""

    def __init__(self, *args: Any, **more: Any) -> None:
        try:
            super().__init__(*args, **more)
        except ClientError:
            raise ClientError("a key cannot be read") from None


@adapter_fault(
    "finds-the-key-elsewhere",
    [
        "subscriber/keys/missing/server::*::WRI-CLI-20",
        "subscriber/keys/unreadable/server-empty::*::WRI-CLI-20",
    ],
)
class FindsTheKeyElsewhere(Subscriber):
    """Takes the key of the server from the file that is meant for the server only."""

    def __init__(self, workflow: str, **more: Any) -> None:
        path = Path.home() / "cylc-run" / workflow / ".service"
        pair = _keys.parse_pair((path / "server.key_secret").read_bytes())
        found = Path.home() / "found.key"
        found.write_bytes(_keys.format_public(pair))
        super().__init__(workflow, srv_public_key_loc=found, **more)


@adapter_fault(
    "prints-keys-here",
    [
        "subscriber/secrets::untold::WRI-CLI-21",
        "subscriber/publications/shows-no-secret::untold::WRI-CLI-21",
        "subscriber/keys/unreadable/client-damaged::untold::WRI-CLI-21",
    ],
)
class PrintsKeys(Subscriber):
    """Prints the keys that it uses, for those who look for mistakes."""

    def __init__(self, workflow: str, **more: Any) -> None:
        self.workflow = workflow
        text = (service(self) / "client.key_secret").read_text(encoding="utf-8", errors="replace")
        print("keys:", text, file=sys.stderr, flush=True)
        super().__init__(workflow, **more)


KEYS: dict[str, Any] = {}


@adapter_fault("keeps-its-keys", ["subscriber/keys/refused/*::admitted::WRI-SEC-26"])
class KeepsItsKeys(Subscriber):
    """Reads the keys of a workflow once, as long as the program runs."""

    def __init__(self, workflow: str, **more: Any) -> None:
        self.workflow = workflow
        directory = service(self)
        names = ("server.key", "client.key_secret")
        now = {name: (directory / name).read_bytes() for name in names}
        first = KEYS.setdefault(workflow, now)
        for name in names:
            (directory / name).write_bytes(first[name])
        super().__init__(workflow, **more)
        for name in names:
            (directory / name).write_bytes(now[name])


@adapter_fault("stays-refused", ["subscriber/restart::new-one::WRI-PUB-21"])
class StaysRefused(Subscriber):
    """Goes on with the connection that it had to a workflow once."""

    _kept: Connection

    def __init__(self, workflow: str, **more: Any) -> None:
        super().__init__(workflow, **more)
        self._kept = KEYS.setdefault(workflow, self._connection)
        self._connection = self._kept

    def close(self) -> None:
        """Keep it."""
