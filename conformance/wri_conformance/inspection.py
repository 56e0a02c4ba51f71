"""Looks through a snapshot for what must not be in it. Pure: no sockets, no clocks.

Every finding names the element. A finding is a list that has to be empty; `counts` says how many
elements were looked at, so that an empty snapshot is not taken for a perfect one.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from wri_conformance.deltas import shorten
from wri_proto.v1 import data_store_pb2 as pb

TYPES: Final = ("edges", "families", "family_proxies", "jobs", "tasks", "task_proxies")
"""The types of elements of which a snapshot has lists."""

STATES: Final = {
    *("waiting", "preparing", "submitted", "running"),
    *("succeeded", "failed", "submit-failed", "expired"),
}
_JOB_STATES: Final = STATES - {"waiting", "preparing", "expired"}
_PROXY_FIELDS: Final = ("name", "cycle_point", "task", "state", "first_parent", "flow_nums")
_WORKFLOW_FIELDS: Final = (
    *("id", "name", "status", "stamp", "last_updated", "state_totals", "states_updated"),
)
_NAME: Final = r"[^/:\n]+"
_CYCLE: Final = r"[^/\n]+"
_FORMS: Final = {
    "task_proxies": re.compile(rf"(?P<cycle_point>{_CYCLE})/(?P<name>{_NAME})"),
    "family_proxies": re.compile(rf"(?P<cycle_point>{_CYCLE})/(?P<name>{_NAME})"),
    "jobs": re.compile(rf"(?P<cycle_point>{_CYCLE})/(?P<name>{_NAME})/(?P<number>\d+)"),
    "tasks": re.compile(rf"\$namespace\|(?P<name>{_NAME})"),
    "families": re.compile(rf"\$namespace\|(?P<name>{_NAME})"),
    "edges": re.compile(rf"\$edge\|(?P<source>{_CYCLE}/{_NAME})\|(?P<target>{_CYCLE}/{_NAME})"),
}
_REFERENCES: Final = {
    "task_proxies": {"task": "tasks", "first_parent": "family_proxies"},
    "family_proxies": {"family": "families", "first_parent": "family_proxies"},
    "jobs": {"task_proxy": "task_proxies"},
    "edges": {"source": "task_proxies", "target": "task_proxies"},
}


def inspect(snapshot: pb.PbEntireWorkflow, owner: str, workflow: str) -> dict[str, Any]:
    """Return the facts that an `inspect` step observes.

    `owner` and `workflow` are what the identifier of the workflow has to be made of.
    """
    identity = f"~{owner}/{workflow}"
    # Either way of counting will do, but the same for the workflow and its families (STORE-6, 7).
    active = bool(_totals(snapshot, active=False)) and not _totals(snapshot, active=True)
    elements = [(kind, element) for kind in TYPES for element in getattr(snapshot, kind)]
    found: dict[str, Iterator[str]] = {
        "wrong_workflow": _wrong_workflow(snapshot.workflow, identity),
        "malformed": _malformed(elements),
        "foreign": _foreign(elements, snapshot.workflow.id),
        "repeated": _repeated(elements),
        "contradicted": _contradicted(elements, identity),
        "short_numbers": _short_numbers(elements),
        "dangling": _dangling(elements),
        "stamps": _stamps(snapshot.workflow, elements),
        "states": _states(snapshot.task_proxies, STATES),
        "job_states": _states(snapshot.jobs, _JOB_STATES),
        "lacking": _lacking(snapshot.workflow, _WORKFLOW_FIELDS),
        "proxies_lacking": _all_lacking(snapshot.task_proxies),
        "totals": iter(_totals(snapshot, active=active)),
        "family_totals": iter(_family_totals(snapshot, active=active)),
        "held": _held(snapshot),
        "not_json": _not_json(snapshot),
    }
    facts: dict[str, Any] = {kind: shorten(list(findings)) for kind, findings in found.items()}
    facts["counts"] = {kind: len(getattr(snapshot, kind)) for kind in TYPES}
    return facts


def _wrong_workflow(workflow: pb.PbWorkflow, identity: str) -> Iterator[str]:
    if workflow.id != identity:
        yield f"the identifier of the workflow is {workflow.id!r} instead of {identity!r}"


def _local(identifier: str, identity: str) -> str | None:
    """Return what follows the workflow in an identifier, or None if it is another one."""
    prefix = f"{identity}//"
    return identifier[len(prefix) :] if identifier.startswith(prefix) else None


def _malformed(elements: list[tuple[str, Any]]) -> Iterator[str]:
    for kind, element in elements:
        workflow, _, local = element.id.partition("//")
        if not workflow.startswith("~") or not _FORMS[kind].fullmatch(local):
            yield f"{kind}: {element.id!r}"


def _foreign(elements: list[tuple[str, Any]], identity: str) -> Iterator[str]:
    for kind, element in elements:
        if _local(element.id, identity) is None:
            yield f"{kind}: {element.id!r} does not begin with {identity!r}"


def _repeated(elements: list[tuple[str, Any]]) -> Iterator[str]:
    for (kind, identifier), times in Counter((k, e.id) for k, e in elements).items():
        if times > 1:
            yield f"{kind}: {identifier} stands there {times} times"


def _contradicted(elements: list[tuple[str, Any]], identity: str) -> Iterator[str]:
    for kind, element in elements:
        match = _FORMS[kind].fullmatch(_local(element.id, identity) or "")
        if match is None:
            continue
        for part, text in match.groupdict().items():
            field = "submit_num" if part == "number" else part
            value = getattr(element, field)
            if part in {"source", "target"}:
                value = _local(value, identity)
            if (int(text) if part == "number" else text) != value:
                yield f"{element.id}: {field} is {getattr(element, field)!r}"


def _short_numbers(elements: list[tuple[str, Any]]) -> Iterator[str]:
    for kind, element in elements:
        if kind == "jobs" and not re.search(r"/\d{2,}$", element.id):
            yield element.id


def _dangling(elements: list[tuple[str, Any]]) -> Iterator[str]:
    known = {(kind, element.id) for kind, element in elements}
    for kind, element in elements:
        for field, other in _REFERENCES.get(kind, {}).items():
            value = getattr(element, field)
            root = kind == "family_proxies" and field == "first_parent" and element.name == "root"
            if (other, value) not in known and not root:
                yield f"{element.id}: {field} is {value!r}, which is none of the {other}"


def _stamps(workflow: pb.PbWorkflow, elements: list[tuple[str, Any]]) -> Iterator[str]:
    for element in (workflow, *(one for kind, one in elements if kind != "edges")):
        identifier, _, time = element.stamp.rpartition("@")
        if identifier != element.id or not re.fullmatch(r"\d+(\.\d+)?", time):
            yield f"{element.id}: {element.stamp!r}"


def _states(elements: Any, states: Collection[str]) -> Iterator[str]:
    for element in elements:
        if element.state not in states:
            yield f"{element.id}: {element.state!r}"


def _lacking(element: Any, names: tuple[str, ...]) -> Iterator[str]:
    present = {field.name for field, _ in element.ListFields()}
    for name in names:
        if name not in present:
            yield f"{element.id}: {name}"


def _all_lacking(proxies: Any) -> Iterator[str]:
    for proxy in proxies:
        yield from _lacking(proxy, _PROXY_FIELDS)


def _differences(where: str, stated: Mapping[str, int], counted: Counter[str]) -> Iterator[str]:
    for state in sorted(STATES | set(stated)):
        if stated.get(state, 0) != counted[state]:
            yield f"{where}: {state} is {stated.get(state, 0)}, there are {counted[state]}"


def _totals(snapshot: pb.PbEntireWorkflow, *, active: bool) -> list[str]:
    """Compare the totals of the workflow with what there is, or with what is active of it."""
    proxies = _counted(snapshot, active=active)
    counted = Counter(proxy.state for proxy in proxies)
    return list(_differences("workflow", snapshot.workflow.state_totals, counted))


def _family_totals(snapshot: pb.PbEntireWorkflow, *, active: bool) -> list[str]:
    families = {family.id: family for family in snapshot.family_proxies}
    counted: dict[str, Counter[str]] = {identifier: Counter() for identifier in families}
    for proxy in _counted(snapshot, active=active):
        parent = proxy.first_parent
        for _ in families:  # bounds a chain that leads into a circle
            if parent not in families:
                break
            counted[parent][proxy.state] += 1
            parent = families[parent].first_parent
    return [
        difference
        for identifier, family in families.items()
        for difference in _differences(identifier, family.state_totals, counted[identifier])
    ]


def _counted(snapshot: pb.PbEntireWorkflow, *, active: bool) -> list[pb.PbTaskProxy]:
    return [proxy for proxy in snapshot.task_proxies if not (active and proxy.graph_depth)]


def _held(snapshot: pb.PbEntireWorkflow) -> Iterator[str]:
    held = sum(proxy.is_held for proxy in snapshot.task_proxies)
    if snapshot.workflow.is_held_total != held:
        yield f"is_held_total is {snapshot.workflow.is_held_total}, there are {held}"


def _not_json(snapshot: pb.PbEntireWorkflow) -> Iterator[str]:
    texts = [("workflow: broadcasts", snapshot.workflow.broadcasts)]
    texts += [(f"{one.id}: flow_nums", one.flow_nums) for one in snapshot.task_proxies]
    described: list[Any] = [snapshot.workflow, *snapshot.tasks, *snapshot.families]
    texts += [(f"{one.id}: user_defined", one.meta.user_defined) for one in described]
    for where, text in texts:
        try:
            json.loads(text or "null")
        except (ValueError, RecursionError):
            yield f"{where}: {text[:80]!r}"
