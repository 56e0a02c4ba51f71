"""Every operation that `wri interop` tries; those that disturb others come last. Pure."""

import fnmatch
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from wri_conformance.interop import reading_checks as checks
from wri_conformance.interop.operations import (
    ANY_FLOW,
    Command,
    Follow,
    Mutation,
    Operation,
    Request,
    Setup,
)
from wri_conformance.interop.state import Expectation
from wri_conformance.interop.workflows import Task, Workflow

STAGES: Final = ("read", "write", "alone", "last", "fresh", "listen", "live", "stop", "run")

SHARED: Final = frozenset(STAGES[:4])
"""The stages that act on one workflow."""

SETTING: Final = "environment/WRI"

_TYPES: Final = {
    "workflow": ("WDeltas", "workflow"),
    "tasks": ("TDeltas", "tasks"),
    "task_proxies": ("TPDeltas", "task_proxies"),
    "families": ("FDeltas", "families"),
    "family_proxies": ("FPDeltas", "family_proxies"),
    "jobs": ("JDeltas", "jobs"),
    "edges": ("EDeltas", "edges"),
}

_SHARED: Final = (
    Task("gate"),
    Task("busy", "running", output="x", title="A busy task"),
    Task("cyc", cycles=True),
)


def _graphql(id_: str, root: str, source: str, query: str) -> Operation:
    check = checks.nodes_and_edges if root == "nodesEdges" else checks.elements(root, source)
    return Operation(
        f"graphql/{id_}",
        f"the query {root}",
        "the answer is what the scheduler has",
        Request("graphql", {"request_string": query, "variables": {}}),
        "read",
        check=check,
    )


def _reads_of_api() -> Iterable[Operation]:
    yield Operation(
        "api/api",
        "the endpoint api",
        "it lists the endpoints",
        Request("api"),
        "read",
        check=checks.endpoints,
    )
    yield Operation(
        "api/api/endpoint",
        "the endpoint api, about one endpoint",
        "it describes the endpoint",
        Request("api", {"endpoint": "graphql"}),
        "read",
        check=checks.described,
    )
    yield Operation(
        "api/pb_entire_workflow",
        "the snapshot of everything",
        "the client's own messages find in it what the scheduler has",
        Request("pb_entire_workflow", message="PbEntireWorkflow"),
        "read",
        check=checks.snapshot,
    )
    for name, (message, source) in _TYPES.items():
        yield Operation(
            f"api/pb_data_elements/{name}",
            f"the elements of the type {name}",
            "the client's own messages find in them what the scheduler has",
            Request("pb_data_elements", {"element_type": name}, message=message),
            "read",
            check=checks.element_type(name, message, source),
        )
    plural = "{ id name }"
    for root, source, query in (
        ("workflows", "workflow", "{ workflows { id name status host port owner cylcVersion } }"),
        ("job", "jobs", '{ job(id: "{id}//1/busy/01") { id state } }'),
        ("jobs", "jobs", "{ jobs { id state } }"),
        ("task", "tasks", '{ task(id: "{id}//$namespace|busy") { id name } }'),
        ("tasks", "tasks", f"{{ tasks {plural} }}"),
        ("taskProxy", "task_proxies", '{ taskProxy(id: "{id}//1/busy") { id state isHeld } }'),
        ("taskProxies", "task_proxies", "{ taskProxies { id state isHeld } }"),
        ("family", "families", '{ family(id: "{id}//$namespace|root") { id name } }'),
        ("families", "families", f"{{ families {plural} }}"),
        ("familyProxy", "family_proxies", '{ familyProxy(id: "{id}//1/root") { id state } }'),
        ("familyProxies", "family_proxies", "{ familyProxies { id state } }"),
        ("edges", "edges", "{ edges { id } }"),
        ("nodesEdges", "edges", "{ nodesEdges { nodes { id } edges { id } } }"),
    ):
        yield _graphql(root, root, source, query)


def _read(
    id_: str,
    arguments: str,
    effect: str,
    check: Any,
    since: int = 0,
    until: int = 99,
    stdin: str = "",
    **more: Any,
) -> Operation:
    words = tuple(arguments.split(" "))
    return Operation(
        f"cli/{id_}",
        "cylc " + arguments.replace("{w}", "WORKFLOW"),
        effect,
        Command(words, stdin=stdin),
        "read",
        check=check,
        since=since,
        until=until,
        **more,
    )


def _reads_of_command_line() -> Iterable[Operation]:
    yield _read("client/api", "client -n {w} api", "it prints the endpoints", checks.endpoints)
    yield _read(
        "client/graphql",
        "client {w} graphql",
        "it prints the answer",
        checks.proxies_json,
        stdin='{"request_string": "{ taskProxies { id state } }", "variables": {}}',
    )
    yield _read(
        "client/pb_entire_workflow",
        "client -n {w} pb_entire_workflow",
        "it prints the snapshot",
        checks.snapshot_json,
    )
    yield _read(
        "dump/tasks", "dump --tasks {w}", "it prints every active task", checks.tasks_with_states
    )
    yield _read(
        "dump/flows",
        "dump --tasks --flows {w}",
        "it prints every active task",
        checks.tasks_with_states,
    )
    yield _read(
        "dump/raw", "dump --raw {w}", "it prints the data", checks.mentions("1/busy", "running")
    )
    for id_, options in (("dump", ""), ("dump/global", "--global ")):
        yield _read(
            id_,
            f"dump {options}{{w}}",
            "it prints the workflow's data",
            checks.mentions("status=running", "busy"),
        )
    yield _read("ping/workflow", "ping {w}", "it ends with status 0", checks.mentions())
    yield _read(
        "ping/task",
        "ping {w}//1/busy",
        "it ends with status 0, since the task is running",
        checks.mentions(),
        until=4,
    )
    yield _read(
        "get-workflow-version",
        "get-workflow-version {w}",
        "it prints the version of the scheduler",
        checks.mentions("{version}"),
    )
    yield _read(
        "get-workflow-contact",
        "get-workflow-contact {w}",
        "it prints the contact file",
        checks.mentions("CYLC_WORKFLOW_PORT"),
    )
    yield _read("scan", "scan", "it prints the workflow", checks.mentions("{w}"))
    yield _read("scan/ping", "scan --ping", "it prints the workflow", checks.mentions("{w}"))
    yield _read(
        "scan/rich",
        "scan --format=rich --color=never",
        "it prints the workflow with its tasks' states",
        checks.mentions("{w}", "running"),
    )
    yield _read("show/workflow", "show {w}", "it prints the workflow's title", checks.title)
    yield _read(
        "show/task",
        "show {w}//1/busy",
        "it prints the task's outputs",
        checks.mentions("succeeded", "started", "submit-failed"),
    )
    yield _read(
        "show/waiting",
        "show {w}//1/trigger_c",
        "it prints the task's prerequisites",
        checks.mentions("1/gate succeeded"),
    )
    yield _read(
        "show/list-prereqs",
        "show --list-prereqs {w}//1/trigger_c",
        "it prints the task's prerequisites",
        checks.mentions("1/gate succeeded"),
    )
    yield _read(
        "show/task-def",
        "show --task-def=busy {w}",
        "it prints the title of the task",
        checks.mentions("A busy task"),
    )
    yield _read(
        "show/json",
        "show --json {w}//1/busy",
        "it prints the task's outputs as JSON",
        checks.show_json("1/busy", "succeeded"),
    )
    for id_, arguments, since, until in (
        ("workflow-state/options", "{w} --task=busy --point=1 --status=running", 0, 2),
        ("workflow-state", "{w}//1/busy:started --triggers", 3, 99),
    ):
        yield _read(
            id_,
            f"workflow-state {arguments} --max-polls=1 --interval=1",
            "it finds the state in the scheduler's database",
            checks.mentions(),
            since=since,
            until=until,
            needs=("parameter *",),
        )
    yield _read(
        "cat-log",
        "cat-log {w}",
        "it prints the scheduler's log",
        checks.mentions("INFO"),
        needs=("log *",),
    )
    yield _read(
        "broadcast/display",
        "broadcast --display {w}",
        "it prints the broadcast settings",
        checks.mentions("WRI", "displayed"),
        before=(_broadcast("cyc", "displayed", point="3"),),
        ready=Expectation({f"broadcast 3/cyc {SETTING}": "displayed"}),
    )


def _broadcast(namespace: str, value: str, point: str = "1") -> Setup:
    return (
        "broadcast",
        {
            "mode": "=Set",
            "cyclePoints": [point],
            "namespaces": [namespace],
            "settings": [{"environment": {"WRI": value}}],
        },
    )


def _write(
    id_: str,
    title: str,
    effect: str,
    act: Command | Mutation,
    tasks: tuple[Task, ...],
    facts: Mapping[str, str],
    **more: Any,
) -> Operation:
    own = tuple(f"*/{task.name} *" for task in tasks) + tuple(
        f"*/{task.name}/* *" for task in tasks
    )
    children = tuple(f"*/{task.name}_child *" for task in tasks if task.child)
    own += children
    may = more.pop("may", own)
    return Operation(
        id_, title, effect, act, more.pop("stage", "write"), tasks, Expectation(facts, may), **more
    )


def _command(arguments: str, **more: Any) -> Command:
    words = (word.replace("%20", " ") for word in arguments.split(" "))
    return Command(tuple(words), **more)


def _ran(name: str, flows: str = "[1]") -> dict[str, str]:
    return {
        f"1/{name} state": "running",
        f"1/{name} flows": flows,
        f"1/{name}/01 job": "running",
    }


def _ids(*names: str) -> dict[str, Any]:
    return {"tasks": [f"1/{name}" for name in names]}


def _may_run(*names: str) -> tuple[str, ...]:
    """Return patterns of what changes when tasks run."""
    return tuple(
        pattern
        for name in names
        for pattern in (
            f"1/{name} output submitted",
            f"1/{name} output started",
            f"1/{name} prerequisite *",
            f"1/{name} submissions",
            f"1/{name} pool",
            f"1/{name} queued",
            f"1/{name} event",
        )
    )


def _pairs() -> Iterable[Operation]:  # noqa: PLR0915 - a table
    """Yield what both the command line and GraphQL do, each on tasks of its own."""
    for suffix, surface in (("c", "cli"), ("g", "graphql/mutation")):

        def act(command: str, name: str, given: Mapping[str, Any], surface: str = surface) -> Any:
            return _command(command) if surface == "cli" else Mutation(name, given)

        def title(command: str, name: str, surface: str = surface) -> str:
            if surface == "cli":
                return "cylc " + command.replace("{w}", "WORKFLOW").replace("%20", " ")
            return f"the mutation {name}"

        def one(
            id_: str,
            command: str,
            name: str,
            given: Mapping[str, Any],
            effect: str,
            tasks: tuple[Task, ...],
            facts: Mapping[str, str],
            graphql_id: str = "",
            suffix: str = suffix,
            surface: str = surface,
            **more: Any,
        ) -> Operation:
            place = id_ if surface == "cli" else graphql_id or name
            command = command.replace("{s}", suffix)
            return _write(
                f"{surface}/{place}",
                title(command, name),
                effect,
                act(command, name, given),
                tasks,
                facts,
                **more,
            )

        n = f"hold_{suffix}"
        yield one(
            "hold/task",
            f"hold {{w}}//1/{n}",
            "hold",
            _ids(n),
            "the task is held, no other",
            (Task(n),),
            {f"1/{n} held": "true"},
            may=(),
        )
        n = f"release_{suffix}"
        yield one(
            "release/task",
            f"release {{w}}//1/{n}",
            "release",
            _ids(n),
            "the task is released, no other",
            (Task(n),),
            {f"1/{n} held": "false"},
            may=(),
            before=(("hold", _ids(n)),),
            ready=Expectation({f"1/{n} held": "true"}),
        )
        n = f"remove_{suffix}"
        yield one(
            "remove",
            f"remove {{w}}//1/{n}",
            "remove",
            _ids(n),
            "the task is active no more",
            (Task(n),),
            {f"1/{n} pool": "", f"1/{n} flows": "|[]"},
        )
        n = f"trigger_{suffix}"
        yield one(
            "trigger/future",
            f"trigger {{w}}//1/{n}",
            "trigger",
            _ids(n),
            "the task runs in the flow that there is, without what it waits for",
            (Task(n, "gated"),),
            _ran(n),
            may=_may_run(n),
        )
        n = f"trigger_active_{suffix}"
        yield one(
            "trigger/active",
            f"trigger {{w}}//1/{n}",
            "trigger",
            _ids(n),
            "the task, which is active, runs in its flow",
            (Task(n),),
            _ran(n),
            graphql_id="trigger/active",
            may=_may_run(n),
        )
        for which, flows in (("none", "[]"), ("new", ANY_FLOW), ("all", "[1]")):
            n = f"trigger_{which}_{suffix}"
            yield one(
                f"trigger/flow-{which}",
                f"trigger --flow={which} {{w}}//1/{n}",
                "trigger",
                {**_ids(n), "flow": [which]},
                {
                    "none": "the task runs in no flow",
                    "new": "the task runs in a new flow",
                    "all": "the task runs in all active flows",
                }[which],
                (Task(n, "gated"),),
                _ran(n, flows),
                graphql_id=f"trigger/flow-{which}",
                may=_may_run(n),
                stage="last" if which == "new" else "write",
            )
        n = f"setout_{suffix}"
        yield one(
            "set-outputs",
            f"set-outputs {{w}}//1/{n}",
            "setOutputs",
            _ids(n),
            "what comes after the task has its prerequisite",
            (Task(n, child=True),),
            {f"1/{n}_child prerequisite 1": "true"},
            until=2,
        )
        n = f"set_{suffix}"
        yield one(
            "set/default",
            f"set {{w}}//1/{n}",
            "set",
            _ids(n),
            "the task has succeeded, and what comes after it has its prerequisite",
            (Task(n, child=True),),
            {f"1/{n} output succeeded": "true", f"1/{n}_child prerequisite 1": "true"},
            since=3,
        )
        n = f"set_out_{suffix}"
        yield one(
            "set/out",
            f"set --out=x {{w}}//1/{n}",
            "set",
            {**_ids(n), "outputs": ["x"]},
            "the task has this output, and goes on running",
            (Task(n, "running", output="x"),),
            {f"1/{n} output x": "true", f"1/{n} state": "running"},
            graphql_id="set/out",
            may=(),
            since=3,
        )
        n = f"set_pre_{suffix}"
        yield one(
            "set/pre",
            f"set --pre=1/gate {{w}}//1/{n}",
            "set",
            {**_ids(n), "prerequisites": ["1/gate"]},
            "the task has this prerequisite, and runs",
            (Task(n, "gated"),),
            _ran(n),
            graphql_id="set/pre",
            may=_may_run(n),
            since=3,
        )
        n = f"kill_{suffix}"
        yield one(
            "kill",
            f"kill {{w}}//1/{n}",
            "kill",
            _ids(n),
            "the running task has failed",
            (Task(n, "running"),),
            {f"1/{n} state": "failed"},
            may=(f"1/{n} output failed", f"1/{n} pool", f"1/{n} held", f"1/{n}/01 job"),
        )
        n = f"message_{suffix}"
        yield one(
            "message",
            f"message -- {{w}} 1/{n}/01 message%20x",
            "message",
            {
                "taskJob": f"1/{n}/01",
                "messages": [["INFO", "message x"]],
                "eventTime": "2030-01-01T00:00:00Z",
            },
            "the task has the output that the message stands for",
            (Task(n, "running", output="x"),),
            {f"1/{n} output x": "true"},
            may=(),
        )
        n = f"event_{suffix}"
        yield one(
            "ext-trigger",
            f"ext-trigger {{w}} event%20{n} id{suffix}",
            "extTrigger",
            {"message": f"event {n}", "id": f"id{suffix}"},
            "the task that waits for the event runs",
            (Task(n),),
            _ran(n),
            may=(
                *_may_run(n),
                f"broadcast 1/{n} *",
                "broadcast 1/* environment/CYLC_EXT_TRIGGER_ID",
            ),
        )
        n = f"setting_{suffix}"
        yield one(
            "broadcast/set",
            f"broadcast --point=1 --namespace={n} --set=[environment]WRI=new {{w}}",
            "broadcast",
            {
                "mode": "Set",
                "cyclePoints": ["1"],
                "namespaces": [n],
                "settings": [{"environment": {"WRI": "new"}}],
            },
            "the setting is there",
            (Task(n),),
            {f"broadcast 1/{n} {SETTING}": "new"},
            graphql_id="broadcast/set",
            may=(),
        )
        n = f"clearing_{suffix}"
        yield one(
            "broadcast/clear",
            f"broadcast --point=1 --namespace={n} --clear {{w}}",
            "broadcast",
            {"mode": "Clear", "cyclePoints": ["1"], "namespaces": [n]},
            "the settings of this task are gone, no others",
            (Task(n),),
            {f"broadcast 1/{n} {SETTING}": ""},
            graphql_id="broadcast/clear",
            may=(),
            before=(_broadcast(n, "old"),),
            ready=Expectation({f"broadcast 1/{n} {SETTING}": "old"}),
        )
        n = f"expiring_{suffix}"
        yield one(
            "broadcast/expire",
            "broadcast --expire=2 {w}",
            "broadcast",
            {"mode": "Expire", "cutoff": "2"},
            "the settings of cycle point 1 are gone, those of 2 not",
            (Task(n),),
            {f"broadcast 1/{n} {SETTING}": "", f"broadcast 2/{n} {SETTING}": "old"},
            graphql_id="broadcast/expire",
            may=("broadcast 1/*",),
            before=(_broadcast(n, "old"), _broadcast(n, "old", "2")),
            ready=Expectation(
                {f"broadcast 1/{n} {SETTING}": "old", f"broadcast 2/{n} {SETTING}": "old"}
            ),
            stage="alone",
        )

    n = "hold_many_c"
    yield _write(
        "cli/hold/glob",
        "cylc hold WORKFLOW//1/hold_many_c*",
        "the tasks that match are held, no others",
        _command("hold {w}//1/hold_many_c*"),
        (Task(f"{n}1"), Task(f"{n}2")),
        {f"1/{n}1 held": "true", f"1/{n}2 held": "true"},
        may=(),
    )
    n = "cancel_c"
    yield _write(
        "cli/broadcast/cancel",
        "cylc broadcast --point=1 --namespace=TASK --cancel=[environment]WRI WORKFLOW",
        "the setting is gone",
        _command(f"broadcast --point=1 --namespace={n} --cancel=[environment]WRI {{w}}"),
        (Task(n),),
        {f"broadcast 1/{n} {SETTING}": ""},
        may=(),
        before=(_broadcast(n, "old"),),
        ready=Expectation({f"broadcast 1/{n} {SETTING}": "old"}),
    )
    n = "remove_flow_c"
    yield _write(
        "cli/remove/flow",
        "cylc remove --flow=1 WORKFLOW//CYCLE/TASK",
        "the task is active no more in this flow",
        _command(f"remove --flow=1 {{w}}//1/{n}"),
        (Task(n),),
        {f"1/{n} pool": "", f"1/{n} flows": "|[]"},
        since=4,
    )
    n = "remove_nospawn_c"
    yield _write(
        "cli/remove/no-spawn",
        "cylc remove --no-spawn WORKFLOW//CYCLE/TASK",
        "the task is active no more",
        _command(f"remove --no-spawn {{w}}//1/{n}"),
        (Task(n),),
        {f"1/{n} pool": "", f"1/{n} flows": "|[]"},
        since=7,
    )
    n = "trigger_wait_c"
    yield _write(
        "cli/trigger/wait",
        "cylc trigger --wait WORKFLOW//CYCLE/TASK",
        "the task runs in the flow that there is",
        _command(f"trigger --wait {{w}}//1/{n}"),
        (Task(n, "gated"),),
        _ran(n),
        may=_may_run(n),
    )
    n = "set_all_c"
    yield _write(
        "cli/set/pre-all",
        "cylc set --pre=all WORKFLOW//CYCLE/TASK",
        "the task has all its prerequisites, and runs",
        _command(f"set --pre=all {{w}}//1/{n}"),
        (Task(n, "gated"),),
        _ran(n),
        may=_may_run(n),
        since=3,
    )
    n = "set_new_c"
    yield _write(
        "cli/set/flow-new",
        "cylc set --flow=new WORKFLOW//CYCLE/TASK",
        "what comes after the task has its prerequisite, in a new flow",
        _command(f"set --flow=new {{w}}//1/{n}"),
        (Task(n, "gated", child=True),),
        {f"1/{n}_child prerequisite 1": "true", f"1/{n}_child flows": ANY_FLOW},
        since=3,
        stage="last",
    )
    n = "set_none_c"
    yield _write(
        "cli/set/flow-none",
        "cylc set --flow=none WORKFLOW//CYCLE/TASK",
        "the task has succeeded; it belongs to no flow, so nothing comes after it",
        _command(f"set --flow=none {{w}}//1/{n}"),
        (Task(n, "gated"),),
        {f"1/{n} output succeeded": "true"},
        since=3,
    )
    n = "setout_one_c"
    yield _write(
        "cli/set-outputs/output",
        "cylc set-outputs --output=succeeded WORKFLOW//CYCLE/TASK",
        "what comes after the task has its prerequisite",
        _command(f"set-outputs --output=succeeded {{w}}//1/{n}"),
        (Task(n, child=True),),
        {f"1/{n}_child prerequisite 1": "true"},
        until=2,
    )


_STOPS: Final = ("parameter stop*", "stops at *")
"""One that keeps no database shows only the nearest of them."""

_POINT: Final = {"2/cyc held": "true", "3/cyc held": "true"}
_NO_POINT: Final = {"2/cyc held": "false", "3/cyc held": "false"}
_HELD_LATER: Final = ("2/* held", "3/* held", "parameter holdcp")


def _alone() -> Iterable[Operation]:
    hold_point: tuple[Setup, ...] = (("setHoldPoint", {"point": "1"}),)
    for surface in ("cli", "graphql/mutation"):
        cli = surface == "cli"
        yield Operation(
            f"{surface}/{'hold/after' if cli else 'setHoldPoint'}",
            "cylc hold --after=1 WORKFLOW" if cli else "the mutation setHoldPoint",
            "tasks after this cycle point are held",
            _command("hold --after=1 {w}") if cli else Mutation("setHoldPoint", {"point": "1"}),
            "alone",
            expect=Expectation(_POINT, _HELD_LATER),
            after=(("releaseHoldPoint", {}),),
        )
        yield Operation(
            f"{surface}/{'release/all' if cli else 'releaseHoldPoint'}",
            "cylc release --all WORKFLOW" if cli else "the mutation releaseHoldPoint",
            "no task is held any more, nor is there a point to hold after",
            _command("release --all {w}") if cli else Mutation("releaseHoldPoint"),
            "alone",
            expect=Expectation(_NO_POINT, ("* held", "parameter holdcp")),
            before=hold_point,
            ready=Expectation(_POINT),
            after=(("releaseHoldPoint", {}),),
        )
    yield Operation(
        "graphql/mutation/setGraphWindowExtent",
        "the mutation setGraphWindowExtent",
        "the window has another extent",
        Mutation("setGraphWindowExtent", {"nEdgeDistance": 2}),
        "fresh",
        (
            Task("gate"),
            Task("far", "gated", child=True),
            Task("farther", "after", after="far_child"),
        ),
        Expectation({"1/farther state": "waiting"}, ("workflow window", "*/*")),
        midway=Expectation({"workflow status": "running"}),
        then=(("trigger", _ids("far")),),  # old ones look at the extent when tasks move
    )
    yield Operation(
        "cli/stop/cycle",
        "cylc stop WORKFLOW//2",
        "the workflow will stop after this cycle point",
        _command("stop {w}//2"),
        "alone",
        expect=Expectation({"stops at cycle": "2"}, _STOPS),
        needs=("stops at cycle",),
    )
    yield Operation(
        "cli/stop/task",
        "cylc stop WORKFLOW//CYCLE/TASK",
        "the workflow will stop after this task",
        _command("stop {w}//1/gate"),
        "alone",
        expect=Expectation({"stops at task": "1/gate"}, _STOPS),
        needs=("stops at task",),
    )
    yield Operation(
        "cli/stop/wall-clock",
        "cylc stop --wall-clock=TIME WORKFLOW",
        "the workflow will stop at this time",
        _command("stop --wall-clock={clock} {w}"),
        "alone",
        expect=Expectation({"stops at time": "4102444800|2100-01-01T00:00:00Z"}, _STOPS),
        needs=("stops at time",),
    )
    debug = Mutation("setVerbosity", {"level": "DEBUG"})
    for id_, act, title, since, until in (
        (
            "cli/set-verbosity",
            _command("set-verbosity DEBUG {w}"),
            "cylc set-verbosity DEBUG WORKFLOW",
            0,
            2,
        ),
        ("cli/verbosity", _command("verbosity DEBUG {w}"), "cylc verbosity DEBUG WORKFLOW", 3, 99),
        ("graphql/mutation/setVerbosity", debug, "the mutation setVerbosity", 0, 99),
    ):
        yield Operation(
            id_,
            title,
            "the scheduler writes DEBUG messages into its log",
            act,
            "fresh",
            (Task("gate"),),
            Expectation({"log debug": "true"}, ("1/gate held",)),
            midway=Expectation({"workflow status": "running"}),
            then=(("hold", _ids("gate")), ("release", _ids("gate"))),
            since=since,
            until=until,
            needs=("log debug",),
        )
    for id_, act, title, since, source in (
        ("cli/reload", _command("reload {w}"), "cylc reload WORKFLOW", 0, False),
        (
            "cli/reload/global",
            _command("reload --global {w}"),
            "cylc reload --global WORKFLOW",
            5,
            False,
        ),
        ("graphql/mutation/reload", Mutation("reload"), "the mutation reload", 0, False),
        (
            "cli/validate-reinstall",
            _command(
                "validate-reinstall --yes {w}",
                seconds=60,
                older=((1, ("validate-reinstall", "{w}")),),
            ),
            "cylc validate-reinstall WORKFLOW",
            1,
            True,
        ),
    ):
        new = "new_" + id_.split("/", 1)[1].replace("/", "_").replace("-", "_")
        yield Operation(
            id_,
            title,
            "the scheduler knows the task that was added to the definition",
            act,
            "fresh",
            (Task("gate"), Task("other")),
            Expectation(
                {f"definition {new}": "there", "workflow status": "running"},
                (f"*/{new} *", f"*/{new}/* *", "parameter *"),
            ),
            edit=(new,),
            since=since,
            source=source,
        )
    for surface in ("cli", "graphql/mutation"):
        cli = surface == "cli"
        yield Operation(
            f"{surface}/pause",
            "cylc pause WORKFLOW" if cli else "the mutation pause",
            "the workflow is paused",
            _command("pause {w}") if cli else Mutation("pause"),
            "alone",
            expect=Expectation({"workflow status": "paused"}, ("parameter is_paused",)),
            after=(("resume", {}),),
        )
        yield Operation(
            f"{surface}/{'play' if cli else 'resume'}",
            "cylc play WORKFLOW, which is paused" if cli else "the mutation resume",
            "the workflow runs again",
            _command("play {w}") if cli else Mutation("resume"),
            "alone",
            expect=Expectation({"workflow status": "running"}, ("parameter is_paused",)),
            before=(("pause", {}),),
            ready=Expectation({"workflow status": "paused"}),
            after=(("resume", {}),),
        )
    for id_, option, since, until, now in (
        ("cli/trigger/paused", "", 0, 3, False),
        ("cli/trigger/paused-now", "", 4, 99, True),
        ("cli/trigger/on-resume", "--on-resume ", 4, 5, False),
    ):
        n = id_.split("/")[2].replace("-", "_")
        waits = Expectation({f"1/{n} state": "waiting", "workflow status": "paused"})
        yield Operation(
            id_,
            f"cylc trigger {option}WORKFLOW//CYCLE/TASK, of a paused workflow",
            "the task runs although the workflow is paused"
            if now
            else "the task runs as soon as the workflow is resumed",
            _command(f"trigger {option}{{w}}//1/{n}"),
            "alone",
            (Task(n, "gated"),),
            Expectation(_ran(n), (*_may_run(n), "workflow status", "parameter is_paused")),
            before=(("pause", {}),),
            ready=Expectation({"workflow status": "paused"}),
            midway=None if now else waits,
            then=() if now else (("resume", {}),),
            after=(("resume", {}),),
            since=since,
            until=until,
        )


def _stops() -> Iterable[Operation]:
    end = {"workflow status": "ended", "workflow contact": ""}
    for id_, arguments, reason, effect in (
        ("stop", "stop {w}", "REQUEST(CLEAN)", "the scheduler ends when no task is active"),
        (
            "stop/now",
            "stop --now {w}",
            "REQUEST(NOW)",
            "the scheduler ends and leaves running jobs alone",
        ),
        ("stop/now-now", "stop --now --now {w}", "REQUEST(NOW-NOW)", "the scheduler ends at once"),
        (
            "stop/kill",
            "stop --kill {w}",
            "REQUEST(KILL)|REQUEST(CLEAN)",
            "the scheduler kills running jobs and ends",
        ),
        (
            "stop/flow",
            "stop --flow=1 {w}",
            "AUTOMATIC",
            "the flow goes on no more, and the scheduler ends",
        ),
    ):
        task = Task("held", "waiting" if id_ in {"stop", "stop/flow"} else "running")
        yield Operation(
            f"cli/{id_}",
            "cylc " + arguments.replace("{w}", "WORKFLOW"),
            effect,
            _command(arguments),
            "stop",
            (task,),
            Expectation({**end, "workflow shutdown": reason}, ("*",)),
        )
    yield Operation(
        "graphql/mutation/stop",
        "the mutation stop",
        "the scheduler ends when no task is active",
        Mutation("stop", {"mode": "Clean"}),
        "stop",
        (Task("held"),),
        Expectation({**end, "workflow shutdown": "REQUEST(CLEAN)"}, ("*",)),
    )


def _jobs() -> Iterable[Operation]:
    """Yield what needs a job that runs unnoticed until somebody looks for it."""
    for surface in ("cli", "graphql/mutation"):
        yield Operation(
            f"{surface}/poll",
            "cylc poll WORKFLOW//CYCLE/TASK" if surface == "cli" else "the mutation poll",
            "the scheduler finds out that the job runs",
            _command("poll {w}//1/polled")
            if surface == "cli"
            else Mutation("poll", _ids("polled")),
            "live",
            (Task("polled", "job"),),
            Expectation(
                {"1/polled state": "running", "1/polled/01 job": "running"}, ("1/polled *",)
            ),
            ready=Expectation({"1/polled state": "submitted", "1/polled/01 job": "submitted"}),
        )


def _streams() -> Iterable[Operation]:
    yield Operation(
        "cli/subscribe",
        "cylc subscribe --topics=task_proxies --once WORKFLOW",
        "it prints what is published",
        _command("subscribe --topics=task_proxies --once {w}"),
        "listen",
        (Task("held"),),
        check=checks.mentions("1/held"),
        during=(("hold", _ids("held")),),
    )
    yield Operation(
        "cli/tui",
        "cylc tui WORKFLOW",
        "it shows the workflow and its tasks",
        Command(("tui", "{w}"), terminal=True),
        "listen",
        (Task("held"), Task("waits"), Task("busy", "running")),
        check=checks.tasks_on_screen,
    )
    yield Operation(
        "stream/subscription",
        "a subscription to all, from the start of a run to the end",
        "deltas and the end arrive; a store that is kept from them, if the release has the code "
        "for it, has every checksum and in the end the states that the scheduler has",
        Follow(),
        "run",
        (Task("first", "quick"), Task("second", "quick", after="first"), Task("held")),
    )


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation there is."""
    return tuple(
        sorted(
            (
                *_reads_of_api(),
                *_reads_of_command_line(),
                *_pairs(),
                *_alone(),
                *_stops(),
                *_jobs(),
                *_streams(),
            ),
            key=lambda one: STAGES.index(one.stage),
        )
    )


def select(patterns: Iterable[str]) -> list[Operation]:
    """Return the operations whose id matches one of the patterns or begins with it; all if none."""
    wanted = list(patterns)
    return [
        one
        for one in operations()
        if not wanted or any(fnmatch.fnmatchcase(one.id, p) or one.id.startswith(p) for p in wanted)
    ]


def main_workflow() -> Workflow:
    """Return the workflow on which all but stops and streams act."""
    own = [t for one in operations() if one.stage in SHARED for t in one.tasks]
    return Workflow((*_SHARED, *own))
