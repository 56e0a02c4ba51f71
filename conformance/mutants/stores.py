"""Faults of the data stores that subscribers keep."""

import sys
import threading
import time
import unicodedata
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mutants.registry import adapter_fault
from mutants.store import LULL, THREE, Elements, Place, Store, part_fault, several
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import (
    ClientError,
    ClientTimeout,
    ReplyError,
    WorkflowRuntimeClient,
    WorkflowStopped,
)
from wri_reference._errors import RemoteProtocolError
from wri_reference._follow import ALL, SHUTDOWN, Follower, decode
from wri_reference._store import TOPICS, DataStore


def deltas(requirement: str, *cases: str) -> list[str]:
    """Return the checks of cases of one scenario."""
    return [f"subscriber/store/deltas/{case}::applied::{requirement}" for case in cases]


def within(scenario: str, cases: Iterable[str], checks: str = "*") -> list[str]:
    """Return the checks of cases of a scenario."""
    return [f"subscriber/store/{scenario}/{case}::{checks}" for case in cases]


TYPES = ("edges", "families", "family-proxies", "jobs", "tasks", "task-proxies", "several")
MISTAKES = ("reloaded", "emptied", "pruned", "list-only")


@adapter_fault("none-store", [])
class Right(Store):
    """Nothing is wrong."""


@adapter_fault("none-store-topics", [])
class Types(Store):
    """Nothing is wrong: it subscribes to each type of elements, and not to `all`."""

    topics = (*(topic.encode() for topic in TOPICS), SHUTDOWN)


class Repairing(Follower):
    """Knows of which types something is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[str] = set()

    def _apply(self, topic: bytes, changes: Any) -> None:  # noqa: ARG002 - there is only `all`
        if found := self.store.apply(changes):
            self.trouble = f"something is missing: {found}"
            self.missing |= {mismatch.topic for mismatch in found}

    def repair(self, topic: str, elements: bytes) -> None:
        """Take all elements of one type."""
        delta = decode(topic.encode(), elements)
        delta.reloaded = True
        self.store.apply_delta(topic, delta)

    def resume(self) -> None:
        """Go on with what came meanwhile."""
        self.missing.clear()
        self.trouble = None
        waiting = [*self._waiting]
        self._waiting.clear()
        for publication in waiting:
            self._apply(*publication)


@adapter_fault("none-store-elements", [])
class Repaired(Store):
    """Nothing is wrong: it asks for the elements of the types of which something is missing."""

    _follower: Repairing
    follower = Repairing

    def _load(self, timeout: float) -> None:
        missing = self.missing()
        if not missing:
            super()._load(timeout)
            return
        with WorkflowRuntimeClient(self.workflow, timeout=timeout) as client:
            for topic in missing:
                elements = client("pb_data_elements", {"element_type": topic})
                self._follower.repair(topic, elements)
        self._follower.resume()

    def missing(self) -> list[str]:
        """Return the types to ask for."""
        return sorted(self._follower.missing)


# -- the order of parts, and of deltas


@part_fault(
    "store-updates-first",
    deltas("WRI-DELTA-11", "order-all-parts", "order-added-updated", "order-workflow"),
)
class UpdatesFirst(Elements):
    """Applies `updated` before `added`."""

    order = ("reload", "update", "add", "prune")


@part_fault("store-prunes-first", deltas("WRI-DELTA-11", "order-all-parts", "order-added-pruned"))
class PrunesFirst(Elements):
    """Applies `pruned` before anything is added."""

    order = ("reload", "prune", "add", "update")


@part_fault(
    "store-reloads-last",
    [
        *deltas("WRI-DELTA-11", "order-all-parts", "order-workflow"),
        *deltas("WRI-DELTA-13", "reloaded-all-types", "reloaded-one-type"),
    ],
)
class ReloadsLast(Elements):
    """Drops all elements after it has added those of the delta."""

    order = ("add", "update", "prune", "reload")


@part_fault(
    "store-applies-older",
    deltas(
        "WRI-DELTA-12",
        "time-older-updated",
        "time-older-added",
        "time-older-pruned",
        "time-older-workflow",
    ),
)
class AppliesOlder(Elements):
    """Does not look at the time."""

    def older(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return False


@part_fault("store-skips-same-time", deltas("WRI-DELTA-12", "time-same"))
class SkipsSameTime(Elements):
    """Skips a delta of the time of the last one."""

    def older(self, topic: str, delta: Any) -> bool:
        return super().older(topic, delta) or delta.time == self._times[topic]


@part_fault("store-one-clock", deltas("WRI-DELTA-12", "time-other-type"))
class OneClock(Elements):
    """Has one time for all types."""

    def older(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return not delta.reloaded and delta.time < max(self._times.values())


@part_fault("store-skips-older-reloaded", deltas("WRI-DELTA-12", "time-older-reloaded"))
class SkipsOlderReloaded(Elements):
    """Skips an older delta even if it is reloaded."""

    def older(self, topic: str, delta: Any) -> bool:
        return bool(delta.time < self._times[topic])


@part_fault("store-latest-time", deltas("WRI-DELTA-12", "time-older-reloaded"))
class LatestTime(Elements):
    """Keeps the latest time that it has seen, over a reload as well."""

    def apply_delta(self, topic: str, delta: Any) -> Any:
        latest = self._times[topic]
        found = super().apply_delta(topic, delta)
        self._times[topic] = max(latest, self._times[topic])
        return found


# -- reloaded


@part_fault(
    "store-reload-ignored",
    deltas("WRI-DELTA-13", "reloaded-all-types", "reloaded-to-nothing", "reloaded-one-type"),
)
class ReloadIgnored(Elements):
    """Drops nothing at a delta with `reloaded`."""

    def reload(self, topic: str, delta: Any) -> None:
        """Ignore it."""


@part_fault(
    "store-reload-of-all",
    deltas("WRI-DELTA-13", "reloaded-all-types", "reloaded-to-nothing", "reloaded-one-type"),
)
class ReloadOfAll(Elements):
    """Drops the elements of all types when one is reloaded."""

    def reload(self, topic: str, delta: Any) -> None:  # noqa: ARG002
        if delta.reloaded:
            for each in TOPICS:
                self._clear(each)


@part_fault("store-reload-needs-elements", deltas("WRI-DELTA-13", "reloaded-to-nothing"))
class ReloadNeedsElements(Elements):
    """Drops elements only if others take their place."""

    def reload(self, topic: str, delta: Any) -> None:
        if several(delta, "added"):
            super().reload(topic, delta)


# -- added


@part_fault("store-adds-nothing", deltas("WRI-DELTA-14", "added-new"))
class AddsNothing(Elements):
    """Knows the elements that it has from the beginning, and takes no new ones."""

    def put(self, topic: str, element: Any) -> None:
        if not self.workflow.id or self.known(topic, element.id) is not None:
            super().put(topic, element)

    def load(self, snapshot: pb.PbEntireWorkflow) -> None:
        DataStore.load(self, snapshot)


@part_fault("store-added-merged", deltas("WRI-DELTA-14", "added-known"))
class AddedMerged(Elements):
    """Merges an element in `added` into the one that it has."""

    def added(self, topic: str, element: Any) -> Any:
        known = self.known(topic, element.id)
        return element if known is None else self.updated(topic, known, element)


@part_fault("store-added-unless-known", deltas("WRI-DELTA-14", "added-known"))
class AddedUnlessKnown(Elements):
    """Keeps an element that it has, whatever `added` says."""

    def added(self, topic: str, element: Any) -> Any:
        return self.known(topic, element.id) or super().added(topic, element)


@part_fault("store-added-once", deltas("WRI-DELTA-14", "added-known", "added-twice"))
class AddedOnce(Elements):
    """Breaks down at an element in `added` that it has already."""

    def added(self, topic: str, element: Any) -> Any:
        known = self.known(topic, element.id)
        if known is not None and known.id:
            raise KeyError(element.id)
        return super().added(topic, element)


# -- updated


@part_fault("store-truthy-fields", deltas("WRI-DELTA-15", "updated-fields"))
class TruthyFields(Elements):
    """Takes fields that are false, zero or empty for absent."""

    def merged(self, known: Any, update: Any) -> Any:
        present = type(update)()
        present.CopyFrom(update)
        for field, value in update.ListFields():
            if not field.is_repeated and field.message_type is None and not value:
                present.ClearField(field.name)
        return super().merged(known, present)


@part_fault(
    "store-update-replaces",
    deltas("WRI-DELTA-15", "updated-fields", "updated-lists", "updated-maps"),
)
class UpdateReplaces(Elements):
    """Replaces the whole element by its update."""

    def merged(self, known: Any, update: Any) -> Any:  # noqa: ARG002
        return update


class Several(Elements):
    """Treats lists or maps in a way of its own."""

    maps = False

    def shared(self, update: Any) -> list[str]:
        """Return the lists, or the maps, that an update has."""
        return [
            field.name
            for field, _ in update.ListFields()
            if field.is_repeated
            and self.maps == bool(field.message_type and field.message_type.GetOptions().map_entry)
        ]


@part_fault("store-lists-replaced", deltas("WRI-DELTA-15", "updated-lists"))
class ListsReplaced(Several):
    """Replaces lists, as a dictionary would."""

    def replaced(self, topic: str, update: Any) -> Iterable[str]:
        return {*super().replaced(topic, update), *self.shared(update)}


@part_fault("store-lists-stay", deltas("WRI-DELTA-15", "updated-lists"))
class ListsStay(Several):
    """Merges no lists."""

    def merged(self, known: Any, update: Any) -> Any:
        less = type(update)()
        less.CopyFrom(update)
        for field in self.shared(update):
            less.ClearField(field)
        return super().merged(known, less)


@part_fault("store-maps-replaced", deltas("WRI-DELTA-15", "updated-maps"))
class MapsReplaced(ListsReplaced):
    """Replaces maps as a whole."""

    maps = True


@part_fault("store-maps-stay", deltas("WRI-DELTA-15", "updated-maps"))
class MapsStay(ListsStay):
    """Merges no maps."""

    maps = True


@part_fault("store-maps-deep", deltas("WRI-DELTA-15", "updated-maps"))
class MapsDeep(Several):
    """Merges the values of maps, too."""

    maps = True

    def merged(self, known: Any, update: Any) -> Any:
        before = type(known)()
        before.CopyFrom(known)
        known = super().merged(known, update)
        for field in self.shared(update):
            new, old = getattr(known, field), getattr(before, field)
            for key in new:
                if key in old and hasattr(new[key], "MergeFrom"):
                    new[key].CopyFrom(old[key])
                    new[key].MergeFrom(getattr(update, field)[key])
        return known


@part_fault("store-messages-replaced", deltas("WRI-DELTA-15", "updated-messages"))
class MessagesReplaced(Elements):
    """Replaces the messages that an element contains."""

    def merged(self, known: Any, update: Any) -> Any:
        for field, _ in update.ListFields():
            if field.message_type and not field.is_repeated:
                known.ClearField(field.name)
        return super().merged(known, update)


@part_fault("store-all-log-records", deltas("WRI-DELTA-15", "updated-log-records"))
class AllLogRecords(Elements):
    """Keeps all log records."""

    log_records = 10**6


@part_fault("store-last-log-record", deltas("WRI-DELTA-15", "updated-log-records", "updated-lists"))
class LastLogRecord(Elements):
    """Keeps the last log record only."""

    log_records = 1


# -- fields that are replaced as a whole


@part_fault(
    "store-nothing-replaced",
    deltas(
        "WRI-DELTA-16",
        "replaced-workflow",
        "replaced-one-of-three",
        "replaced-though-absent",
        "replaced-by-nothing",
        "replaced-family-proxies",
        "replaced-messages",
        "replaced-prerequisites",
    ),
)
class NothingReplaced(Elements):
    """Merges all fields."""

    def replaced(self, topic: str, update: Any) -> Iterable[str]:  # noqa: ARG002
        return ()


@part_fault("store-one-is-three", deltas("WRI-DELTA-16", "replaced-one-of-three"))
class OneIsThree(Elements):
    """Replaces all three fields of the workflow as soon as one is present."""

    def replaced(self, topic: str, update: Any) -> Iterable[str]:
        fields = list(super().replaced(topic, update))
        return THREE if topic == "workflow" and fields else fields


@part_fault(
    "store-states-updated-ignored",
    deltas("WRI-DELTA-16", "replaced-though-absent", "replaced-by-nothing"),
)
class StatesUpdatedIgnored(Elements):
    """Does not look at `states_updated`."""

    def replaced(self, topic: str, update: Any) -> Iterable[str]:
        return [field for field in super().replaced(topic, update) if len(getattr(update, field))]


@part_fault("store-states-updated-present", deltas("WRI-DELTA-16", "replaced-states-not-updated"))
class StatesUpdatedPresent(Elements):
    """Does not look at what `states_updated` says, but whether it is there."""

    def replaced(self, topic: str, update: Any) -> Iterable[str]:
        if topic == "workflow" and update.HasField("states_updated"):
            return THREE
        return super().replaced(topic, update)


# -- sets


@part_fault(
    "store-repeats",
    [
        *within(
            "sets",
            ("updated-known", "updated-edges", "updated-twice", "added-and-updated", "added-twice"),
        ),
        "subscriber/store/sets-in-snapshot::once::WRI-DELTA-17",
    ],
)
class Repeats(Elements):
    """Keeps lists of identifiers as lists."""

    def loaded(self, topic: str, element: Any) -> Any:  # noqa: ARG002
        return element

    added = united = loaded


@part_fault("store-repeats-loaded", ["subscriber/store/sets-in-snapshot::once::WRI-DELTA-17"])
class RepeatsLoaded(Elements):
    """Takes the lists of a snapshot as they are."""

    def loaded(self, topic: str, element: Any) -> Any:  # noqa: ARG002
        return element


@part_fault("store-repeats-added", within("sets", ("added-twice",)))
class RepeatsAdded(Elements):
    """Takes the lists of an element in `added` as they are."""

    def added(self, topic: str, element: Any) -> Any:  # noqa: ARG002
        return element


@part_fault(
    "store-repeats-updated",
    within("sets", ("updated-known", "updated-edges", "updated-twice", "added-and-updated")),
)
class RepeatsUpdated(Elements):
    """Appends what `updated` has to a list."""

    def united(self, topic: str, element: Any) -> Any:  # noqa: ARG002
        return element


@part_fault("store-repeats-edges", within("sets", ("updated-edges",)))
class RepeatsEdges(Elements):
    """Forgets that the list of edges of the workflow is deeper than others."""

    def united(self, topic: str, element: Any) -> Any:
        edges = list(element.edges.edges) if topic == "workflow" else []
        element = super().united(topic, element)
        if edges:
            element.edges.edges[:] = edges
        return element


@part_fault("store-repeats-edges-loaded", ["subscriber/store/sets-in-snapshot::once::WRI-DELTA-17"])
class RepeatsEdgesLoaded(Elements):
    """Takes the list of edges of a snapshot as it is, since it is deeper than others."""

    def loaded(self, topic: str, element: Any) -> Any:
        edges = list(element.edges.edges) if topic == "workflow" else []
        element = super().loaded(topic, element)
        if edges:
            element.edges.edges[:] = edges
        return element


# -- elements that are not there, and fields that are not


@part_fault("store-unknown-updates", deltas("WRI-DELTA-18", "unknown-updated"))
class UnknownUpdates(Elements):
    """Makes an element of an update for one that it does not have."""

    def update(self, topic: str, delta: Any) -> None:
        for update in several(delta, "updated"):
            known = self.known(topic, update.id) or type(update)(id=update.id)
            self.put(topic, self.updated(topic, known, update))


@part_fault("store-unknown-breaks", deltas("WRI-DELTA-18", "unknown-updated", "unknown-pruned"))
class UnknownBreaks(Elements):
    """Breaks down where it does not have an element."""

    def apply_delta(self, topic: str, delta: Any) -> Any:
        if topic != "workflow":
            new = {element.id for element in delta.added}
            for identifier in [*(element.id for element in delta.updated), *delta.pruned]:
                if identifier not in new and identifier not in self.elements[topic]:
                    raise KeyError(identifier)
        return super().apply_delta(topic, delta)


@part_fault(
    "store-needs-stamps",
    [*deltas("WRI-VER-3", "id-only"), "subscriber/store/sparse-snapshot::*::WRI-VER-3"],
)
class NeedsStamps(Elements):
    """Breaks down at an element without a stamp."""

    def put(self, topic: str, element: Any) -> None:
        if topic != "edges" and not element.stamp:
            raise ValueError(element.id)
        super().put(topic, element)


@part_fault("store-own-clock", ["subscriber/store/sparse-snapshot::goes-on::WRI-VER-3"])
class OwnClock(Elements):
    """Dates a snapshot itself that does not say from when it is."""

    def began(self, snapshot: pb.PbEntireWorkflow) -> float:
        return super().began(snapshot) or time.time()


# -- lists that have what is gone


@part_fault(
    "store-forgets-nothing",
    within("pruned", ("job", "edge", "task-proxy", "family-proxy", "all-at-once", "in-turn")),
)
class ForgetsNothing(Elements):
    """Leaves the identifiers of pruned elements in all lists."""

    def places(self, topic: str, gone: Any) -> Iterable[Place]:  # noqa: ARG002
        return ()


@part_fault(
    "store-forgets-in-workflow",
    within("pruned", ("job", "edge", "task-proxy", "family-proxy", "all-at-once", "in-turn")),
)
class ForgetsInWorkflow(Elements):
    """Takes pruned identifiers out of the lists of the workflow only."""

    def places(self, topic: str, gone: Any) -> Iterable[Place]:
        return [place for place in super().places(topic, gone) if place[0] == "workflow"]


@part_fault(
    "store-forgets-elsewhere",
    within("pruned", ("job", "edge", "task-proxy", "family-proxy", "all-at-once", "in-turn")),
)
class ForgetsElsewhere(Elements):
    """Leaves pruned identifiers in the lists of the workflow only."""

    def places(self, topic: str, gone: Any) -> Iterable[Place]:
        return [place for place in super().places(topic, gone) if place[0] != "workflow"]


@part_fault("store-forgets-at-source", within("pruned", ("edge",)))
class ForgetsAtSource(Elements):
    """Takes a pruned edge out of the list of the task that it comes from only."""

    def places(self, topic: str, gone: Any) -> Iterable[Place]:
        targeted = ("task_proxies", gone.target, "edges") if topic == "edges" else None
        return [place for place in super().places(topic, gone) if place != targeted]


@part_fault("store-forgets-first", within("pruned", ("all-at-once",)))
class ForgetsFirst(Elements):
    """Takes only the first identifier in `pruned` out of lists."""

    def prune(self, topic: str, delta: Any) -> None:
        self.left = 1
        super().prune(topic, delta)

    def places(self, topic: str, gone: Any) -> Iterable[Place]:
        self.left -= 1
        return super().places(topic, gone) if self.left >= 0 else ()


# -- checksums


@part_fault(
    "store-no-checksum",
    [
        "subscriber/store/gap-unanswered::*",
        *within("gaps", TYPES),
        *within("checksums", MISTAKES, "not-current::*"),
        *within("checksums", ("reloaded", "emptied", "pruned"), "current-again::*"),
    ],
)
class NoChecksum(Elements):
    """Compares no checksums."""

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return True


@part_fault("store-some-checksums", within("gaps", ("edges", "families", "family-proxies")))
class SomeChecksums(Elements):
    """Compares the checksums of tasks and jobs only."""

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return topic not in {"tasks", "task_proxies", "jobs"}


@part_fault("store-reload-unchecked", within("checksums", ("reloaded", "emptied")))
class ReloadUnchecked(Elements):
    """Does not compare the checksum of a delta with `reloaded`."""

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return bool(delta.reloaded)


@part_fault("store-emptied-unchecked", within("checksums", ("emptied",)))
class EmptiedUnchecked(Elements):
    """Does not compare the checksum if it has no elements."""

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return not self.elements[topic]


@part_fault("store-prune-unchecked", within("checksums", ("pruned",)))
class PruneUnchecked(Elements):
    """Does not compare the checksum of a delta that only prunes."""

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        return bool(delta.pruned) and not delta.added and not delta.updated


@part_fault("store-list-unchecked", within("checksums", ("list-only",), "not-current::*"))
class ListUnchecked(Elements):
    """Compares the checksum only if a stamp, or which elements there are, may have changed."""

    def unchecked(self, topic: str, delta: Any) -> bool:
        stamped = topic == "edges" or any(update.stamp for update in delta.updated)
        return not (stamped or delta.added or delta.pruned or delta.reloaded)


@adapter_fault(
    "store-shown-anyway",
    [
        "subscriber/store/gap-unanswered::not-*",
        *within("gaps", TYPES, "not-current::*"),
        *within("checksums", MISTAKES, "not-current::*"),
    ],
)
class ShownAnyway(Store):
    """Asks for a snapshot when something is missing, and shows what it has if none comes."""

    def current(self, timeout: float) -> DataStore:
        try:
            return super().current(timeout)
        except (ClientError, ClientTimeout):
            if not self._follower.store.workflow.id:
                raise
            return self._follower.store


@part_fault(
    "store-gap-forgotten",
    [
        "subscriber/store/gap-unanswered::not-later::WRI-DELTA-22",
        "subscriber/store/gap-unanswered::current-again::WRI-DELTA-22",
    ],
)
class GapForgotten(Follower):
    """Forgets that something is missing as soon as something else comes."""

    def feed(self, topic: bytes, payload: bytes) -> None:
        if self.store.workflow.id:
            self.trouble = None
        super().feed(topic, payload)


@adapter_fault(
    "store-asks-once",
    [
        "subscriber/store/gap-unanswered::current-again::WRI-DELTA-22",
        *within("gaps", TYPES, "current-again::*"),
        *within("checksums", MISTAKES, "current-again::*"),
    ],
)
class AsksOnce(Store):
    """Gives up when it has asked for a snapshot and got none."""

    given_up = False

    def _load(self, timeout: float) -> None:
        if self.given_up:
            raise ClientError("this store is of no use any more")
        self.given_up = True
        super()._load(timeout)
        self.given_up = False


@adapter_fault("store-repairs-one", within("gaps", ("several",), "current-again::*"))
class RepairsOne(Repaired):
    """Asks for the elements of one type, even if something is missing of several."""

    def missing(self) -> list[str]:
        return super().missing()[:1]


class Checksums(Elements):
    """Calculates checksums in a way of its own."""

    def checksum(self, topic: str) -> int:
        keys = sorted(self.elements[topic].keys_of_checksum.values(), key=self.key)
        return zlib.adler32(self.encode("".join(keys)))

    def key(self, text: str) -> Any:
        """Return what texts are sorted by."""
        return text

    def encode(self, text: str) -> bytes:
        """Return the octets of a text."""
        return text.encode()


@part_fault("store-sorts-as-dictionaries", within("identifiers", ("upper-case",)))
class SortsAsDictionaries(Checksums):
    """Sorts stamps without regard to upper case."""

    def key(self, text: str) -> Any:
        return text.casefold()


@part_fault("store-sorts-utf16", within("identifiers", ("beyond-16-bits",)))
class SortsUtf16(Checksums):
    """Sorts stamps by their units of 16 bits."""

    def key(self, text: str) -> Any:
        return text.encode("utf-16-be")


@part_fault("store-sums-ascii", within("identifiers", ("accents", "beyond-16-bits")))
class SumsAscii(Checksums):
    """Sums up characters of ASCII, and question marks."""

    def encode(self, text: str) -> bytes:
        return text.encode("ascii", "replace")


@part_fault("store-sums-composed", within("identifiers", ("accents",)))
class SumsComposed(Checksums):
    """Composes letters and accents."""

    def encode(self, text: str) -> bytes:
        return unicodedata.normalize("NFC", text).encode()


# -- the snapshot, and what is published meanwhile


@adapter_fault("store-asks-first", within("snapshot", ("newer", "several", "contained")))
class AsksFirst(Store):
    """Subscribes after the snapshot has come."""

    listening = False

    def listen(self) -> None:
        """Wait for the snapshot."""

    def _take(self) -> None:
        if self.listening:
            super()._take()

    def _load(self, timeout: float) -> None:
        super()._load(timeout)
        if not self.listening:
            super().listen()
        self.listening = True

    def close(self) -> None:
        if self.listening:
            super().close()


class Meanwhile(Store):
    """Does not take all that has come while it waited for a snapshot."""

    kept = slice(0)

    def _load(self, timeout: float) -> None:
        super()._load(timeout)
        came = list(iter(lambda: self._subscriber.receive(LULL), None))
        for topic, payload in came[self.kept]:
            self.feed(topic, payload)


@adapter_fault("store-drops-meanwhile", within("snapshot", ("newer", "several", "contained")))
class DropsMeanwhile(Meanwhile):
    """Drops what comes while it waits for a snapshot."""


@adapter_fault("store-last-meanwhile", within("snapshot", ("several",)))
class LastMeanwhile(Meanwhile):
    """Keeps only the last publication that comes while it waits for a snapshot."""

    kept = slice(-1, None)


@adapter_fault("store-first-meanwhile", within("snapshot", ("several", "contained")))
class FirstMeanwhile(Meanwhile):
    """Keeps only the first publication that comes while it waits for a snapshot."""

    kept = slice(1)


# -- what interrupts


@adapter_fault("store-break-unnoticed", ["subscriber/store/interrupted::new-snapshot::*"])
class BreakUnnoticed(Store):
    """Goes on with what it has after it was disconnected."""

    def interrupted(self, error: Exception) -> None:  # noqa: ARG002
        self.close()
        self.listen()


@adapter_fault("store-break-for-good", ["subscriber/store/interrupted::goes-on::WRI-DELTA-20"])
class BreakForGood(Store):
    """Asks for a new snapshot after it was disconnected, and does not subscribe again."""

    alone = False

    def interrupted(self, error: Exception) -> None:
        self._follower.trouble = str(error)
        self.alone = True

    def _take(self) -> None:
        if not self.alone:
            super()._take()


@adapter_fault("store-crash-unnoticed", ["subscriber/store/crashed::found-out::WRI-PUB-25"])
class CrashUnnoticed(BreakUnnoticed):
    """Takes a silent server for one that has nothing to say."""

    def _take(self) -> None:
        try:
            super()._take()
        except WorkflowStopped:
            return


@adapter_fault("store-needs-two-frames", within("not-two-frames", ("one", "three")))
class NeedsTwoFrames(Store):
    """Breaks down at a message that is not of two frames."""

    def interrupted(self, error: Exception) -> None:
        if not isinstance(error, ReplyError):
            return super().interrupted(error)
        raise ValueError("not two values to unpack") from error


@part_fault(
    "store-undecodable-ignored",
    within("undecodable", ("varint", "cut-off", "wrong-type", "text")),
)
class UndecodableIgnored(Follower):
    """Ignores a payload that it cannot decode."""

    def feed(self, topic: bytes, payload: bytes) -> None:
        try:
            decode(topic, payload)
        except RemoteProtocolError:
            return
        super().feed(topic, payload)


class AnyTopic(frozenset[bytes]):
    """All topics that there could be."""

    def __contains__(self, topic: object) -> bool:
        return True


@adapter_fault("store-prefixes", ["subscriber/store/topics::goes-on::*"])
class Prefixes(Store):
    """Takes a topic that begins as another one for that."""

    def listen(self) -> None:
        super().listen()
        self._subscriber.topics = AnyTopic()

    def feed(self, topic: bytes, payload: bytes) -> None:
        known = [name for name in self.topics if topic.startswith(name)]
        super().feed(known[0], payload)


@adapter_fault("store-knows-all-topics", ["subscriber/store/topics::goes-on::*"])
class KnowsAllTopics(Store):
    """Subscribes to everything, and breaks down at a topic that it does not know."""

    topics = (b"",)

    def listen(self) -> None:
        super().listen()
        self._subscriber.topics = AnyTopic()

    def feed(self, topic: bytes, payload: bytes) -> None:
        if topic not in {ALL, SHUTDOWN, *(name.encode() for name in TOPICS)}:
            raise KeyError(topic)
        super().feed(topic, payload)


# -- the end


@adapter_fault("store-shutdown-unheard", ["subscriber/store/stopped::reason::WRI-PUB-22"])
class ShutdownUnheard(Store):
    """Does not subscribe to `shutdown`."""

    topics = (ALL,)


@adapter_fault("store-shutdown-untold", ["subscriber/store/stopped::reason::WRI-PUB-22"])
class ShutdownUntold(Store):
    """Does not say why the workflow has stopped."""

    def current(self, timeout: float) -> DataStore:
        try:
            return super().current(timeout)
        except WorkflowStopped:
            raise WorkflowStopped(f"{self.workflow} has stopped") from None


@adapter_fault("store-shutdown-ignored", ["subscriber/store/stopped::reason::WRI-PUB-22"])
class ShutdownIgnored(Store):
    """Shows what it has, whether or not the workflow has stopped."""

    def feed(self, topic: bytes, payload: bytes) -> None:
        if topic != SHUTDOWN:
            super().feed(topic, payload)

    def current(self, timeout: float) -> DataStore:
        try:
            return super().current(timeout)
        except WorkflowStopped:
            return self._follower.store


@adapter_fault("store-no-contact", ["subscriber/store/no-contact::stopped::WRI-CLI-18"])
class NoContact(Store):
    """Does not know what it means that there is no contact file."""

    def listen(self) -> None:
        try:
            super().listen()
        except WorkflowStopped as error:
            raise ClientError(str(error)) from None


@adapter_fault("store-waits-for-contact", ["subscriber/store/no-contact::stopped::WRI-CLI-18"])
class WaitsForContact(Store):
    """Gives a workflow without a contact file some seconds to start."""

    def listen(self) -> None:
        try:
            super().listen()
        except WorkflowStopped:
            time.sleep(6)
            super().listen()


@adapter_fault("store-never-ends", ["subscriber/store/end-of-process::ends::WRI-CLI-22"])
class NeverEnds(Store):
    """Goes on waiting, in a thread that keeps the process, for a snapshot that did not come."""

    def _load(self, timeout: float) -> None:
        try:
            super()._load(timeout)
        except ClientTimeout:
            threading.Thread(target=time.sleep, args=(3600,)).start()
            raise


@adapter_fault("store-prints-keys", ["subscriber/store/end-of-process::untold::WRI-CLI-21"])
class PrintsKeys(Store):
    """Prints the key that it uses, for those who look for mistakes."""

    def listen(self) -> None:
        super().listen()
        key = Path.home() / "cylc-run" / self.workflow / ".service" / "client.key_secret"
        print("key:", key.read_text(encoding="utf-8"), file=sys.stderr, flush=True)
