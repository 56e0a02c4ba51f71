"""Replays recorded publications into a store, for `wri replay`.

    PYTHON replay_store.py cylc|reference|suite < STEPS

It is run by the interpreter that has the store, from Python 3.7 on, and needs nothing else. STEPS
are lines of JSON: {"do": "load", "payload": HEX} with a PbEntireWorkflow, and {"do": "apply",
"payload": HEX} with an AllDeltas. {"do": "end"} ends a replay, and the next step begins another
with an empty store. What came of a replay is printed as a line of JSON, an object:

    store       name and version of what the store belongs to
    deltas      how many were applied; `skipped`: how many were older than what was there
    checksums   {"right": N, "wrong": [TEXT…]}
    exceptions  [{"where": TEXT, "what": TEXT}…]; the delta counts as applied, as far as it was
    snapshot    HEX of a PbEntireWorkflow with what is in the store in the end
    knows       by message, the numbers of the fields that the store's messages have
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

TOPICS = ("families", "family_proxies", "jobs", "tasks", "task_proxies", "edges", "workflow")
"""The types of elements in the order of the numbers of their fields in AllDeltas."""


class CylcStore:
    """What cylc-flow has for receivers: a dictionary of elements, and functions for deltas."""

    def __init__(self) -> None:
        import cylc.flow
        from cylc.flow import data_messages_pb2, data_store_mgr

        self.name = f"cylc-flow {cylc.flow.__version__}"
        self.pb: Any = data_messages_pb2
        self._functions = data_store_mgr
        self.data: dict[str, Any] = {topic: {} for topic in TOPICS}
        self.data["workflow"] = self.pb.PbWorkflow()

    def load(self, snapshot: Any) -> None:
        self.data["workflow"].CopyFrom(snapshot.workflow)
        for topic in TOPICS[:-1]:
            self.data[topic] = {one.id: one for one in getattr(snapshot, topic)}

    def apply(self, topic: str, delta: Any) -> None:
        # Clearing is the work of the caller, as in cylc-uiserver.
        if delta.reloaded:
            self.data[topic] = self.pb.PbWorkflow() if topic == "workflow" else {}
        self._functions.apply_delta(topic, delta, self.data)

    def checksum(self, topic: str) -> int:
        elements = self.data[topic].values()
        keys = [one.id if topic == "edges" else one.stamp for one in elements]
        found: int = self._functions.generate_checksum(keys)
        return found

    def snapshot(self) -> Any:
        found = self.pb.PbEntireWorkflow()
        found.workflow.CopyFrom(self.data["workflow"])
        for topic in TOPICS[:-1]:
            getattr(found, topic).extend(self.data[topic].values())
        return found


class ReferenceStore:
    """The store of the reference implementation."""

    def __init__(self) -> None:
        from wri import __version__
        from wri_proto.v1 import data_store_pb2
        from wri_reference._store import DataStore

        self.name = f"reference {__version__}"
        self.pb: Any = data_store_pb2
        self._store = DataStore()
        self.load = self._store.load
        self.apply = self._store.apply_delta
        self.checksum = self._store.checksum
        self.snapshot = self._store.snapshot


class SuiteStore:
    """The store of the conformance suite."""

    def __init__(self) -> None:
        from wri import __version__
        from wri_conformance import deltas
        from wri_proto.v1 import data_store_pb2

        self.name = f"suite {__version__}"
        self.pb: Any = data_store_pb2
        self._of = deltas.Store.of
        self._store = deltas.Store()

    def load(self, snapshot: Any) -> None:
        self._store = self._of(snapshot)

    def apply(self, topic: str, delta: Any) -> None:
        self._store.apply(topic, delta)

    def checksum(self, topic: str) -> int:
        return self._store.checksum(topic)

    def snapshot(self) -> Any:
        found = self.pb.PbEntireWorkflow(workflow=self._store.workflow)
        for topic, elements in self._store.elements.items():
            getattr(found, topic).extend(elements.values())
        return found


STORES = {"cylc": CylcStore, "reference": ReferenceStore, "suite": SuiteStore}


class Replay:
    """One replay, and what came of it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.times = dict.fromkeys(TOPICS, 0.0)
        self.batches = self.deltas = self.skipped = self.right = 0
        self.wrong: list[str] = []
        self.exceptions: list[dict[str, str]] = []

    def load(self, payload: bytes) -> None:
        snapshot = self.store.pb.PbEntireWorkflow.FromString(payload)
        self.store.load(snapshot)
        self.times = dict.fromkeys(TOPICS, snapshot.workflow.last_updated)

    def apply(self, payload: bytes) -> None:
        batch = self.store.pb.AllDeltas.FromString(payload)
        self.batches += 1
        for topic in TOPICS:
            if batch.HasField(topic):
                self._delta(topic, getattr(batch, topic))

    def _delta(self, topic: str, delta: Any) -> None:
        if not delta.reloaded and delta.time < self.times[topic]:
            self.skipped += 1
            return
        self.times[topic] = delta.time
        self.deltas += 1
        where = f"{topic}, batch {self.batches}"
        try:
            self.store.apply(topic, delta)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            last = traceback.extract_tb(error.__traceback__)[-1].name
            what = f"{type(error).__name__} in {last}: {error}"
            self.exceptions.append({"where": where, "what": what})
        if topic == "workflow" or not delta.HasField("checksum"):
            return
        found = self.store.checksum(topic)
        if found == delta.checksum:
            self.right += 1
        else:
            self.wrong.append(f"{where}: {delta.checksum} instead of {found}")

    def result(self) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        snapshot.DiscardUnknownFields()
        return {
            "store": self.store.name,
            "python": ".".join(map(str, sys.version_info[:3])),
            "batches": self.batches,
            "deltas": self.deltas,
            "skipped": self.skipped,
            "checksums": {"right": self.right, "wrong": self.wrong},
            "exceptions": self.exceptions,
            "snapshot": snapshot.SerializeToString().hex(),
            "knows": {
                name: [one.number for one in message.fields]
                for name, message in self.store.pb.DESCRIPTOR.message_types_by_name.items()
            },
        }


def main() -> None:
    kind = STORES[sys.argv[1]]
    replay = Replay(kind())
    for line in sys.stdin:
        step = json.loads(line)
        if step["do"] == "end":
            print(json.dumps(replay.result()), flush=True)
            replay = Replay(kind())
        else:
            getattr(replay, step["do"])(bytes.fromhex(step["payload"]))


if __name__ == "__main__":
    main()
