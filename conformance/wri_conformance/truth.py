"""The data store of the scripted scheduler: what a subscriber's should be equal to. Pure."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from wri_conformance import fields
from wri_conformance.deltas import MESSAGES, ORDER, Store, dangling, differences, repeated, shorten
from wri_proto.v1 import data_store_pb2 as pb


def message(kind: str, value: Mapping[str, Any]) -> Any:
    """Return a message of `data_store.proto` from its canonical JSON mapping.

    Raises:
        ValueError: there is no such message, or it has no such field.
    """
    try:
        return json_format.ParseDict(dict(value), getattr(pb, kind)())
    except (AttributeError, json_format.ParseError) as error:
        raise ValueError(f"{kind}: {error}") from None


def messages_in(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the messages, by name and value, that a step of a scenario has at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from messages_in(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get("truth"), Mapping):
            yield "PbEntireWorkflow", node["truth"]
        if isinstance(node.get("message"), str):
            yield node["message"], node.get("value", {})
        if isinstance(node.get("delta"), Mapping):
            for topic, value in node["delta"].items():
                yield MESSAGES[topic].DESCRIPTOR.name, value
        for key in ("publish", "meanwhile", "reply", "script"):
            yield from messages_in(node.get(key))
        for replies in node.get("by_command", {}).values():
            yield from messages_in(replies)


@define
class Truth:
    """A store that changes as the steps of a scenario say, and is published or not."""

    store: Store = field(factory=Store)
    time: float = 1.0

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> "Truth":
        """Begin with a PbEntireWorkflow in its canonical JSON mapping."""
        return cls(Store.of(message("PbEntireWorkflow", snapshot)))

    def snapshot(self) -> bytes:
        """Return what `pb_entire_workflow` answers now."""
        whole = pb.PbEntireWorkflow()
        whole.workflow.CopyFrom(self.store.workflow)
        for topic, elements in self.store.elements.items():
            getattr(whole, topic).extend(elements.values())
        return whole.SerializeToString()

    def elements(self, topic: str) -> bytes:
        """Return what `pb_data_elements` answers now: all elements as `added`."""
        delta: Any = MESSAGES[topic]()
        if topic == "workflow":
            delta.added.CopyFrom(self.store.workflow)
        else:
            delta.added.extend(self.store.elements[topic].values())
            delta.checksum = self.store.checksum(topic)
        delta.time = self.time
        return bytes(delta.SerializeToString())

    def change(self, spec: Mapping[str, Any]) -> list[list[bytes]]:
        """Carry out a `delta` of a `publish` step; return the publications, `all` last.

        Deltas get the time of their batch, one second after the last one, and the checksum of
        the store after it, unless they say otherwise. What is `wrong` is published and does not
        become true; what is `withheld` becomes true and is not published.
        """
        if "time" not in spec:
            self.time += 1.0
        parts: dict[str, Any] = {}
        for topic in ORDER:
            if topic in spec["delta"]:
                part = message(MESSAGES[topic].DESCRIPTOR.name, spec["delta"][topic])
                part.time = spec.get("time", self.time)
                if not spec.get("wrong"):
                    self.store.apply(topic, part)
                parts[topic] = part
        whole = pb.AllDeltas()
        for topic, part in parts.items():
            if topic != "workflow" and not part.HasField("checksum"):
                part.checksum = self.store.checksum(topic)
            getattr(whole, topic).CopyFrom(part)
        if spec.get("withheld"):
            return []
        own = [[topic.encode(), part.SerializeToString()] for topic, part in parts.items()]
        return [*own, [b"all", whole.SerializeToString()]]

    def compare(self, reported: bytes) -> dict[str, Any]:
        """Return what is to be said of a PbEntireWorkflow that a subscriber reports.

        Returns:
            {equal, differences, repeated, dangling}; the last two are null if it is none.
        """
        many = fields.count(pb.PbEntireWorkflow, reported) > fields.MOST
        theirs = None
        if not many:
            with contextlib.suppress(DecodeError):
                theirs = pb.PbEntireWorkflow.FromString(reported)
        if theirs is None:
            what = f"have more than {fields.MOST} fields" if many else "are no PbEntireWorkflow"
            wrong = [f"the bytes {what}"]
            return {"equal": False, "differences": wrong, "repeated": None, "dangling": None}
        store = Store.of(theirs)
        found = differences(store, self.store)
        return {
            "equal": not found,
            "differences": found,
            "repeated": shorten(repeated(store)),
            "dangling": shorten(dangling(store)),
        }
