"""What is wrong in a snapshot is found, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from wri_conformance.inspection import SHOWN, inspect
from wri_proto.v1 import data_store_pb2 as pb

ID = "~ada/flow"
Damage = Callable[[pb.PbEntireWorkflow], Any]


def snapshot() -> pb.PbEntireWorkflow:
    """Two tasks, one in a family, one of them with a job, and the edge between them."""
    whole = pb.PbEntireWorkflow()
    workflow = whole.workflow
    workflow.id, workflow.name, workflow.status = ID, "flow", "running"
    workflow.stamp, workflow.last_updated, workflow.states_updated = f"{ID}@1.5", 1.5, False
    workflow.host, workflow.port, workflow.pub_port = "here", 1, 2
    workflow.owner, workflow.cylc_version, workflow.api_version = "ada", "8.5.4", 5
    workflow.broadcasts, workflow.is_held_total = "{}", 1
    workflow.state_totals.update({"waiting": 1, "running": 1})
    for name in ("foo", "bar"):
        kind = f"{ID}//$namespace|{name}"
        whole.tasks.add(id=kind, stamp=f"{kind}@1", name=name)
        proxy = f"{ID}//1/{name}"
        whole.task_proxies.add(
            id=proxy,
            stamp=f"{proxy}@1",
            name=name,
            cycle_point="1",
            task=kind,
            first_parent=f"{ID}//1/{'FAM' if name == 'foo' else 'root'}",
            state="running" if name == "foo" else "waiting",
            is_held=name == "bar",
            flow_nums="[1]",
        )
    for name in ("root", "FAM"):
        kind, proxy = f"{ID}//$namespace|{name}", f"{ID}//1/{name}"
        whole.families.add(id=kind, stamp=f"{kind}@1", name=name)
        family = whole.family_proxies.add(
            id=proxy, stamp=f"{proxy}@1", name=name, cycle_point="1", family=kind
        )
        family.state_totals.update({"running": 1} | ({"waiting": 1} if name == "root" else {}))
        if name != "root":
            family.first_parent = f"{ID}//1/root"
    job = f"{ID}//1/foo/01"
    whole.jobs.add(
        id=job,
        stamp=f"{job}@1",
        name="foo",
        cycle_point="1",
        submit_num=1,
        state="running",
        task_proxy=f"{ID}//1/foo",
    )
    whole.edges.add(id=f"{ID}//$edge|1/foo|1/bar", source=f"{ID}//1/foo", target=f"{ID}//1/bar")
    return whole


def found(whole: pb.PbEntireWorkflow) -> dict[str, Any]:
    facts = inspect(whole, "ada", "flow")
    assert sum(facts.pop("counts").values()) > 0
    return {kind: told for kind, told in facts.items() if told}


def test_nothing_is_wrong() -> None:
    assert found(snapshot()) == {}
    assert inspect(snapshot(), "ada", "flow")["counts"] == {
        "edges": 1,
        "families": 2,
        "family_proxies": 2,
        "jobs": 1,
        "tasks": 2,
        "task_proxies": 2,
    }


def test_an_empty_snapshot_counts_nothing() -> None:
    facts = inspect(pb.PbEntireWorkflow(), "ada", "flow")
    assert set(facts["counts"].values()) == {0}
    assert facts["wrong_workflow"]
    assert facts["lacking"]


def _set(path: str, value: Any) -> Damage:
    """Set a field: `task_proxies.0.state`."""

    def damage(whole: pb.PbEntireWorkflow) -> None:
        *way, name = path.split(".")
        target: Any = whole
        for part in way:
            target = target[int(part)] if part.isdecimal() else getattr(target, part)
        setattr(target, name, value)

    return damage


def _clear(path: str) -> Damage:
    def damage(whole: pb.PbEntireWorkflow) -> None:
        first, *rest = path.split(".")
        target: Any = getattr(whole, first)
        (target if len(rest) == 1 else target[int(rest[0])]).ClearField(rest[-1])

    return damage


def _renamed_job(whole: pb.PbEntireWorkflow) -> None:
    whole.jobs[0].id = f"{ID}//1/foo/1"
    whole.jobs[0].stamp = f"{ID}//1/foo/1@1"


def _foreign_job(whole: pb.PbEntireWorkflow) -> None:
    whole.jobs[0].id = "~ada/other//1/foo/01"
    whole.jobs[0].stamp = "~ada/other//1/foo/01@1"


def _malformed_edge(whole: pb.PbEntireWorkflow) -> None:
    whole.edges[0].id = f"{ID}//$edge|1/foo"


DAMAGES: dict[str, tuple[Damage, set[str]]] = {
    "other-workflow": (_set("workflow.id", "~ada/w"), {"wrong_workflow", "foreign", "stamps"}),
    "malformed-edge": (_malformed_edge, {"malformed"}),
    "foreign-job": (_foreign_job, {"foreign"}),
    "repeated": (lambda w: w.tasks.append(w.tasks[0]), {"repeated"}),
    "cycle": (_set("task_proxies.0.cycle_point", "2"), {"contradicted"}),
    "name": (_set("families.1.name", "GAM"), {"contradicted"}),
    "number": (_set("jobs.0.submit_num", 2), {"contradicted"}),
    "short-number": (_renamed_job, {"short_numbers"}),
    "source": (_set("edges.0.source", f"{ID}//1/bar"), {"contradicted"}),
    "no-such-source": (_set("edges.0.source", f"{ID}//9/foo"), {"contradicted", "dangling"}),
    "no-such-task": (_set("task_proxies.0.task", "x"), {"dangling"}),
    "no-such-parent": (
        _set("task_proxies.1.first_parent", f"{ID}//1/GAM"),
        {"dangling", "family_totals"},
    ),
    "no-such-family": (_set("family_proxies.1.family", "x"), {"dangling"}),
    "no-parent": (_clear("family_proxies.1.first_parent"), {"dangling", "family_totals"}),
    "no-such-proxy": (_set("jobs.0.task_proxy", ""), {"dangling"}),
    "stamp-of-another": (_set("tasks.0.stamp", f"{ID}//$namespace|bar@1"), {"stamps"}),
    "stamp-without-time": (_set("jobs.0.stamp", f"{ID}//1/foo/01@now"), {"stamps"}),
    "state": (_set("task_proxies.0.state", "jogging"), {"states", "totals", "family_totals"}),
    "job-state": (_set("jobs.0.state", "waiting"), {"job_states"}),
    "no-status": (_clear("workflow.status"), {"lacking"}),
    "no-time": (_clear("workflow.last_updated"), {"lacking"}),
    "no-flows": (_clear("task_proxies.0.flow_nums"), {"proxies_lacking"}),
    "totals": (lambda w: w.workflow.state_totals.update(running=2), {"totals"}),
    "odd-total": (lambda w: w.workflow.state_totals.update(odd=1), {"totals"}),
    "family-totals": (
        lambda w: w.family_proxies[0].state_totals.update(running=2),
        {"family_totals"},
    ),
    "held": (_set("workflow.is_held_total", 2), {"held"}),
    "broadcasts": (_set("workflow.broadcasts", "{"), {"not_json"}),
    "flows": (_set("task_proxies.0.flow_nums", "{1}"), {"not_json"}),
    "meta": (_set("tasks.0.meta.user_defined", "x"), {"not_json"}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(name: str) -> None:
    damage, kinds = DAMAGES[name]
    whole = snapshot()
    damage(whole)
    assert set(found(whole)) == kinds


def test_totals_may_count_active_tasks_only() -> None:
    whole = snapshot()
    whole.task_proxies[1].graph_depth = 1
    assert found(whole) == {}
    del whole.workflow.state_totals["waiting"]
    assert set(found(whole)) == {"family_totals"}
    del whole.family_proxies[0].state_totals["waiting"]
    assert found(whole) == {}
    whole.workflow.state_totals["running"] = 0
    assert set(found(whole)) == {"totals", "family_totals"}


def test_a_family_that_is_its_own_ancestor_is_no_endless_loop() -> None:
    whole = snapshot()
    whole.family_proxies[1].first_parent = whole.family_proxies[1].id
    assert "family_totals" in found(whole)


def test_many_findings_are_shortened() -> None:
    whole = snapshot()
    for _ in range(SHOWN + 5):
        whole.edges.add(id="x")
    told = inspect(whole, "ada", "flow")["malformed"]
    assert len(told) == SHOWN + 1
    assert told[-1] == "… and 5 more"
