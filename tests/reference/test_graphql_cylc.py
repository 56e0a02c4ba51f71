"""A real scheduler and the reference, asked the same about the same data store."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_leaf_type,
    parse,
    print_ast,
)

from tests.reference.test_graphql import Run
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import ClientError, WorkflowRuntimeClient, _graphql
from wri_reference._errors import RemoteProtocolError
from wri_reference._store import DataStore

pytestmark = pytest.mark.cylc

WAIT = 60.0
SCHEMA = _graphql.load_schema()
FLOW = """
[meta]
    title = A title
    custom = its value
[scheduling]
    cycling mode = integer
    initial cycle point = 1
    final cycle point = 4
    runahead limit = P1
    [[graph]]
        P1 = '''
            foo => bar & m1? & m2?
            foo[-P1] => foo
            bad:failed? => mend
            m1? & m2:extra? => never
            FAM:finish-all => end
            lost:submit-fail? => found
        '''
[runtime]
    [[root]]
        [[[environment]]]
            EVERYWHERE = yes
    [[FAM]]
    [[SUB]]
        inherit = FAM
    [[foo]]
        script = cylc message -- "a message" "WARNING:another"
        [[[meta]]]
            title = Foo
            URL = https://example.org/
            importance = high
        [[[environment]]]
            A = 1
            B = two words
    [[m1, m2]]
        inherit = SUB
    [[m1]]
        execution time limit = PT1M
        execution retry delays = 2*PT1H
        script = false
    [[m2]]
        [[[outputs]]]
            extra = the extra message
    [[bad]]
        script = false
    [[lost]]
        platform = nowhere
    [[mend, found, never, bar, end]]
"""
GLOBAL = """
[platforms]
    [[localhost]]
        cylc path = {path}
    [[nowhere]]
        hosts = localhost
        job runner = slurm
        cylc path = {path}
"""


COLLECT = """
import importlib, json, pkgutil
import cylc.flow.scripts, cylc.flow.tui

texts = {}
for package in (cylc.flow.scripts, cylc.flow.tui):
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, str) and value.lstrip().startswith(("query", "mutation")):
                texts[info.name + "." + name] = value
print(json.dumps(texts))
"""
SAMPLES: dict[str, Any] = {
    "[WorkflowID]!": ["w"],
    "[ID]!": ["*"],
    "[ID]": ["*"],
    "[NamespaceIDGlob]!": ["1/foo"],
    "CyclePoint!": "2",
    "String!": "a text",
    "LogLevels!": "DEBUG",
    "BroadcastMode!": "Set",
    "[BroadcastSetting]": [{"script": "true"}],
}


class Both(NamedTuple):
    """A scheduler that does nothing any more, and a store with the same content."""

    client: WorkflowRuntimeClient
    store: DataStore

    def cylc(self, document: str, variables: dict[str, Any] | None = None) -> Any:
        args = {"request_string": document, "variables": variables or {}}
        try:
            return self.client("graphql", args)
        except ClientError:
            return "refused"

    def reference(self, document: str, variables: dict[str, Any] | None = None) -> Any:
        try:
            return _graphql.execute(SCHEMA, self, document, variables)
        except RemoteProtocolError:
            return "refused"


@pytest.fixture(scope="module")
def both(cylc_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("PATH", f"{cylc_bin.parent}{os.pathsep}{os.environ['PATH']}")
        (home / ".cylc" / "flow").mkdir(parents=True)
        (home / ".cylc" / "flow" / "global.cylc").write_text(GLOBAL.format(path=cylc_bin.parent))
        (home / "cylc-run" / "w").mkdir(parents=True)
        (home / "cylc-run" / "w" / "flow.cylc").write_text(FLOW)
        scheduler = subprocess.Popen(
            [str(cylc_bin), "play", "--no-detach", "w"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _quiet(home / "cylc-run" / "w" / ".service" / "contact")
        finally:
            scheduler.send_signal(signal.SIGTERM)
            try:
                scheduler.wait(WAIT)
            finally:
                scheduler.kill()
                scheduler.wait(WAIT)


def _quiet(contact: Path) -> Both:
    """Wait until nothing moves, change a few things, and wait again."""
    _eventually(contact.exists)
    time.sleep(1)  # it writes the contact file in several steps
    client = WorkflowRuntimeClient("w", timeout=WAIT)
    _eventually(lambda: _states(client) >= {"failed", "succeeded", "submit-failed"})
    for mutation in (
        'hold(workflows: [], tasks: ["2/never", "2/foo"])',
        'broadcast(workflows: [], namespaces: ["SUB"], settings: [{script: "true"}])',
        "setGraphWindowExtent(workflows: [], nEdgeDistance: 2)",
        "pause(workflows: [])",
    ):
        client("graphql", {"request_string": f"mutation {{ {mutation} {{ result }} }}"})
    seen: list[float] = []
    while len(seen) < 4 or len(set(seen[-4:])) > 1:  # until it has been idle for some time
        time.sleep(2)
        snapshot = pb.PbEntireWorkflow.FromString(client("pb_entire_workflow"))
        busy = {"preparing", "submitted", "running"} & {one.state for one in snapshot.task_proxies}
        if busy or snapshot.workflow.status != "paused":
            seen.clear()
        seen.append(snapshot.workflow.last_updated)
    store = DataStore()
    store.load(snapshot)
    return Both(client, store)


def _states(client: WorkflowRuntimeClient) -> set[str]:
    found = client("graphql", {"request_string": "{taskProxies {state}}"})
    return {one["state"] for one in found["taskProxies"]}


def _eventually(condition: Any) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)


def _canonical(value: Any) -> Any:
    """Return a value in which the order of lists does not matter."""
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((_canonical(one) for one in value), key=json.dumps)
    return value


def _select(kind: Any, depth: int) -> str:
    """Return the selection of all fields of a type, those of the types below to a depth."""
    if isinstance(kind, GraphQLUnionType):
        return "".join(f"... on {one.name} {{{_select(one, 0)}}} " for one in kind.types)
    assert isinstance(kind, GraphQLObjectType)
    parts = ["__typename"]
    for name, field in kind.fields.items():
        # Cylc looks a relative id up among absolute ones: always null there.
        if (kind.name, name) == ("Condition", "taskProxy"):
            continue
        below = get_named_type(field.type)
        if is_leaf_type(below):
            parts.append(name)
        elif depth > 0 or "id" not in getattr(below, "fields", {"id": None}):
            parts.append(f"{name} {{{_select(below, depth - 1)}}}")
    return " ".join(parts)


LISTS = [
    name
    for name, field in (SCHEMA.query_type.fields if SCHEMA.query_type else {}).items()
    if not any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values())
]
SINGLE = {
    "job": "//1/foo/01",
    "task": "//$namespace|foo",
    "taskProxy": "//1/foo",
    "family": "//$namespace|FAM",
    "familyProxy": "//1/FAM",
}


def _field(name: str) -> GraphQLField:
    assert SCHEMA.query_type is not None
    field: GraphQLField = SCHEMA.query_type.fields[name]
    return field


@pytest.mark.parametrize("strip", ["", "(stripNull: true)"])
@pytest.mark.parametrize("name", LISTS)
def test_every_field(both: Both, name: str, strip: str) -> None:
    query = f"{{ {name}{strip} {{ {_select(get_named_type(_field(name).type), 1)} }} }}"
    if strip:  # Cylc never leaves out this one
        query = query.replace(" URL ", " ")
    expected = both.cylc(query)
    assert expected not in ({}, "refused")
    assert _canonical(both.reference(query)) == _canonical(expected)


@pytest.mark.parametrize(("name", "tail"), SINGLE.items())
def test_every_field_of_one(both: Both, name: str, tail: str) -> None:
    below = _select(get_named_type(_field(name).type), 1)
    query = f"query ($id: ID!) {{ {name}(id: $id) {{ {below} }} }}"
    for identifier in (both.store.workflow.id + tail, "1/foo", "~x/y//1/foo"):
        expected = both.cylc(query, {"id": identifier})
        assert _canonical(both.reference(query, {"id": identifier})) == _canonical(expected)


PROXIES = """
ids: ["1/*"]
ids: ["*"]
ids: ["//1/foo", "2/m?"]
ids: ["1/"]
ids: ["1"]
ids: ["*/foo", "1/foo"], exids: ["1/*"]
ids: ["foo"]
ids: ["01/foo"]
ids: ["1/FAM"]
ids: ["1/root"]
ids: ["*:failed"]
ids: ["*/*:failed"]
ids: ["*/[bm]*:waiting", "1/[!f]*"]
ids: ["*/*:fail*"]
ids: ["*/FOO"]
ids: [""]
ids: ["///"]
ids: ["~root/w//1/foo"]
exids: ["*/*:succeeded"]
states: ["failed", "submit-failed"]
states: ["nope"]
exstates: ["waiting"]
states: ["waiting"], exstates: ["waiting"]
isHeld: true
isHeld: false
isQueued: true
isQueued: false, isHeld: true
mindepth: 2
maxdepth: 1
mindepth: 1, maxdepth: 2
graphDepth: 0
graphDepth: 1
sort: {keys: ["name", "cyclePoint"]}
sort: {keys: ["name", "cycle_point"], reverse: true}
sort: {}
sort: {keys: []}
sort: {keys: ["nope"]}
stripNull: false
""".strip().splitlines()


@pytest.mark.parametrize("arguments", PROXIES)
@pytest.mark.parametrize("name", ["taskProxies", "familyProxies"])
def test_arguments(both: Both, name: str, arguments: str) -> None:
    for query in (
        f"{{ {name}({arguments}) {{ id state isHeld }} }}",
        f"{{ workflows {{ {name}({arguments}) {{ id state isHeld }} }} }}",
    ):
        found, expected = both.reference(query), both.cylc(query)
        if "sort" in arguments:
            assert found == expected
        assert _canonical(found) == _canonical(expected)


@pytest.mark.parametrize(
    "query",
    """
{workflows(ids: ["w"]) {id}}
{workflows(ids: ["~*/w", "x"]) {id}}
{workflows(ids: ["w:paused"]) {id}}
{workflows(ids: ["w:p*"]) {id}}
{workflows(ids: ["w//1/foo"]) {id}}
{workflows(exids: ["*"]) {id}}
{workflows(ids: ["///"]) {id}}
{taskProxies(workflows: ["x"]) {id}}
{taskProxies(workflows: ["?"], exworkflows: ["x"]) {id}}
{taskProxies(exworkflows: ["w"]) {id}}
{edges(workflows: ["x"]) {id}}
{edges(sort: {keys: ["id"]}) {id source target}}
{jobs(ids: ["1/foo/01"]) {id}}
{jobs(ids: ["*/bad/*:failed", "1/foo/1"]) {id}}
{jobs(ids: ["1"], exids: ["*/foo"], states: ["failed", "succeeded"]) {id state}}
{jobs(exstates: ["failed"], sort: {keys: ["submittedTime", "id"]}) {id}}
{tasks(ids: ["m?", "foo"], exids: ["m1"]) {id}}
{tasks(ids: ["1/foo"]) {id}}
{tasks(mindepth: 2) {id}}
{families(ids: ["*"], maxdepth: 1) {id}}
{workflows {tasks(mindepth: 2) {id} families(maxdepth: 1) {id} jobs(ids: ["1/*"]) {id}}}
{workflows {latestStateTasks(states: ["waiting", "nope"]) stateTotals}}
{workflows {edges(ids: ["x"]) {edges(ids: ["x"]) {id}}}}
{workflows {nodesEdges(ids: ["//1/foo"]) {nodes {id} edges {id}}}}
{nodesEdges(ids: ["//1/foo"], distance: 0) {nodes {id} edges {id}}}
{nodesEdges(ids: ["//1/foo"], distance: -1) {nodes {id} edges {id}}}
{nodesEdges(ids: ["//1/foo", "*//*/bad"], distance: 2) {nodes {id} edges {id}}}
{nodesEdges(ids: ["//1/bad"], distance: 99, sort: {}) {nodes {id} edges {id}}}
{nodesEdges(states: ["failed"], exids: ["//1/*"]) {nodes {id} edges {id}}}
{taskProxies {id outputs(satisfied: true, sort: {keys: ["message"]}) {label message}}}
{taskProxies {id outputs(sortOrder: ["started"], limit: 1) {label}}}
{taskProxies {id outputs(limit: 3) {label} xtriggers(satisfied: false) {label}}}
{taskProxies {id outputs(sort: {}) {label}}}
{workflows {id pruned taskProxies(stripNull: true) {id xtriggers {id} runtime {directives {key}}}}}
{workflows(stripNull: true) {meta {title URL} taskProxies(stripNull: false) {id jobs {id}}}}
{taskProxy(id: "~x/w//1/foo", stripNull: true) {id}}
query a($s: [String]) {b: taskProxies(states: $s) {...f} __typename} fragment f on TaskProxy {id}
{workflows @skip(if: true) {id} a: workflows @include(if: true) {id}}
{nope}
{workflows}
query a {__typename} query b {__typename}
""".strip().splitlines(),
)
def test_queries(both: Both, query: str) -> None:
    variables = {"s": ["failed"], "unknown": 1}
    found, expected = both.reference(query, variables), both.cylc(query, variables)
    assert _canonical(found) == _canonical(expected)
    if "sort" in query:
        assert found == expected


def test_what_the_command_line_of_cylc_sends(cylc_bin: Path) -> None:
    found = subprocess.run(
        [str(cylc_bin.parent / "python"), "-c", COLLECT],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    texts = json.loads(found.stdout)
    assert len(texts) > 20
    for name, text in texts.items():
        if text.count("{") != text.count("}"):  # a part of one
            continue
        run = Run()
        (operation,) = parse(text).definitions
        assert isinstance(operation, OperationDefinitionNode)
        samples = {
            variable.variable.name.value: SAMPLES[print_ast(variable.type)]
            for variable in operation.variable_definitions or ()
            if print_ast(variable.type) in SAMPLES
        }
        answer = run(text, **samples)
        assert answer, name
        if operation.operation is OperationType.MUTATION:
            ((result,),) = (field["result"] for field in answer.values())
            assert result["response"][0], (name, result)
