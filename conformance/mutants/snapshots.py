"""Faults of the endpoints that show the data store as protobuf (chapters 7 to 9)."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf import json_format

from mutants.peer import Body, DeadError, Message, Mutant, Router, args, command, data, error
from mutants.registry import add, fault
from wri_proto.v1 import data_store_pb2 as pb

Snapshot = pb.PbEntireWorkflow

DATA = "server/data"
PAUSED = f"{DATA}/inspection::snapshot::"
RUN = f"{DATA}/inspection-of-a-run::snapshot::"
BOTH = f"{DATA}/inspection*::snapshot::"
ELEMENTS = f"{DATA}/elements/*::elements::"
ENDPOINTS = {"pb_entire_workflow", "pb_data_elements"}


def snapshot(
    name: str, breaks: list[str]
) -> Callable[[Callable[[Snapshot], None]], Callable[[Snapshot], None]]:
    """Make a function a fault, which changes each snapshot in place."""

    def register(function: Callable[[Snapshot], None]) -> Callable[[Snapshot], None]:
        def spoil(_self: Mutant, found: Snapshot) -> None:
            function(found)

        members = {"spoil_snapshot": spoil}
        add(name, function.__doc__ or "", breaks, type(function.__name__, (Mutant,), members))
        return function

    return register


def elements(
    name: str, breaks: list[str]
) -> Callable[[Callable[[str, Any], None]], Callable[[str, Any], None]]:
    """Make a function a fault, which changes in place what there is of one type."""

    def register(function: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
        def spoil(_self: Mutant, kind: str, delta: Any) -> None:
            function(kind, delta)

        members = {"spoil_elements": spoil}
        add(name, function.__doc__ or "", breaks, type(function.__name__, (Mutant,), members))
        return function

    return register


def _rewrite(found: Snapshot, pattern: str, replacement: str) -> None:
    """Replace what a pattern matches everywhere in a snapshot, taken as JSON."""
    text = re.sub(pattern, replacement, json_format.MessageToJson(found))
    found.Clear()
    json_format.Parse(text, found)


# -- one field of one element


class Wrong(NamedTuple):
    """A field that is wrong: in the last element of a list, or in the workflow."""

    about: str
    where: str  # a list of the snapshot, or `workflow`
    field: str
    value: Any  # None to leave the field out; a function of the right one
    breaks: list[str]


def _capitals(right: str) -> str:
    return right.upper()


def _elsewhere(right: str) -> str:
    return f"{right}x"


WRONG = {
    "task-with-another-name": Wrong(
        "a task another name than its identifier has", "tasks", "name", "x", [f"{BOTH}WRI-ID-4"]
    ),
    "proxy-of-another-cycle": Wrong(
        "a task proxy another cycle point than its identifier has",
        *("task_proxies", "cycle_point", "7", [f"{BOTH}WRI-ID-4"]),
    ),
    "edge-from-nowhere": Wrong(
        "an edge no source",
        *("edges", "source", None, [f"{BOTH}WRI-ID-4", f"{BOTH}WRI-ID-6"]),
    ),
    "job-with-another-number": Wrong(
        "a job another number than its identifier has",
        *("jobs", "submit_num", 7, [f"{RUN}WRI-ID-4"]),
    ),
    "proxy-of-no-task": Wrong(
        "a task proxy a definition that is not there",
        *("task_proxies", "task", _elsewhere, [f"{BOTH}WRI-ID-6"]),
    ),
    "family-proxy-of-no-family": Wrong(
        "a family proxy a definition that is not there",
        *("family_proxies", "family", _elsewhere, [f"{BOTH}WRI-ID-6"]),
    ),
    "job-of-no-proxy": Wrong(
        "a job a task proxy that is not there",
        *("jobs", "task_proxy", _elsewhere, [f"{RUN}WRI-ID-6"]),
    ),
    "stamp-without-identifier": Wrong(
        "a family a stamp that is only the time", "families", "stamp", "@1.5", [f"{PAUSED}*STORE-1"]
    ),
    "workflow-without-a-time": Wrong(
        "the workflow a stamp without its time",
        *("workflow", "stamp", lambda right: right.partition("@")[0], [f"{PAUSED}WRI-STORE-1"]),
    ),
    "waiting-job": Wrong(
        "a job a state of tasks", "jobs", "state", "waiting", [f"{RUN}WRI-STORE-5"]
    ),
    "proxy-without-flows": Wrong(
        "a task proxy no flows", "task_proxies", "flow_nums", None, [f"{PAUSED}WRI-STORE-4"]
    ),
    "no-held-total": Wrong(
        "the workflow no number of held tasks",
        *("workflow", "is_held_total", None, [f"{RUN}WRI-STORE-8"]),
    ),
    "broadcasts-are-python": Wrong(
        "the workflow broadcasts that are no JSON",
        *("workflow", "broadcasts", "{'1': {}}", [f"{PAUSED}WRI-STORE-9"]),
    ),
    "flows-are-python": Wrong(
        "a task proxy flows that are no JSON",
        *("task_proxies", "flow_nums", "{1}", [f"{PAUSED}WRI-STORE-9"]),
    ),
    "nameless-workflow": Wrong(
        "the workflow no name", "workflow", "name", None, [f"{PAUSED}WRI-DATA-7"]
    ),
    "workflow-without-an-update": Wrong(
        "the workflow no time of its last update",
        *("workflow", "last_updated", None, [f"{PAUSED}WRI-DATA-7"]),
    ),
} | {
    f"snapshot-with-another-{field.replace('_', '-')}": Wrong(
        f"the workflow a {field} other than that of the contact file",
        *("workflow", field, value, [f"{DATA}/snapshot::contact-file::WRI-DATA-6"]),
    )
    for field, value in {
        "host": "elsewhere",
        "port": 1,
        "pub_port": 1,
        "owner": _capitals,
        "cylc_version": "8.0.0",
        "api_version": None,
    }.items()
}


class _Wrong(Mutant):
    """Gives something wrong."""

    wrong: Wrong

    def spoil_snapshot(self, found: Snapshot) -> None:
        where = getattr(found, self.wrong.where)
        for element in [where] if self.wrong.where == "workflow" else where[-1:]:
            value = self.wrong.value
            if value is None:
                element.ClearField(self.wrong.field)
            else:
                right = getattr(element, self.wrong.field)
                setattr(element, self.wrong.field, value(right) if callable(value) else value)


for _name, _wrong in WRONG.items():
    add(_name, f"Gives {_wrong.about}.", _wrong.breaks, type(_name, (_Wrong,), {"wrong": _wrong}))


# -- all of a snapshot


@snapshot("identifiers-of-somebody-else", [f"{BOTH}WRI-ID-1"])
def identifiers_of_somebody_else(found: Snapshot) -> None:
    """Makes all identifiers of somebody else."""
    _rewrite(found, "~[^/]+/", "~nobody/")


@snapshot("namespace-is-called-task", [f"{BOTH}WRI-ID-1"])
def namespace_is_called_task(found: Snapshot) -> None:
    """Names definitions by another word than $namespace."""
    _rewrite(found, r"\$namespace", "$task")


@snapshot("edge-of-another-workflow", [f"{PAUSED}WRI-ID-2"])
def edge_of_another_workflow(found: Snapshot) -> None:
    """Shows an edge of another workflow as well."""
    found.edges.add().CopyFrom(found.edges[0])
    found.edges[-1].id = "~nobody/nothing//$edge|1/a|1/b"


@snapshot("edge-twice", [f"{BOTH}WRI-ID-3"])
def edge_twice(found: Snapshot) -> None:
    """Shows one edge twice."""
    found.edges.add().CopyFrom(found.edges[0])


@snapshot("job-twice", [f"{RUN}WRI-ID-3"])
def job_twice(found: Snapshot) -> None:
    """Shows one job twice."""
    for job in found.jobs[:1]:
        found.jobs.add().CopyFrom(job)


@snapshot("one-digit", [f"{RUN}WRI-ID-5"])
def one_digit(found: Snapshot) -> None:
    """Writes the number of a job with one digit."""
    _rewrite(found, r"//(\w+/\w+)/0(\d)", r"//\1/\2")


@snapshot("states-in-capitals", [f"{PAUSED}WRI-STORE-3"])
def states_in_capitals(found: Snapshot) -> None:
    """Writes a state in capitals."""
    _rewrite(found, '"waiting"', '"WAITING"')


@snapshot("counts-one-more", [f"{BOTH}WRI-STORE-6"])
def counts_one_more(found: Snapshot) -> None:
    """Counts one waiting task more than there is."""
    found.workflow.state_totals["waiting"] += 1


@snapshot("counts-nothing-in-families", [f"{BOTH}WRI-STORE-7"])
def counts_nothing_in_families(found: Snapshot) -> None:
    """Does not count the tasks that belong to another family below one."""
    for family in found.family_proxies:
        if family.child_families:
            family.state_totals.clear()


@snapshot("active-tasks-only", [f"{DATA}/contents::snapshot::WRI-STORE-11"])
def active_tasks_only(found: Snapshot) -> None:
    """Shows no neighbours of active tasks."""
    active = [one for one in found.task_proxies if one.graph_depth == 0]
    del found.task_proxies[:]
    found.task_proxies.extend(active)


@snapshot("active-families-only", [f"{DATA}/contents::snapshot::WRI-STORE-12"])
def active_families_only(found: Snapshot) -> None:
    """Shows only the families that have tasks just now."""
    used = {one.name for one in found.family_proxies if one.graph_depth == 0}
    families = [one for one in found.families if one.name in used - {"IDLE"}]
    del found.families[:]
    found.families.extend(families)


@snapshot("no-edges", [f"{DATA}/snapshot::snapshot::WRI-DATA-5"])
def no_edges(found: Snapshot) -> None:
    """Shows no edges."""
    found.ClearField("edges")


class _Counting(Mutant):
    """Spoils some of the snapshots."""

    asked = 0

    def spoil_snapshot(self, found: Snapshot) -> None:
        self.asked += 1
        self.spoil(found, self.asked)

    def spoil(self, found: Snapshot, number: int) -> None:
        """Change the snapshot with that number."""


@fault("status-of-cylc-7", [f"{DATA}/contents::snapshot::WRI-STORE-10"])
class StatusOfCylc7(_Counting):
    """Calls the workflow held, other than in the first snapshot."""

    def spoil(self, found: Snapshot, number: int) -> None:
        if number > 1:
            found.workflow.status = "held"


@fault("empty-now-and-then", [f"{DATA}/never-lost::snapshots::*"])
class EmptyNowAndThen(_Counting):
    """Shows nothing in every tenth snapshot."""

    def spoil(self, found: Snapshot, number: int) -> None:
        if number % 10 == 0:
            found.Clear()


# -- elements of one type


@elements("no-elements", [f"{ELEMENTS}WRI-DATA-10", f"{DATA}/elements/*::same::*"])
def no_elements(_kind: str, delta: Any) -> None:
    """Has no elements of any type."""
    delta.ClearField("added")


@elements(
    "timeless",
    [f"{ELEMENTS}WRI-DATA-12", f"{DATA}/jobs::elements::WRI-DATA-12", f"{DATA}/no-jobs::*"],
)
def timeless(_kind: str, delta: Any) -> None:
    """Does not tell the time."""
    delta.ClearField("time")


@elements("tells-what-was-pruned", [f"{DATA}/*jobs::elements::WRI-DATA-12"])
def tells_what_was_pruned(kind: str, delta: Any) -> None:
    """Tells which jobs are gone as well."""
    if kind == "jobs":
        delta.pruned.append("~nobody/nothing//1/a/01")


@elements("updates-as-well", [f"{ELEMENTS}WRI-DATA-12"])
def updates_as_well(kind: str, delta: Any) -> None:
    """Shows an edge as added and as updated."""
    if kind == "edges":
        delta.updated.extend(delta.added[:1])


@elements("forgets-the-last", [f"{DATA}/elements/*::same::WRI-DATA-11"])
def forgets_the_last(kind: str, delta: Any) -> None:
    """Lacks one element of each type."""
    if kind != "workflow":
        del delta.added[-1:]


@elements(
    "a-job-that-nobody-submitted",
    [f"{DATA}/no-jobs::elements::WRI-DATA-11", f"{DATA}/jobs::same::WRI-DATA-11"],
)
def a_job_that_nobody_submitted(kind: str, delta: Any) -> None:
    """Shows a job that the snapshot does not have."""
    if kind == "jobs":
        delta.added.add(id="~nobody/nothing//1/a/01", state="failed")


@elements("jobs-without-state", [f"{DATA}/jobs::same::WRI-DATA-11"])
def jobs_without_state(kind: str, delta: Any) -> None:
    """Does not tell the state of a job."""
    if kind == "jobs":
        for job in delta.added:
            job.ClearField("state")


@elements("one-job", [f"{DATA}/jobs::elements::WRI-DATA-10", f"{DATA}/jobs::same::WRI-DATA-11"])
def one_job(kind: str, delta: Any) -> None:
    """Shows one job at most."""
    if kind == "jobs":
        del delta.added[1:]


@elements("same-stamp-for-ever", [f"{DATA}/stamps::after::WRI-STORE-2"])
def same_stamp_for_ever(kind: str, delta: Any) -> None:
    """Leaves the stamp of a task proxy as it is when that changes."""
    if kind == "task_proxies":
        for proxy in delta.added:
            proxy.stamp = f"{proxy.id}@1.5"


class _Stale(Mutant):
    """Shows an old value."""

    kind = ""
    field = ""

    def spoil_elements(self, kind: str, delta: Any) -> None:
        if kind == self.kind:
            one = delta.added if kind == "workflow" else delta.added[0]
            setattr(one, self.field, "old")


for _kind, _field in {
    "edges": "target",
    "families": "name",
    "family_proxies": "state",
    "tasks": "stamp",
    "task_proxies": "state",
    "workflow": "status",
}.items():
    add(
        f"old-{_kind.replace('_', '-')}",
        f"Shows an old {_field} where it is asked for {_kind}.",
        [f"{DATA}/elements/{_kind}::same::WRI-DATA-11"],
        type(f"old_{_kind}", (_Stale,), {"kind": _kind, "field": _field}),
    )


# -- what is sent


@fault(
    "protobuf-in-json",
    [f"{DATA}/elements/*::*", f"{DATA}/no-jobs::*", f"{DATA}/further-arguments/elements::*"],
)
class ProtobufInJson(Mutant):
    """Sends elements as JSON."""

    def answer(self, body: Body) -> bytes:
        right = super().answer(body)
        is_protobuf = command(body) == "pb_data_elements" and not right.startswith(b"{")
        return json.dumps(data(right.hex())).encode() if is_protobuf else right


@fault(
    "protobuf-in-two-frames",
    [f"{DATA}/snapshot::snapshot::WRI-DATA-1", f"{DATA}/elements/*::elements::*DATA-1"],
)
class TwoFrames(Router):
    """Sends an empty frame after each protobuf message."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        more = [] if response.startswith(b"{") else [b""]
        self.send(client, [*envelope, response, *more])


@fault("begins-with-a-newline", [f"{DATA}/refused/*::refused::WRI-DATA-4"])
class BeginsWithANewline(Mutant):
    """Sends a line feed before each error of a protobuf endpoint."""

    def answer(self, body: Body) -> bytes:
        right = super().answer(body)
        is_error = command(body) in ENDPOINTS and right.startswith(b"{")
        return b"\n" + right if is_error else right

    def receiver(self, body: Body) -> bytes:
        return self.answer(body)


@fault(
    "empty-for-nothing",
    [f"{DATA}/refused/{case}::refused::*" for case in ("no-type", "type-in-capitals-only")],
)
class EmptyForNothing(Mutant):
    """Sends an empty message if it is not asked for any type."""

    def answer(self, body: Body) -> bytes:
        asked = command(body) == "pb_data_elements"
        return b"" if asked and "element_type" not in args(body) else super().answer(body)


@fault(
    "null-for-nothing", [f"{DATA}/refused/*::refused::WRI-DATA-2", f"{DATA}/refused/*::*DATA-13"]
)
class NullForNothing(Mutant):
    """Answers null if it is not asked for any type."""

    def amend(self, body: Body, right: Message) -> Message:
        asked = command(body) == "pb_data_elements"
        return data(None) if asked and "element_type" not in args(body) else right


@fault("dies-of-no-type", [f"{DATA}/refused/*::*"])
class DiesOfNoType(Mutant):
    """Ends its request loop if it is not asked for any type."""

    def answer(self, body: Body) -> bytes:
        if command(body) == "pb_data_elements" and "element_type" not in args(body):
            raise DeadError
        return super().answer(body)


@fault("strict-snapshot-arguments", [f"{DATA}/further-arguments/snapshot::answered::WRI-DATA-8"])
class StrictSnapshotArguments(Mutant):
    """Refuses pb_entire_workflow with arguments."""

    def answer(self, body: Body) -> bytes:
        strict = command(body) == "pb_entire_workflow" and args(body)
        return json.dumps(error()).encode() if strict else super().answer(body)


@fault("strict-element-arguments", [f"{DATA}/further-arguments/elements::answered::WRI-DATA-8"])
class StrictElementArguments(Mutant):
    """Refuses pb_data_elements with further arguments."""

    def answer(self, body: Body) -> bytes:
        strict = command(body) == "pb_data_elements" and len(args(body)) > 1
        return json.dumps(error()).encode() if strict else super().answer(body)


# -- types that do not exist


class _Types(Mutant):
    """Takes what is no type for one."""

    def answer(self, body: Body) -> bytes:
        right = super().answer(body)
        if command(body) != "pb_data_elements" or not right.startswith(b"{"):
            return right
        return self.instead(args(body).get("element_type"), right)

    def instead(self, asked: Any, right: bytes) -> bytes:
        """Return what is sent instead of the error about the type `asked`."""
        raise NotImplementedError


@fault("empty-for-the-unknown", [f"{DATA}/unknown-type/*::refused::WRI-DATA-14"])
class EmptyForTheUnknown(_Types):
    """Sends an empty message for a type that does not exist, as cylc-flow does."""

    def instead(self, _asked: Any, _right: bytes) -> bytes:
        return b""


@fault("guesses-types", [f"{DATA}/unknown-type/prefix::refused::*"])
class GuessesTypes(_Types):
    """Takes the beginning of the name of a type for that type."""

    def instead(self, asked: Any, right: bytes) -> bytes:
        return self.pb_data_elements("tasks") if asked == "task" else right


@fault("everything-for-the-unknown", [f"{DATA}/unknown-type/unknown::refused::*"])
class EverythingForTheUnknown(_Types):
    """Sends the snapshot for a type that does not exist."""

    def instead(self, _asked: Any, _right: bytes) -> bytes:
        return self.pb_entire_workflow()


@fault(
    "dies-of-the-unknown",
    [f"{DATA}/unknown-type/{case}::*" for case in ("unknown", "array")],
)
class DiesOfTheUnknown(_Types):
    """Ends its request loop when it is asked for a type that does not exist."""

    def instead(self, _asked: Any, _right: bytes) -> bytes:
        raise DeadError
