"""What is wrong in a snapshot is found, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from wri_conformance.inspection import inspect
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


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("lacking", f"workflow.{name}") for name in ("name", "status", "stamp")),
        *(("lacking", f"workflow.{name}") for name in ("last_updated", "states_updated")),
        *(("lacking", f"workflow.{name}") for name in ("id", "state_totals")),
        *(("proxies_lacking", f"task_proxies.1.{name}") for name in ("name", "cycle_point")),
        *(("proxies_lacking", f"task_proxies.1.{name}") for name in ("task", "state")),
        *(("proxies_lacking", f"task_proxies.1.{name}") for name in ("first_parent", "flow_nums")),
    ],
)
def test_each_field_that_has_to_be_there_is_missed(kind: str, name: str) -> None:
    whole = snapshot()
    _clear(name)(whole)
    (told,) = found(whole)[kind]
    assert told.endswith(f": {name.rpartition('.')[2]}")
    whole = snapshot()
    whole.task_proxies[0].ClearField("is_held")
    assert found(whole) == {}


@pytest.mark.parametrize(
    ("state", "of_jobs"),
    [
        *((state, True) for state in ("submitted", "running", "succeeded", "failed")),
        *(("submit-failed", True), ("waiting", False), ("preparing", False), ("expired", False)),
    ],
)
def test_the_states_are_those_of_the_specification(state: str, *, of_jobs: bool) -> None:
    whole = snapshot()
    whole.task_proxies[0].state = state
    assert set(found(whole)) <= {"totals", "family_totals"}
    assert ("totals" in found(whole)) is (state != "running")
    whole = snapshot()
    whole.jobs[0].state = state
    assert set(found(whole)) == (set() if of_jobs else {"job_states"})


@pytest.mark.parametrize(
    ("part", "good", "bad"),
    [
        (
            "task_proxies",
            ["1/a", "2000-01-01T00Z/a b", "1/a@b", "1/a|b"],
            ["1", "1/a/01", "1/a:x", "x//1/a"],
        ),
        ("task_proxies", ["+1:2/a"], ["/a", "1/", "1/a\n", "1\n/a", "$edge|1/a|1/b"]),
        ("family_proxies", ["1/FAM"], ["FAM", "1/FAM/01", "1/F:x", "$namespace|FAM"]),
        ("jobs", ["1/a/01", "1/a/123"], ["1/a", "1/a/NN", "1/a/", "a/01", "1/a:x/01", "1/a/01/x"]),
        ("tasks", ["$namespace|a"], ["a", "$namespace|", "$namespace|1/a", "namespace|a"]),
        ("families", ["$namespace|FAM"], ["FAM", "$namespace|", "$NAMESPACE|FAM", "$namespaces|F"]),
        ("edges", ["$edge|1/a|2/b"], ["$edge|1/a", "$edge|1/a|b", "1/a|2/b", "$edge|1/a|2/b|3/c"]),
    ],
)
def test_each_type_has_its_form(part: str, good: list[str], bad: list[str]) -> None:
    for local in (*good, *bad):
        whole = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id=ID))
        getattr(whole, part).add(id=f"{ID}//{local}")
        told = inspect(whole, "ada", "flow")["malformed"]
        assert [one.partition(":")[0] for one in told] == ([part] if local in bad else [])
    whole = pb.PbEntireWorkflow()
    getattr(whole, part).add(id=f"flow//{good[0]}")
    assert inspect(whole, "ada", "flow")["malformed"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("workflow.id", "~ada/w", "wrong_workflow: the identifier of the workflow is '~ada/w'"),
        ("jobs.0.id", "~ada/other//1/foo/01", "foreign: jobs: '~ada/other//1/foo/01'"),
        ("jobs.0.name", "bar", f"contradicted: {ID}//1/foo/01: name is 'bar'"),
        ("jobs.0.cycle_point", "2", f"contradicted: {ID}//1/foo/01: cycle_point is '2'"),
        ("jobs.0.submit_num", 2, f"contradicted: {ID}//1/foo/01: submit_num is 2"),
        ("tasks.0.name", "x", f"contradicted: {ID}//$namespace|foo: name is 'x'"),
        ("families.0.name", "x", f"contradicted: {ID}//$namespace|root: name is 'x'"),
        ("task_proxies.0.name", "x", f"contradicted: {ID}//1/foo: name is 'x'"),
        ("family_proxies.1.name", "x", f"contradicted: {ID}//1/FAM: name is 'x'"),
        ("family_proxies.1.cycle_point", "x", f"contradicted: {ID}//1/FAM: cycle_point is 'x'"),
        ("edges.0.source", "x", f"contradicted: {ID}//$edge|1/foo|1/bar: source is 'x'"),
        ("edges.0.target", "x", f"contradicted: {ID}//$edge|1/foo|1/bar: target is 'x'"),
        ("edges.0.source", "x", f"dangling: {ID}//$edge|1/foo|1/bar: source is 'x', which is none"),
        ("edges.0.target", "x", f"dangling: {ID}//$edge|1/foo|1/bar: target is 'x', which is none"),
        ("jobs.0.task_proxy", "x", f"dangling: {ID}//1/foo/01: task_proxy is 'x'"),
        ("task_proxies.0.task", "x", f"dangling: {ID}//1/foo: task is 'x'"),
        ("task_proxies.0.first_parent", "x", f"dangling: {ID}//1/foo: first_parent is 'x'"),
        ("family_proxies.1.family", "x", f"dangling: {ID}//1/FAM: family is 'x'"),
        ("family_proxies.1.first_parent", "x", f"dangling: {ID}//1/FAM: first_parent is 'x'"),
        ("workflow.stamp", f"{ID}@", f"stamps: {ID}: '{ID}@'"),
        ("workflow.stamp", ID, f"stamps: {ID}: '{ID}'"),
        ("jobs.0.stamp", f"{ID}//1/foo/01@1.", f"stamps: {ID}//1/foo/01: "),
        ("jobs.0.stamp", f"{ID}//1/foo/01@1.5x", f"stamps: {ID}//1/foo/01: "),
        ("family_proxies.0.stamp", "", f"stamps: {ID}//1/root: ''"),
        ("jobs.0.state", "x", f"job_states: {ID}//1/foo/01: 'x'"),
        ("task_proxies.0.state", "x", f"states: {ID}//1/foo: 'x'"),
        ("task_proxies.0.state", "failed", "totals: workflow: failed is 0, there are 1"),
        (
            "task_proxies.0.state",
            "failed",
            f"family_totals: {ID}//1/root: failed is 0, there are 1",
        ),
        (
            "task_proxies.0.state",
            "failed",
            f"family_totals: {ID}//1/FAM: running is 1, there are 0",
        ),
        ("task_proxies.0.is_held", True, "held: is_held_total is 1, there are 2"),
        ("task_proxies.0.flow_nums", "[", f"not_json: {ID}//1/foo: flow_nums: '['"),
        ("workflow.meta.user_defined", "{", f"not_json: {ID}: user_defined: '{{'"),
        ("families.0.meta.user_defined", "[" * 100_000, f"not_json: {ID}//$namespace|root: user_"),
        ("workflow.broadcasts", "[", "not_json: workflow: broadcasts: '['"),
    ],
)
def test_each_finding_names_the_element(path: str, value: Any, told: str) -> None:
    whole = snapshot()
    _set(path, value)(whole)
    facts = found(whole)
    assert told in "\n".join(f"{kind}: {one}" for kind, ones in facts.items() for one in ones)
    assert max(len(one) for ones in facts.values() for one in ones) < 300


def test_an_at_sign_in_a_name_is_none_before_the_time() -> None:
    whole = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id="~a/b@c", stamp="~a/b@c@12.25"))
    assert inspect(whole, "a", "b@c")["stamps"] == []
    whole.workflow.stamp = "~a/b@12.25"
    assert inspect(whole, "a", "b@c")["stamps"]


def test_a_contradiction_behind_a_malformed_identifier_is_found() -> None:
    whole = snapshot()
    whole.task_proxies[0].id = "nonsense"
    whole.task_proxies[1].name = "x"
    assert found(whole)["contradicted"] == [f"{ID}//1/bar: name is 'x'"]


def test_several_tasks_of_a_family_are_in_one_state() -> None:
    whole = snapshot()
    whole.task_proxies[1].state = "running"
    for counts in (whole.workflow.state_totals, whole.family_proxies[0].state_totals):
        counts["running"] = 2
        counts["waiting"] = 0
    assert found(whole) == {}
    whole.family_proxies[0].state_totals["running"] = 1
    (told,) = found(whole)["family_totals"]
    assert told == f"{ID}//1/root: running is 1, there are 2"


def test_only_identifiers_of_one_type_are_repeated() -> None:
    whole = snapshot()
    whole.family_proxies.add(id=whole.task_proxies[0].id)
    assert "repeated" not in found(whole)
    whole.task_proxies.append(whole.task_proxies[0])
    (told,) = found(whole)["repeated"]
    assert told == f"task_proxies: {ID}//1/foo stands there 2 times"


def test_texts_that_are_absent_are_not_bad_json() -> None:
    whole = snapshot()
    whole.workflow.ClearField("broadcasts")
    whole.workflow.meta.user_defined = '{"a": [1]}'
    assert found(whole) == {}


def test_only_a_root_needs_no_parent() -> None:
    whole = snapshot()
    whole.task_proxies[0].name = "root"
    whole.task_proxies[0].first_parent = ""
    assert any("first_parent" in told for told in found(whole)["dangling"])
    whole = snapshot()
    whole.family_proxies[0].family = ""
    assert found(whole)["dangling"]


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
    for number in range(500):
        whole.edges.add(id=f"{number}" + "x" * 1000)
    told = inspect(whole, "ada", "flow")["malformed"]
    assert len(told) < 50
    assert told[0].startswith("edges: '0xx")
    assert max(map(len, told)) < 300
