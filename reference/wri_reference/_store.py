"""The data store: what is known of a workflow, and its changes, sent and received.

Knows no sockets and no clocks. The messages in a store are never changed, only replaced: who
holds one keeps what was true when it was taken.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference._errors import LocalProtocolError

TOPICS: Final = (
    "edges",
    "families",
    "family_proxies",
    "jobs",
    "tasks",
    "task_proxies",
    "workflow",
)
"""The types of elements, each a topic, in the order in which a batch is published and applied."""

LOG_RECORDS: Final = 10
"""How many log records of the workflow are kept: the last ones."""


class _Kind(NamedTuple):
    """How elements of one type are kept.

    Attributes:
        message: the class of an element.
        delta: the class of a change.
        overwritten: fields that an update replaces, where it would merge others.
        relations: fields that hold ids, each once.
    """

    message: type[Any]
    delta: type[Any]
    overwritten: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()


_KINDS: Final = {
    "edges": _Kind(pb.PbEdge, pb.EDeltas),
    "families": _Kind(
        pb.PbFamily,
        pb.FDeltas,
        relations=("proxies", "parents", "child_tasks", "child_families"),
    ),
    "family_proxies": _Kind(
        pb.PbFamilyProxy,
        pb.FPDeltas,
        overwritten=("state_totals", "states"),
        relations=("child_tasks", "child_families", "ancestors"),
    ),
    "jobs": _Kind(pb.PbJob, pb.JDeltas, overwritten=("messages",)),
    "tasks": _Kind(pb.PbTask, pb.TDeltas, relations=("proxies", "namespace", "parents")),
    "task_proxies": _Kind(
        pb.PbTaskProxy,
        pb.TPDeltas,
        overwritten=("prerequisites",),
        relations=("jobs", "edges", "namespace", "ancestors"),
    ),
    "workflow": _Kind(
        pb.PbWorkflow,
        pb.WDeltas,
        overwritten=("latest_state_tasks", "state_totals", "states"),
        relations=("task_proxies", "family_proxies", "jobs", "ns_def_order", "job_log_names"),
    ),
}
_TOPIC_OF: Final = {kind.message: topic for topic, kind in _KINDS.items()}
_TABLES: Final = TOPICS[:-1]


class Mismatch(NamedTuple):
    """A change after which the store is not what the sender has: a resynchronisation is due."""

    topic: str
    announced: int
    found: int


class Batch:
    """Changes that will become visible together; later ones win over earlier ones."""

    def __init__(self) -> None:
        self._deltas = pb.AllDeltas()

    def add(self, message: Any) -> None:
        """Add an element, or put it in the place of the one with the same id."""

    def update(self, message: Any) -> None:
        """Change the fields of an element that are present in `message`, which has its id."""

    def prune(self, topic: str, identifier: str) -> None:
        """Drop an element."""

    def reload(self, topics: Iterable[str] = TOPICS) -> None:
        """Drop all elements of these types before anything else of the batch happens."""
