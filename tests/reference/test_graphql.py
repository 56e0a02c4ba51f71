"""The endpoint graphql: documents in, data out, over the simulated scheduler."""

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from graphql import get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from wri.data import root
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _graphql, _resolvers, _workflow
from wri_reference._elements import Identity
from wri_reference._errors import RemoteProtocolError
from wri_reference._scheduler import Scheduler
from wri_reference._store import DataStore

START = 1_900_000_000.0
IDENTITY = Identity("me", "w", "here", 43001, 43002, "/run")
SCHEMA = _graphql.load_schema()
WORKFLOW = """
cycle_points: ["1", "2", "3"]
families:
  FAM:
  SUB: {parent: FAM}
tasks:
  foo: {title: The first}
  bad: {outcome: failed}
  mend: {parent: FAM}
  m1: {parent: SUB, outputs: {extra: a message}}
  m2: {parent: SUB, seconds: 1000}
graph:
  - {before: foo, after: [m1, m2]}
  - {before: foo, cycle: -1, after: foo}
  - {before: foo, after: bad}
  - {before: bad, output: failed, after: mend}
"""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Run:
    """A scheduler whose time passes as told."""

    def __init__(self) -> None:
        self.now = START
        self.scheduler = Scheduler(_workflow.parse(WORKFLOW), IDENTITY, self.now)
        self.scheduler.set_graph_window_extent(3)
        self.until(self.now + 60)

    def until(self, end: float) -> None:
        self.scheduler.tick(self.now)
        while (wait := self.scheduler.next_event(self.now)) is not None:
            if self.now + wait > end:
                break
            self.now += wait
            self.scheduler.tick(self.now)
        self.now = end
        self.scheduler.tick(self.now)

    def __call__(self, document: str, **variables: Any) -> dict[str, Any]:
        return _graphql.execute(SCHEMA, self.scheduler, document, variables)

    def ids(self, document: str, **variables: Any) -> list[str]:
        """Return the ids in the answer, without the workflow, sorted."""
        (found,) = self(document, **variables).values()
        return sorted(one["id"].partition("//")[2] for one in found)

    def command(self, mutation: str, **variables: Any) -> Any:
        """Return the response to a mutation, once it has been carried out."""
        (field,) = self(f"mutation {{ {mutation} {{ result }} }}", **variables).values()
        self.until(self.now + 1)
        (result,) = field["result"]
        assert result["id"] == "~me/w"
        return result["response"]

    def fails(self, document: Any, variables: Any = None, operation_name: Any = None) -> str:
        with pytest.raises(RemoteProtocolError) as error:
            _graphql.execute(SCHEMA, self.scheduler, document, variables, operation_name)
        return str(error.value)


@pytest.fixture(scope="module")
def run() -> Run:
    """What only asks shares one scheduler."""
    return Run()


@pytest.fixture
def own() -> Run:
    return Run()


# -- queries ------------------------------------------------------------------------------


def test_the_workflow(run: Run) -> None:
    assert run("{workflows {id name owner status port pubPort host runMode}}") == {
        "workflows": [
            {
                "id": "~me/w",
                "name": "w",
                "owner": "me",
                "status": "running",
                "port": 43001,
                "pubPort": 43002,
                "host": "here",
                "runMode": "live",
            }
        ]
    }
    (workflow,) = run(
        "{workflows {stateTotals latestStateTasks(states: ['nope'])}}".replace("'", '"')
    )["workflows"]
    assert set(workflow["stateTotals"]) == set(_resolvers.TASK_STATES)
    assert workflow["latestStateTasks"] == {}


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ("[]", 1),
        ('["w"]', 1),
        ('["~me/w"]', 1),
        ('["x", "*"]', 1),
        ('["w:running"]', 1),
        ('["w:r*"]', 0),
        ('["w:paused"]', 0),
        ('["x"]', 0),
        ("null", 1),
    ],
)
def test_workflows_are_chosen_by_id(run: Run, ids: str, found: int) -> None:
    assert len(run(f"{{workflows(ids: {ids}) {{id}}}}")["workflows"]) == found
    assert bool(run(f"{{tasks(workflows: {ids}) {{id}}}}")["tasks"]) == bool(found)
    if ids not in {"[]", "null"}:
        assert len(run(f"{{workflows(exids: {ids}) {{id}}}}")["workflows"]) == 1 - found


ONE = [
    ("task", "//$namespace|foo"),
    ("taskProxy", "//1/foo"),
    ("family", "//$namespace|FAM"),
    ("familyProxy", "//1/FAM"),
    ("job", "//1/foo/01"),
]


@pytest.mark.parametrize(("field", "tail"), ONE)
def test_one_element(run: Run, field: str, tail: str) -> None:
    query = f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}"
    assert run(query, id=f"~me/w{tail}") == {field: {"id": f"~me/w{tail}"}}
    for unknown in (tail, f"~you/w{tail}", "", "1/foo", 7):
        assert run(query, id=unknown) == {field: None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('ids: ["1/foo"]', ["1/foo"]),
        ('ids: ["//1/foo", "1/foo", "9/foo"]', ["1/foo"]),
        ('ids: ["2/m?"]', ["2/m1", "2/m2"]),
        ('ids: ["2/m?"], exids: ["*/m2"]', ["2/m1"]),
        ('ids: ["*:failed"]', ["1/bad", "2/bad", "3/bad"]),
        ('ids: ["1/foo/01"]', []),
        ('ids: ["01/foo"]', []),
        ('ids: ["1/FAM"]', []),
        ('states: ["failed", "nope"]', ["1/bad", "2/bad", "3/bad"]),
        ('exstates: ["succeeded", "running"], ids: ["1"]', ["1/bad"]),
        ("isHeld: true", []),
        ('isHeld: false, ids: ["1/foo"]', ["1/foo"]),
        ("isQueued: true", []),
        ("isRunahead: true", []),
        ('mindepth: 2, maxdepth: 2, ids: ["1/*"]', ["1/mend"]),
        ('mindepth: null, ids: null, exids: null, states: null, workflows: ["x"]', []),
        ('graphDepth: 0, ids: ["1/*"], states: null', ["1/m2"]),
    ],
)
def test_task_proxies_are_chosen(run: Run, arguments: str, expected: list[str]) -> None:
    assert run.ids(f"{{ taskProxies({arguments}) {{ id }} }}") == expected
    if "workflows" not in arguments:
        nested = run(f"{{ workflows {{ taskProxies({arguments}) {{ id }} }} }}")["workflows"][0]
        assert sorted(one["id"] for one in nested["taskProxies"]) == [
            f"~me/w//{one}" for one in expected
        ]


def test_the_runahead_limit_filters() -> None:
    store = DataStore()
    store.load(
        pb.PbEntireWorkflow(
            workflow=pb.PbWorkflow(id="~me/w", owner="me", name="w"),
            task_proxies=[
                pb.PbTaskProxy(id="~me/w//1/a", is_runahead=True),
                pb.PbTaskProxy(id="~me/w//1/b"),
            ],
        )
    )
    run = Run()
    run.scheduler = Holder(store)  # type: ignore[assignment]
    assert run.ids("{taskProxies(isRunahead: true) {id}}") == ["1/a"]
    assert run.ids("{taskProxies(isRunahead: false) {id}}") == ["1/b"]


class Holder:
    """A store without a scheduler."""

    def __init__(self, store: DataStore) -> None:
        self.store = store


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{tasks(ids: ["m?", "foo"], exids: ["m2"]) {id}}', ["foo", "m1"]),
        ('{tasks(ids: ["1/foo"]) {id}}', []),
        ('{families(ids: ["FAM"]) {id}}', ["FAM"]),
        ("{families(mindepth: 1) {id}}", ["FAM", "SUB"]),
    ],
)
def test_definitions_are_chosen_by_name(run: Run, query: str, expected: list[str]) -> None:
    assert run.ids(query) == [f"$namespace|{name}" for name in expected]
    nested = run(f"{{workflows {query}}}")["workflows"][0]
    assert len(next(iter(nested.values()))) == len(expected)


def test_jobs_are_chosen(run: Run) -> None:
    assert run.ids('{jobs(ids: ["1/foo/01", "2/m?"]) {id}}') == ["1/foo/01", "2/m1/01", "2/m2/01"]
    assert run.ids('{jobs(ids: ["1/foo/1", "1/foo/NN"]) {id}}') == []
    assert run.ids('{jobs(states: ["failed"], ids: ["*/bad/*:failed", "x"]) {id}}') == [
        "1/bad/01",
        "2/bad/01",
        "3/bad/01",
    ]


def test_elements_lead_to_each_other(run: Run) -> None:
    (proxy,) = run(
        """{ taskProxies(ids: ["1/m1"]) {
          task { name parents { name } firstParent { name childTasks { name } } proxies { id } }
          firstParent { name childTasks { name } firstParent { name childFamilies { name } } }
          ancestors { name } parents { name } jobs { id taskProxy { id } } namespace
          prerequisites { satisfied conditions { taskId taskProxy { id state } reqState } }
        } }"""
    )["taskProxies"]
    assert proxy["task"]["firstParent"]["name"] == "SUB"
    assert sorted(one["name"] for one in proxy["task"]["firstParent"]["childTasks"]) == ["m1", "m2"]
    assert proxy["firstParent"]["firstParent"] == {
        "name": "FAM",
        "childFamilies": [{"name": "SUB"}],
    }
    assert [one["name"] for one in proxy["ancestors"]] == ["SUB", "FAM", "root"]
    assert proxy["jobs"] == [
        {"id": "~me/w//1/m1/01", "taskProxy": {"id": "~me/w//1/m1"}},
    ]
    (condition,) = proxy["prerequisites"][0]["conditions"]
    assert condition["taskId"] == "1/foo"
    assert condition["taskProxy"] == {"id": "~me/w//1/foo", "state": "succeeded"}


def test_edges(run: Run) -> None:
    edges = run(
        """{ edges(sort: {keys: ["id"]}) {
          id source target sourceNode { __typename ... on TaskProxy { id state } }
        } }"""
    )["edges"]
    assert all(edge["sourceNode"]["id"] == edge["source"] for edge in edges)
    assert {edge["sourceNode"]["__typename"] for edge in edges} == {"TaskProxy"}
    nested = run("{workflows {edges {edges {id} leaves feet}}}")["workflows"][0]["edges"]
    assert sorted(one["id"] for one in nested["edges"]) == [edge["id"] for edge in edges]


@pytest.mark.parametrize("text", ["1/bad", "//1/bad", "~me/w//1/bad", "w//1/bad", "*//1/b*"])
def test_nodes_and_edges(run: Run, text: str) -> None:
    query = (
        "query ($ids: [ID], $n: Int) {nodesEdges(ids: $ids, distance: $n) {nodes {id} edges {id}}}"
    )
    sizes = []
    for distance in (-1, 0, None, 1, 2, 2_000_000_000):
        found = run(query, ids=[text], n=distance)["nodesEdges"]
        sizes.append((len(found["nodes"]), len(found["edges"])))
    assert sizes[:5] == [(1, 0), (1, 0), (3, 2), (3, 2), sizes[4]]
    assert sizes[4] > sizes[3]
    assert sizes[5][0] == len(run.ids("{taskProxies {id}}"))
    assert run(query, ids=["9/x"])["nodesEdges"] == {"nodes": [], "edges": []}


def test_sorting(run: Run) -> None:
    query = "query ($s: SortArgs) {taskProxies(sort: $s) {name cyclePoint}}"
    found = run(query, s={"keys": ["name", "cyclePoint"]})["taskProxies"]
    assert found == sorted(found, key=lambda one: (one["name"], one["cyclePoint"]))
    assert (
        run(query, s={"keys": ["name", "cycle_point"], "reverse": True})["taskProxies"]
        == found[::-1]
    )
    by_id = sorted(found, key=lambda one: (one["cyclePoint"], one["name"]))
    for default in ({}, {"keys": None, "reverse": None}):
        assert run(query, s=default)["taskProxies"] == by_id
    assert run.fails(query, {"s": {"keys": ["nope"]}}) == "'nope' is nothing to sort by"
    assert "nothing to sort by" in run.fails(query, {"s": {"keys": ["runtime"]}})
    assert "at least one key" in run.fails(query, {"s": {"keys": []}})


def test_outputs(run: Run) -> None:
    (proxy,) = run(
        """{ taskProxies(ids: ["1/m1"]) {
          all: outputs { label }
          done: outputs(satisfied: true, limit: 2) { label message satisfied }
          started: outputs(sortOrder: ["started"], limit: 1) { label }
          byLabel: outputs(sort: {keys: ["label"]}, limit: null) { label }
          xtriggers { id } externalTriggers { id } extras
        } }"""
    )["taskProxies"]
    labels = [one["label"] for one in proxy["all"]]
    assert labels[:4] == ["expired", "submitted", "submit-failed", "started"]
    assert "extra" in labels
    assert [one["label"] for one in proxy["done"]] == ["submitted", "started"]
    assert proxy["started"] == [{"label": "started"}]
    assert [one["label"] for one in proxy["byLabel"]] == sorted(labels)
    assert (proxy["xtriggers"], proxy["externalTriggers"], proxy["extras"]) == ([], [], {})


def test_null_is_left_out_if_asked(run: Run) -> None:
    fields = "id jobs {id} xtriggers {id} runtime {script directives {key}} firstParent {id}"
    query = f'query ($s: Boolean) {{taskProxies(ids: ["3/mend"], stripNull: $s) {{ {fields} }} }}'
    (plain,) = run(query, s=False)["taskProxies"]
    (stripped,) = run(query, s=True)["taskProxies"]
    assert run(query, s=None) == {"taskProxies": [plain]}
    assert plain["xtriggers"] == []
    assert "xtriggers" not in stripped
    assert stripped["id"] == plain["id"]
    assert "directives" not in stripped.get("runtime", {})
    assert run('{taskProxy(id: "~me/w//9/x", stripNull: true) {id}}') == {}
    assert run('{taskProxy(id: "~me/w//9/x", stripNull: false) {id}}') == {"taskProxy": None}
    inner = run("{workflows {id pruned taskProxies(stripNull: true) {xtriggers {id}}}}")
    assert inner["workflows"][0]["id"] == "~me/w"
    assert all(one == {} for one in inner["workflows"][0]["taskProxies"])
    outer = run("{workflows(stripNull: true) {taskProxies(stripNull: false) {xtriggers {id}}}}")
    assert all(one == {"xtriggers": []} for one in outer["workflows"][0]["taskProxies"])


def test_broadcasts_of_some(own: Run) -> None:
    own.command(
        'broadcast(workflows: [], cyclePoints: ["1"], namespaces: ["SUB"], '
        'settings: [{script: "a"}])'
    )
    own.command('broadcast(workflows: [], namespaces: ["foo"], settings: [{script: "b"}])')
    query = "query ($ids: [ID]) {workflows {broadcasts(ids: $ids)}}"

    def broadcasts(*ids: str) -> Any:
        return own(query, ids=list(ids))["workflows"][0]["broadcasts"]

    everything = {"1": {"SUB": {"script": "a"}}, "*": {"foo": {"script": "b"}}}
    assert broadcasts() == everything
    assert broadcasts("1/m1") == {"1": everything["1"]}
    assert broadcasts("2/m1") == {}
    assert broadcasts("2/foo") == {"*": everything["*"]}
    assert broadcasts("*") == everything


# -- mutations ----------------------------------------------------------------------------


def state(run: Run, *fields: str, proxy: str = "2/foo") -> list[Any]:
    (found,) = run(f'{{taskProxies(ids: ["{proxy}"]) {{ {" ".join(fields)} }} }}')["taskProxies"]
    return [found[field] for field in fields]


@pytest.mark.parametrize(
    "mutation",
    [
        "pause(workflows: [])",
        'resume(workflows: ["w"])',
        'reload(workflows: ["~me/w"], reloadGlobal: true)',
        'setVerbosity(workflows: ["*"], level: DEBUG)',
        'stop(workflows: [], mode: null, cyclePoint: "3")',
        "stop(workflows: [])",
        "stop(workflows: [], mode: NowNow)",
        'setHoldPoint(workflows: [], point: "2")',
        "releaseHoldPoint(workflows: [])",
        'hold(workflows: ["w//1/foo"], tasks: ["2/m2"])',
        'release(workflows: [], tasks: ["*"])',
        'kill(workflows: [], tasks: ["1/m2"])',
        'poll(workflows: ["w:running"], tasks: ["1/m2"])',
        'remove(workflows: [], tasks: ["1/m2"], flow: null)',
        'set(workflows: [], tasks: ["1/m2"], outputs: ["succeeded"], flowWait: null)',
        'trigger(workflows: [], tasks: ["1/foo"], flow: ["1"], onResume: false)',
    ],
)
def test_a_queued_command_has_an_id(own: Run, mutation: str) -> None:
    ok, text = own.command(mutation)
    assert ok is True
    assert UUID.fullmatch(text)


def test_commands_take_effect(own: Run) -> None:
    own.command('hold(workflows: ["w"], tasks: ["1/m2"])')
    assert state(own, "isHeld", proxy="1/m2") == [True]
    own.command('release(workflows: ["w"], tasks: ["1/m2"])')
    assert state(own, "isHeld", proxy="1/m2") == [False]
    own.command('kill(workflows: ["w"], tasks: ["1/m2"])')
    assert state(own, "state", proxy="1/m2") == ["failed"]
    own.command("pause(workflows: [])")
    assert own("{workflows {status}}") == {"workflows": [{"status": "paused"}]}


def test_the_other_responses(own: Run) -> None:
    ok, _ = own.command('extTrigger(workflows: [], id: "", message: "x")')
    assert ok is True
    ok, _ = own.command('message(workflows: [], taskJob: "1/m2/01", messages: [["INFO", "hello"]])')
    assert ok is True
    assert own.command("setGraphWindowExtent(workflows: [], nEdgeDistance: 2)")[0] is True
    assert own.command("setGraphWindowExtent(workflows: [], nEdgeDistance: -1)")[0] is False
    applied, rejected = own.command(
        'broadcast(workflows: [], cyclePoints: ["1"], namespaces: ["foo"], '
        'settings: [{script: "x"}])'
    )
    assert applied == [["1", "foo", {"script": "x"}]]
    assert rejected == {}


@pytest.mark.parametrize(
    "mutation",
    [
        "hold(workflows: [], tasks: [])",
        "hold(workflows: [], tasks: [null])",
        'hold(workflows: [], tasks: ["///"])',
        'kill(workflows: [], tasks: ["1/foo/01"])',
        'setHoldPoint(workflows: [], point: "zz")',
        'trigger(workflows: [], tasks: ["1/foo"], flow: ["zz"])',
    ],
)
def test_what_is_refused(own: Run, mutation: str) -> None:
    ok, text = own.command(mutation)
    assert ok is False
    assert isinstance(text, str)


def test_no_workflow_matches(run: Run) -> None:
    for other in ("x", "~you/w", "w:paused", "w/run1"):
        found = run("mutation ($w: [WorkflowID]!) {pause(workflows: $w) {result}}", w=[other])
        (result,) = found["pause"]["result"]
        assert set(result) == {"response"}
        assert result["response"][0] is False


def test_several_mutations_run_in_order(own: Run) -> None:
    found = own(
        """mutation { a: pause(workflows: []) { result } b: resume(workflows: []) { result }
        c: hold(workflows: [], tasks: []) { result } }"""
    )
    assert list(found) == ["a", "b", "c"]
    texts = [one["result"][0]["response"][1] for one in found.values()]
    assert len(set(texts)) == len(texts)


def test_a_number_is_a_text_where_cylc_has_texts(own: Run) -> None:
    assert own.command('trigger(workflows: [], tasks: ["1/foo"], flow: [1])')[0] is True
    found = own("mutation ($p: CyclePoint!) {setHoldPoint(workflows: [], point: $p) {result}}", p=2)
    assert found["setHoldPoint"]["result"][0]["response"][0] is True
    query = "mutation ($p: CyclePoint!) {setHoldPoint(workflows: [], point: $p) {result}}"
    wrongs: list[Any] = [[], {}, True, 1.5]
    for wrong in wrongs:
        assert "string" in own.fails(query, {"p": wrong})


def test_every_mutation_has_a_command() -> None:
    assert SCHEMA.mutation_type is not None
    for name in SCHEMA.mutation_type.fields:
        command = re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)
        assert callable(getattr(Scheduler, "set_" if command == "set" else command)), name


# -- documents ----------------------------------------------------------------------------


def test_documents(run: Run) -> None:
    query = """query ($yes: Boolean!, $no: Boolean = false) {
      a: workflows { ...part } b: workflows { ... on Workflow { name } }
      c: workflows @include(if: $no) { id } d: workflows @skip(if: $yes) { id }
    } fragment part on Workflow { id }"""
    assert run(query, yes=True, unknown=[1]) == {"a": [{"id": "~me/w"}], "b": [{"name": "w"}]}
    assert run("{__typename}") == {"__typename": "Queries"}
    assert "Variable '$yes'" in run.fails(query, None)


def test_introspection(run: Run) -> None:
    found = run(get_introspection_query())["__schema"]
    assert found["queryType"]["name"] == "Queries"
    assert len(found["types"]) > 50
    (mode,) = run('{__type(name: "WorkflowStopMode") {enumValues {name}}}').values()
    assert [one["name"] for one in mode["enumValues"]] == ["Clean", "Kill", "Now", "NowNow"]


def test_operations(run: Run) -> None:
    two = "query a {__typename} query b {x: __typename}"
    assert _graphql.execute(SCHEMA, run.scheduler, two, None, "b") == {"x": "Queries"}
    assert "operation_name" in run.fails(two)
    assert "no operation 'c'" in run.fails(two, None, "c")
    assert "operation_name" in run.fails(two, None, 3)
    assert "subscription" in run.fails("subscription {workflows {id}}")
    assert "subscription" in run.fails("subscription s {deltas {id}}")


@pytest.mark.parametrize("document", [None, 3, ["{a}"], {"a": 1}, b"{a}", True])
def test_a_document_is_a_string(run: Run, document: Any) -> None:
    assert run.fails(document) == "the argument 'request_string' is not a string"


@pytest.mark.parametrize("variables", [[], [1], "x", 1, False])
def test_variables_are_an_object(run: Run, variables: Any) -> None:
    assert "neither an object nor null" in run.fails("{__typename}", variables)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "#",
        "{",
        "{nope}",
        "{workflows}",
        "{workflows(x: 1) {id}}",
        "mutation {nope {result}}",
        "mutation {pause {result}}",
        "mutation {pause(workflows: []) }",
        'mutation {stop(workflows: [], mode: "Now") {result}}',
        "fragment f on Queries {__typename}",
        "{...f} fragment f on Queries {...f}",
        "type A {b: Int}",
        '{taskProxies(ids: [""]) {id}}',
        "{taskProxies(ids: [null]) {id}}",
        '{taskProxies(ids: ["~me/w//1/foo"]) {id}}',
        '{nodesEdges(ids: ["///"]) {nodes {id}}}',
        '{workflows(ids: ["///"]) {id}}',
        'mutation {pause(workflows: ["///"]) {result}}',
        "mutation {pause(workflows: [null]) {result}}",
        "{taskProxies(mindepth: 99999999999) {id}}",
        "{taskProxies(mindepth: " + "1" * 5000 + ") {id}}",
        "{" + "x" * 500_000 + "}",
        '{taskProxy(id: "\ud800") {id}}',
        "\0",
    ],
)
def test_what_is_wrong_is_told(run: Run, document: str) -> None:
    message = run.fails(document)
    assert message
    assert len(message) < 2 * _graphql.MAX_MESSAGE
    assert "object at" not in message
    assert not message.startswith("(")


def test_all_errors_are_told_once(run: Run) -> None:
    message = run.fails("{nope nope workflows {id xyzzy} nix}")
    assert message.split("; ") == [
        "Cannot query field 'nope' on type 'Queries'.",
        "Cannot query field 'xyzzy' on type 'Workflow'.",
        "Cannot query field 'nix' on type 'Queries'.",
    ]
    bad = '{a: taskProxies(ids: ["///"]) {id} b: taskProxies(ids: ["1/2/3/4"]) {id}}'
    assert run.fails(bad).count("is not an identifier") == 2


def test_what_fails_inside_stays_inside(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = DataStore()
    store.load(
        pb.PbEntireWorkflow(
            tasks=[pb.PbTask(id="~me/w//$namespace|a", meta=pb.PbMeta(user_defined="{"))]
        )
    )
    monkeypatch.setattr(run, "scheduler", Holder(store))
    message = run.fails("{tasks {meta {userDefined}}}")
    assert message == "the field 'tasks.meta.userDefined' failed; the server's log says why"
    assert "JSONDecodeError" in caplog.text


# -- limits -------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [300, 3_000, 200_000])
@pytest.mark.parametrize(
    ("head", "opening", "closing", "tail"),
    [("", "{a", "}", ""), ("{a(b:", "[", "]", ")}"), ("{a(b:", "{c:", "}", ")}")],
)
def test_nesting(run: Run, depth: int, head: str, opening: str, closing: str, tail: str) -> None:
    message = run.fails(head + opening * depth + closing * depth + tail)
    assert "nested too deeply" in message or "characters" in message or "tokens" in message


def test_nesting_that_is_read_is_executed_or_refused(run: Run) -> None:
    for depth in (10, 50, 90, 120):
        document = '{tasks(ids: ["foo"])' + '{proxies(ids: ["1/foo"]) {task' * depth
        document += " {id}" + "}}" * depth + "}"
        try:
            outcome = json.dumps(run(document))
        except RemoteProtocolError as error:
            outcome = str(error)
        assert "$namespace|foo" in outcome or "nested too deeply" in outcome


def many(count: int, part: Callable[[int], str]) -> str:
    return " ".join(part(index) for index in range(count))


TOWER = (
    "{taskProxies {...f0}} "
    + many(30, lambda i: f"fragment f{i} on TaskProxy {{task {{proxies {{...f{i + 1}}}}}}}")
    + " fragment f30 on TaskProxy {id}"
)


@pytest.mark.parametrize(
    "document",
    [
        "#" + "x" * 8_388_608 + "\n{__typename}",
        "{" + "a " * 4_000_000 + "}",
        "{" + many(2000, lambda _: "workflows {id}") + "}",
        "{" + many(9000, lambda _: "__typename") + "}",
        "{" + many(9000, lambda i: f"x{i}") + "}",
        "{...f0}" + many(1000, lambda i: f"fragment f{i} on Queries {{...f{i + 1}}}"),
        "{__schema {types {fields {type {fields {type {fields {type {name}}}}}}}}}",
    ],
)
def test_documents_that_would_take_long(run: Run, document: str) -> None:
    assert len(run.fails(document)) < 100_000


def test_answers_that_would_take_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resolvers, "MAX_STEPS", 20_000)
    assert "too much" in run.fails(TOWER)
    assert "too much" in run.fails(
        "query ($i: [ID]) {taskProxies(ids: $i) {id}}", {"i": ["1/*"] * 20_000}
    )
    assert run("{__typename}")


def test_what_is_named_is_found_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    store = DataStore()
    store.load(
        pb.PbEntireWorkflow(
            workflow=pb.PbWorkflow(id="~me/w", owner="me", name="w"),
            task_proxies=[
                pb.PbTaskProxy(id=f"~me/w//{number}/a", state="waiting") for number in range(1000)
            ],
        )
    )
    run = Run()
    run.scheduler = Holder(store)  # type: ignore[assignment]
    monkeypatch.setattr(_resolvers, "MAX_STEPS", 20)
    assert run.ids('{taskProxies(ids: ["7/a", "8/a"], states: ["waiting"]) {id}}') == ["7/a", "8/a"]
    assert run('{taskProxy(id: "~me/w//7/a") {id}}') == {"taskProxy": {"id": "~me/w//7/a"}}
    assert "too much" in run.fails('{taskProxies(ids: ["7/*"]) {id}}')


def test_too_many_values(run: Run) -> None:
    query = "query ($i: [ID]) {taskProxies(ids: $i) {id}}"
    assert "values" in run.fails(query, {"i": ["1/foo"] * 1_000_000})
    assert run.ids(query, i=["1/foo"] * 100_000) == ["1/foo"]


NAMES = st.sampled_from(
    ["workflows", "id", "taskProxies", "x", "ids", "jobs", "__typename", "null"]
)
WORDS = st.one_of(
    NAMES,
    st.sampled_from([*list("{}()[]:!$@=|&"), "...", "fragment", "on", "query", '"', '"1/*"', "1"]),
)


@given(
    st.one_of(st.text(), st.lists(WORDS, max_size=30).map(" ".join)),
    st.none() | st.dictionaries(st.text(), st.integers()),
)
def test_nothing_but_the_one_error_escapes(document: str, variables: Any) -> None:
    store = DataStore()
    with contextlib.suppress(RemoteProtocolError):
        json.dumps(_graphql.execute(SCHEMA, Holder(store), document, variables))


def test_the_schemas_of_all_releases_load() -> None:
    for path in (root() / "schemas" / "graphql").glob("8.*.graphql"):
        _graphql.load_schema(path.stem)
