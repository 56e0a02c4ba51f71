"""How the pool of a scheduler looks in the data store, and what has to be published of it."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _ids
from wri_reference._broadcasts import Broadcasts
from wri_reference._elements import Elements, Identity, Kind, kind
from wri_reference._pool import STATES, Job, Key, Node, Pool
from wri_reference._store import TOPICS, Batch, DataStore
from wri_reference._window import Edge, Window
from wri_reference._workflow import OUTPUTS, Definition

_LATEST = 5
_LATEST_TIMES = 10
_GROUP_ORDER = (
    "submit-failed",
    "failed",
    "expired",
    "running",
    "submitted",
    "preparing",
    "waiting",
    "succeeded",
)
_Message = TypeVar("_Message")


class _Record(NamedTuple):
    """What is shown of a task and counted in its families; None for what it does not have."""

    state: str
    held: bool
    queued: bool | None
    runahead: bool | None
    depth: int
    flows: str


class _Change(NamedTuple):
    """What happened to a task of a family; None stands for being shown no more, or not yet."""

    point: int
    family: str
    old: _Record | None
    new: _Record | None


class _Totals:
    """What a family counts of the tasks that are shown."""

    __slots__ = ("depths", "held", "queued", "runahead", "size", "states")

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.depths: Counter[int] = Counter()
        self.held = self.queued = self.runahead = self.size = 0

    def count(self, record: _Record, by: int) -> None:
        self.size += by
        self.states[record.state] += by
        self.depths[record.depth] += by
        self.held += by * record.held
        self.queued += by * bool(record.queued)
        self.runahead += by * bool(record.runahead)

    @property
    def present(self) -> dict[str, int]:
        return {state: self.states[state] for state in STATES if self.states[state]}


class View:
    """Listens to a pool and keeps a data store in step with it.

    Attributes:
        store: what clients see.
        status: the status of the workflow, and `status_msg` what people read.
    """

    def __init__(
        self,
        definition: Definition,
        identity: Identity,
        broadcasts: Broadcasts,
        *,
        store: DataStore | None = None,
        extent: int = 1,
    ) -> None:
        self.store = DataStore() if store is None else store
        self.identity = identity
        self.broadcasts = broadcasts
        self.status = ""
        self.status_msg = ""
        self._definition = definition
        self._elements = Elements(definition, identity, broadcasts)
        self._window = Window(definition, extent)
        self._dirty: dict[Key, set[str]] = {}
        self._shown: dict[Key, _Record] = {}
        self._jobs: dict[Key, int] = {}
        self._families: dict[Key, _Totals] = {}
        self._totals = _Totals()
        self._shown_families: set[Key] = set()
        self._dirty_families: dict[Key, None] = {}
        self._edges: set[Edge] = set()
        self._latest: dict[str, list[str]] = {state: [] for state in STATES}
        self._elapsed: dict[str, list[float]] = {}
        self._logs: list[tuple[str, str]] = []
        self._templates: dict[Kind, pb.PbTaskProxy] = {}
        self._changes: dict[str, Any] = {}
        self._added: set[str] = set()
        self._set_workflow: pb.PbWorkflow | None = None

    # what the pool tells

    def entered(self, node: Node) -> None:
        """Show a task that is now in the pool, and what is around it."""
        self._window.enter(node.key)
        self._dirty.setdefault(node.key, set()).update(("prerequisites", "outputs", "triggers"))

    def left(self, node: Node) -> None:
        """Show a task that has left the pool only as long as it is near it."""
        self._window.leave(node.key)
        self._dirty.setdefault(node.key, set())

    def changed(self, node: Node, *aspects: str) -> None:
        """Show what changed."""
        self._dirty.setdefault(node.key, set()).update(aspects)

    def log(self, level: str, text: str) -> None:
        """Show a line of the log."""
        self._logs.append((level, text))

    def touch(self, key: Key) -> None:
        """Look again at a task, also one outside of the pool."""
        self._dirty.setdefault(key, set())

    def ended(self, node: Node, seconds: float) -> None:
        """Note how long a job ran."""
        self._elapsed.setdefault(node.name, []).append(seconds)
        identifier = _ids.definition_id(self.identity.id, node.name)
        self._change(pb.PbTask, identifier).mean_elapsed_time = _mean(self._elapsed[node.name])

    # what the scheduler tells

    def resize(self, extent: int) -> None:
        """Show more or fewer tasks around the pool."""
        self._window.resize(extent)
        self._workflow().n_edge_distance = extent

    def show_broadcasts(self) -> None:
        """Show the broadcasts, and the runtime of all tasks and families with them."""
        self._workflow().broadcasts = str(self.broadcasts)
        for key in self._shown:
            self._dirty.setdefault(key, set()).add("runtime")
        for key in self._shown_families:
            family = self._definition.families[key.name]
            message = self._change(pb.PbFamilyProxy, self._proxy(key))
            message.runtime.CopyFrom(
                self._elements.runtime(self._definition.point(key.point), family)
            )

    def start(self, now: float) -> pb.AllDeltas:
        """Return the batch that begins everything anew: definitions and the workflow itself."""
        batch = Batch()
        batch.reload(TOPICS)
        for message in self._elements.definitions():
            batch.add(message)
        for name, times in self._elapsed.items():
            identifier = _ids.definition_id(self.identity.id, name)
            batch.update(pb.PbTask(id=identifier, mean_elapsed_time=_mean(times)))
        batch.update(
            pb.PbWorkflow(
                id=self.identity.id,
                status=self.status,
                status_msg=self.status_msg,
                n_edge_distance=self._window.extent,
            )
        )
        deltas = self.store.commit(batch, now)
        assert deltas is not None
        return deltas

    def successor(self, definition: Definition) -> "View":
        """Return a view of the same store for another definition, which shows nothing yet."""
        view = View(
            definition,
            self.identity,
            self.broadcasts,
            store=self.store,
            extent=self._window.extent,
        )
        view.status, view.status_msg = self.status, self.status_msg
        view._elapsed = {k: v for k, v in self._elapsed.items() if k in definition.tasks}
        return view

    def flush(self, pool: Pool, now: float) -> pb.AllDeltas | None:
        """Bring the store up to date and return what is to be published, if anything."""
        batch = Batch()
        totals_changed = self._flush_tasks(pool, batch, now)
        self._flush_edges(batch)
        self._flush_families(batch)
        self._flush_workflow(pool, totals_changed=totals_changed)
        if self._set_workflow is not None:
            batch.update(self._set_workflow)
        for identifier, message in self._changes.items():
            if identifier in self._added:
                batch.add(message)
            else:
                batch.update(message)
        self._set_workflow = None
        self._changes.clear()
        self._added.clear()
        return self.store.commit(batch, now)

    # the parts of a batch

    def _flush_tasks(self, pool: Pool, batch: Batch, now: float) -> bool:
        changes: Counter[_Change] = Counter()
        keys = dict.fromkeys(self._dirty) | dict.fromkeys(self._window.touched)
        for key in keys:
            depth = self._window.depth(key)
            old = self._shown.get(key)
            if depth is None:
                if old is not None:
                    self._prune_task(pool, batch, key)
                    changes[_Change(key.point, self._parent(key), old, None)] += 1
                continue
            node = pool.look(key)
            new = _record(node, pool, depth)
            aspects = self._dirty.get(key, set())
            if old is None:
                self._add_task(node, new, now)
            else:
                self._update_task(node, old, new, aspects, now)
            if new != old:
                self._shown[key] = new
                changes[_Change(key.point, self._parent(key), old, new)] += 1
            self._show_jobs(node, "jobs" in aspects)
        self._dirty.clear()
        self._window.touched.clear()
        self._templates.clear()
        self._count(changes)
        return bool(changes)

    def _add_task(self, node: Node, record: _Record, now: float) -> None:
        identifier = self._proxy(node.key)
        message = self._add(pb.PbTaskProxy, identifier)
        message.MergeFrom(self._template(node, now))
        message.id = identifier
        message.task = _ids.definition_id(self.identity.id, node.name)
        message.name = node.name
        message.namespace.append(node.name)
        self._fill(message, None, record)
        if node.done:
            self._fill_outputs(message, node, now)
        if node.satisfied:
            message.prerequisites.extend(self._prerequisites(node))
        self._fill_triggers(message, node, now)
        if self.broadcasts.settings:
            message.runtime.CopyFrom(self._elements.runtime(node.cycle, node.task))
        if node.submits:
            message.job_submits = node.submits
        self._change(pb.PbTask, message.task).proxies.append(identifier)
        self._workflow().task_proxies.append(identifier)
        self._change(pb.PbFamilyProxy, message.first_parent).child_tasks.append(identifier)

    def _update_task(
        self, node: Node, old: _Record, new: _Record, aspects: set[str], now: float
    ) -> None:
        if new == old and not aspects:
            return
        message = self._change(pb.PbTaskProxy, self._proxy(node.key))
        self._fill(message, old, new)
        self._fill_aspects(message, node, aspects, now)
        if "runtime" in aspects:
            message.runtime.CopyFrom(self._elements.runtime(node.cycle, node.task))
        if "jobs" in aspects:
            message.job_submits = node.submits

    def _fill(self, message: Any, old: _Record | None, new: _Record) -> None:
        if old is None or old.state != new.state:
            message.state = new.state
            self._note_latest(message.id, new.state)
        if old is None or old.held != new.held:
            message.is_held = new.held
        if new.queued is not None and (old is None or old.queued != new.queued):
            message.is_queued = new.queued
        if new.runahead is not None and (old is None or old.runahead != new.runahead):
            message.is_runahead = new.runahead
        if old is None or old.flows != new.flows:
            message.flow_nums = new.flows
        if old is None or old.depth != new.depth:
            message.graph_depth = new.depth

    def _fill_aspects(self, message: Any, node: Node, aspects: set[str], now: float) -> None:
        if "prerequisites" in aspects:
            message.prerequisites.extend(self._prerequisites(node))
        if "outputs" in aspects:
            self._fill_outputs(message, node, now)
        if "triggers" in aspects:
            self._fill_triggers(message, node, now)

    def _fill_outputs(self, message: Any, node: Node, now: float) -> None:
        for label in (*OUTPUTS, *node.task.outputs):
            output = message.outputs[label]
            output.label = label
            output.message = node.task.outputs.get(label, label)
            output.satisfied = label in node.done
            output.time = now

    def _fill_triggers(self, message: Any, node: Node, now: float) -> None:
        if node.task.external_trigger is None:
            return
        trigger = message.external_triggers[node.task.external_trigger]
        trigger.id = node.task.external_trigger
        trigger.satisfied = node.triggered
        if node.triggered:
            trigger.message = node.task.external_trigger
            trigger.time = now

    def _prune_task(self, pool: Pool, batch: Batch, key: Key) -> None:
        identifier = self._proxy(key)
        self._changes.pop(identifier, None)
        batch.prune("task_proxies", identifier)
        node = pool.look(key)
        for job in node.jobs[: self._jobs.pop(key, 0)]:
            batch.prune("jobs", self._job(node, job))
        del self._shown[key]

    def _show_jobs(self, node: Node, changed: bool) -> None:
        shown = self._jobs.get(node.key, 0)
        if not changed and shown == len(node.jobs):
            return
        first = max(0, min(shown, len(node.jobs) - 1))
        for place, job in enumerate(node.jobs[first:], first):
            identifier = self._job(node, job)
            if place >= shown:
                message = self._add(pb.PbJob, identifier)
                self._fill_new_job(message, node, job)
                self._change(pb.PbTaskProxy, message.task_proxy).jobs.append(identifier)
                self._workflow().jobs.append(identifier)
            else:
                message = self._change(pb.PbJob, identifier)
            _fill_job(message, job)
        self._jobs[node.key] = len(node.jobs)

    def _fill_new_job(self, message: Any, node: Node, job: Job) -> None:
        message.submit_num = job.number
        message.task_proxy = self._proxy(node.key)
        message.name = node.name
        message.cycle_point = node.cycle
        message.job_id = job.job_id
        message.job_runner_name = "background"
        message.platform = "localhost"
        message.job_log_dir = (
            f"{self.identity.run_directory}/log/job/{node.cycle}/{node.name}/{job.number:02}"
        )
        message.runtime.CopyFrom(self._elements.runtime(node.cycle, node.task))
        message.runtime.platform = message.runtime.platform or "localhost"

    def _flush_edges(self, batch: Batch) -> None:
        for edge in self._window.touched_edges:
            source, target = (self._relative(key) for key in edge)
            identifier = _ids.edge_id(self.identity.id, source, target)
            if not self._window.has_edge(edge):
                if edge in self._edges:
                    self._edges.discard(edge)
                    batch.prune("edges", identifier)
            elif edge not in self._edges:
                self._edges.add(edge)
                message = self._add(pb.PbEdge, identifier)
                message.source, message.target = (self._proxy(key) for key in edge)
                for proxy in (message.source, message.target):
                    self._change(pb.PbTaskProxy, proxy).edges.append(identifier)
                self._workflow().edges.edges.append(identifier)
        self._window.touched_edges.clear()

    def _flush_families(self, batch: Batch) -> None:
        for key in self._dirty_families:
            totals = self._families[key]
            identifier = self._proxy(key)
            if not totals.size:
                del self._families[key]
                self._changes.pop(identifier, None)
                if key in self._shown_families:
                    self._shown_families.discard(key)
                    batch.prune("family_proxies", identifier)
                continue
            message = self._change(pb.PbFamilyProxy, identifier)
            if key not in self._shown_families:
                self._shown_families.add(key)
                self._added.add(identifier)
                self._fill_new_family(message, key)
            _fill_totals(message, totals)
        self._dirty_families.clear()

    def _fill_new_family(self, message: Any, key: Key) -> None:
        family = self._definition.families[key.name]
        cycle = self._definition.point(key.point)
        message.cycle_point = cycle
        message.name = key.name
        message.family = _ids.definition_id(self.identity.id, key.name)
        message.depth = len(family.namespace) - 1
        message.ancestors.extend(
            _ids.proxy_id(self.identity.id, cycle, name) for name in family.namespace[-2::-1]
        )
        message.is_retry = message.is_wallclock = message.is_xtriggered = False
        message.runtime.CopyFrom(self._elements.runtime(cycle, family))
        if message.ancestors:
            message.first_parent = message.ancestors[0]
            parent = self._change(pb.PbFamilyProxy, message.first_parent)
            parent.child_families.append(message.id)
        self._change(pb.PbFamily, message.family).proxies.append(message.id)
        self._workflow().family_proxies.append(message.id)

    def _flush_workflow(self, pool: Pool, *, totals_changed: bool) -> None:
        shown = self.store.workflow
        if (shown.status, shown.status_msg) != (self.status, self.status_msg):
            self._workflow().status = self.status
            self._workflow().status_msg = self.status_msg
        if shown.reloaded and (totals_changed or self._set_workflow is not None):
            self._workflow().reloaded = False
        if totals_changed:
            self._fill_workflow_totals(self._workflow())
        if pool.active:
            for field, point in (
                ("oldest_active_cycle_point", min(pool.active)),
                ("newest_active_cycle_point", max(pool.active)),
            ):
                cycle = self._definition.point(point)
                if getattr(shown, field) != cycle:
                    setattr(self._workflow(), field, cycle)
        for level, text in self._logs:
            self._workflow().log_records.add(level=level, message=text)
        self._logs.clear()

    def _fill_workflow_totals(self, message: pb.PbWorkflow) -> None:
        present = self._totals.present
        message.states.extend(present)
        message.state_totals.update(present)
        message.states_updated = True
        message.is_held_total = self._totals.held
        message.is_queued_total = self._totals.queued
        message.is_runahead_total = self._totals.runahead
        for state, tasks in self._latest.items():
            message.latest_state_tasks[state].task_proxies.extend(tasks)

    # the parts of elements

    def _template(self, node: Node, now: float) -> pb.PbTaskProxy:
        """Return what is the same for many tasks of one batch: most of what is shown of them."""
        task = node.task
        key = (node.cycle, task.namespace[:-1], *kind(task))
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = pb.PbTaskProxy(
                cycle_point=node.cycle,
                depth=len(task.namespace) - 1,
                namespace=task.namespace[:-1],
                ancestors=[
                    _ids.proxy_id(self.identity.id, node.cycle, name)
                    for name in reversed(task.namespace[:-1])
                ],
                runtime=self._elements.plain_runtime(task),
                is_held=False,
                is_retry=False,
                is_wallclock=False,
                is_xtriggered=False,
            )
            template.first_parent = template.ancestors[0]
            self._fill_outputs(template, Node(node.key, node.cycle, task), now)
        return template

    def _prerequisites(self, node: Node) -> Iterable[pb.PbPrerequisite]:
        for wanted, satisfied in zip(node.task.dependencies, node.satisfied, strict=True):
            point = self._definition.point(node.key.point + wanted.offset)
            outputs = self._definition.tasks[wanted.task].outputs
            message = pb.PbPrerequisite(
                expression="0" if len(wanted.outputs) == 1 else "(1 | 0)",
                cycle_points=[point],
                satisfied=bool(satisfied),
            )
            for alias, label in enumerate(wanted.outputs):
                message.conditions.add(
                    task_proxy=f"{point}/{wanted.task}",
                    expr_alias=str(alias),
                    req_state=outputs.get(label, label),
                    satisfied=label in satisfied,
                    message=satisfied.get(label, "unsatisfied"),
                )
            yield message

    # small things

    def _count(self, changes: Counter[_Change]) -> None:
        """Count what has changed, alike changes at once, in the families and the workflow."""
        for change, number in changes.items():
            names = self._definition.families[change.family].namespace
            families = [Key(change.point, name) for name in names]
            self._dirty_families.update(dict.fromkeys(families))
            for family in families:
                if family not in self._families:
                    self._families[family] = _Totals()
            for totals in (self._totals, *(self._families[family] for family in families)):
                if change.old is not None:
                    totals.count(change.old, -number)
                if change.new is not None:
                    totals.count(change.new, number)

    def _note_latest(self, identifier: str, state: str) -> None:
        relative = identifier.partition("//")[2]
        latest = self._latest[state]
        if relative in latest:
            latest.remove(relative)
        latest.insert(0, relative)
        del latest[_LATEST:]

    def _change(self, kind: type[_Message], identifier: str) -> Any:
        message = self._changes.get(identifier)
        if message is None:
            message = self._changes[identifier] = kind(id=identifier)  # type: ignore[call-arg]
        return message

    def _add(self, kind: type[_Message], identifier: str) -> Any:
        self._added.add(identifier)
        return self._change(kind, identifier)

    def _workflow(self) -> pb.PbWorkflow:
        if self._set_workflow is None:
            self._set_workflow = pb.PbWorkflow(id=self.identity.id)
        return self._set_workflow

    def _parent(self, key: Key) -> str:
        return self._definition.tasks[key.name].namespace[-2]

    def _relative(self, key: Key) -> str:
        return f"{self._definition.point(key.point)}/{key.name}"

    def _proxy(self, key: Key) -> str:
        return _ids.proxy_id(self.identity.id, self._definition.point(key.point), key.name)

    def _job(self, node: Node, job: Job) -> str:
        return _ids.job_id(self.identity.id, node.cycle, node.name, job.number)


def stamp(seconds: float) -> str:
    """Return a moment as people read it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _record(node: Node, pool: Pool, depth: int) -> _Record:
    known = node.key in pool.nodes
    return _Record(
        node.state,
        pool.is_held(node.key),
        node.is_queued if known else None,
        node.is_runahead if known else None,
        depth,
        str(sorted(node.flows)),
    )


def _mean(times: list[float]) -> float:
    last = times[-_LATEST_TIMES:]
    return sum(last) / len(last)


def _fill_job(message: Any, job: Job) -> None:
    message.state = job.state
    message.messages.extend(job.messages)
    for field in ("submitted", "started", "finished"):
        moment = getattr(job, field)
        if moment is not None:
            setattr(message, f"{field}_time", stamp(moment))


def _fill_totals(message: Any, totals: _Totals) -> None:
    present = totals.present
    message.state = next(state for state in _GROUP_ORDER if state in present)
    message.states.extend(present)
    message.state_totals.update({state: totals.states[state] for state in STATES})
    message.is_held = totals.held > 0
    message.is_held_total = totals.held
    message.is_queued = totals.queued > 0
    message.is_queued_total = totals.queued
    message.is_runahead = totals.runahead > 0
    message.is_runahead_total = totals.runahead
    message.graph_depth = min(depth for depth, count in totals.depths.items() if count)
