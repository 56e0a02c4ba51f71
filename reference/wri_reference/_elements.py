"""The elements of a data store that follow from the definition of a workflow alone."""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _ids
from wri_reference._broadcasts import Broadcasts, apply
from wri_reference._messages import CYLC_VERSION
from wri_reference._workflow import Definition, Family, Task

API_VERSION: Final = 5

_LOGS = ("job", "job.out", "job.err", "job-activity.log", "job.status", "job.xtrace")
_RUNTIME = {
    "execution_polling_intervals": "",
    "execution_retry_delays": "",
    "execution_time_limit": "",
    "submission_polling_intervals": "",
    "submission_retry_delays": "",
    "directives": "[]",
    "environment": "[]",
    "outputs": "[]",
    "run_mode": "live",
}
Kind = tuple[object, ...]
"""What makes tasks look alike."""


class Identity(NamedTuple):
    """Who a scheduler is: what the contact file of its server says, and its run directory."""

    owner: str
    workflow: str
    host: str = "localhost"
    port: int = 0
    publish_port: int = 0
    run_directory: str = ""

    @property
    def id(self) -> str:
        """Return the id of the workflow."""
        return _ids.workflow_id(self.owner, self.workflow)


class Elements:
    """Makes the elements; the runtime of tasks, with what is broadcast, included."""

    def __init__(self, definition: Definition, identity: Identity, broadcasts: Broadcasts) -> None:
        self._definition = definition
        self._identity = identity
        self._broadcasts = broadcasts
        self._runtimes: dict[Kind, pb.PbRuntime] = {}
        self._tasks: dict[Kind, pb.PbTask] = {}

    def definitions(self) -> Iterable[Any]:
        """Return the elements that are there from the start."""
        definition, identity = self._definition, self._identity
        tasks = {name: self._task(task) for name, task in definition.tasks.items()}
        families = {name: self._family(family) for name, family in definition.families.items()}
        used = {name for task in definition.tasks.values() for name in task.namespace[:-1]}
        for name, task in definition.tasks.items():
            families[task.namespace[-2]].child_tasks.append(tasks[name].id)
        for name, family in definition.families.items():
            if name in used and len(family.namespace) > 1:
                families[family.namespace[-2]].child_families.append(families[name].id)
        shown = [message for name, message in families.items() if name in used]
        yield from tasks.values()
        yield from shown
        workflow = pb.PbWorkflow(
            id=identity.id,
            name=identity.workflow,
            owner=identity.owner,
            host=identity.host,
            port=identity.port,
            pub_port=identity.publish_port,
            api_version=API_VERSION,
            cylc_version=CYLC_VERSION,
            reloaded=True,
            run_mode="live",
            cycling_mode="integer" if definition.is_integer else "gregorian",
            workflow_log_dir=f"{identity.run_directory}/log/scheduler",
            tree_depth=max(len(task.namespace) for task in definition.tasks.values()) - 1,
            job_log_names=_LOGS,
            ns_def_order=[name for name in (*families, *tasks) if name != "root"] + ["root"],
            tasks=[message.id for message in tasks.values()],
            families=[message.id for message in shown],
            broadcasts=str(self._broadcasts),
            is_held_total=0,
            is_queued_total=0,
            is_runahead_total=0,
        )
        workflow.meta.CopyFrom(_meta("", ""))
        workflow.edges.leaves.extend(sorted(tasks))
        workflow.edges.feet.extend(
            sorted(
                namespace[1]
                for namespace in {task.namespace[:2] for task in definition.tasks.values()}
            )
        )
        workflow.time_zone_info.hours = workflow.time_zone_info.minutes = 0
        workflow.time_zone_info.string_basic = workflow.time_zone_info.string_extended = "Z"
        yield workflow

    def _task(self, task: Task) -> pb.PbTask:
        message = pb.PbTask()
        message.CopyFrom(self._template(task))
        message.id = _ids.definition_id(self._identity.id, task.name)
        message.name = task.name
        message.namespace.append(task.name)
        return message

    def _template(self, task: Task) -> pb.PbTask:
        """Return what is the same for many tasks: most of what is shown of them."""
        like = (task.namespace[:-1], task.title, task.description, *kind(task))
        message = self._tasks.get(like)
        if message is None:
            parent = _ids.definition_id(self._identity.id, task.namespace[-2])
            message = self._tasks[like] = pb.PbTask(
                depth=len(task.namespace) - 1,
                namespace=task.namespace[:-1],
                meta=_meta(task.title, task.description),
                runtime=self.plain_runtime(task),
                first_parent=parent,
                parents=[parent],
            )
        return message

    def _family(self, family: Family) -> pb.PbFamily:
        message = pb.PbFamily(
            id=_ids.definition_id(self._identity.id, family.name),
            name=family.name,
            depth=len(family.namespace) - 1,
            meta=pb.PbMeta(user_defined="{}"),
            runtime=self.plain_runtime(family),
        )
        if message.depth:
            message.first_parent = _ids.definition_id(self._identity.id, family.namespace[-2])
            message.parents.append(message.first_parent)
        return message

    def plain_runtime(self, thing: Task | Family) -> pb.PbRuntime:
        """Return how a task or family is run if nothing is broadcast to it."""
        like = kind(thing)
        runtime = self._runtimes.get(like)
        if runtime is None:
            runtime = self._runtimes[like] = pb.PbRuntime(**_RUNTIME)
            if isinstance(thing, Task):
                runtime.script = _script(thing)
                runtime.completion = thing.completion
                runtime.outputs = json.dumps(
                    [{"key": key, "value": value} for key, value in thing.outputs.items()]
                )
        return runtime

    def runtime(self, cycle: str, thing: Task | Family) -> pb.PbRuntime:
        """Return how a task or family is run at a cycle point."""
        plain = self.plain_runtime(thing)
        overrides = self._broadcasts.overrides(cycle, thing.namespace)
        if not overrides:
            return plain
        runtime = pb.PbRuntime()
        runtime.CopyFrom(plain)
        apply(runtime, overrides)
        return runtime


def _meta(title: str, description: str) -> pb.PbMeta:
    return pb.PbMeta(title=title, description=description, URL="", user_defined="{}")


def kind(thing: Task | Family) -> Kind:
    """Return what tasks have in common that are run alike."""
    if isinstance(thing, Family):
        return ()
    outputs = tuple(thing.outputs.items())
    return (thing.outcome, thing.seconds, outputs, tuple(thing.children))


def _script(task: Task) -> str:
    lines = [f"sleep {task.seconds:g}", *(f"cylc message -- '{m}'" for m in task.outputs.values())]
    return "; ".join([*lines, "false" if task.outcome == "failed" else "true"])
