"""The tasks that a workflow is busy with: spawned on demand, queued, run, and gone again.

Knows what happens to tasks, not how it is shown. Whoever shows it is told by `Listener`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple, Protocol

from wri_reference._workflow import OUTPUTS, ROOT, Definition, Dependency, Task

QUEUE_LIMIT: Final = 100
"""How many tasks may be preparing, submitted or running at the same time."""

STATES: Final = (
    "waiting",
    "expired",
    "preparing",
    "submit-failed",
    "submitted",
    "running",
    "failed",
    "succeeded",
)
ACTIVE: Final = frozenset({"submitted", "running"})
BUSY: Final = ACTIVE | {"preparing"}
FINAL: Final = frozenset({"succeeded", "failed", "submit-failed", "expired"})

NATURALLY: Final = "satisfied naturally"
BY_FORCE: Final = "force satisfied"
_FIRST_FLOW: Final = 1
_IMPLIED: Final = {
    "started": ("submitted",),
    "succeeded": ("submitted", "started"),
    "failed": ("submitted", "started"),
}


class Key(NamedTuple):
    """A task at a cycle point, which is given by its place among those of the definition."""

    point: int
    name: str


@dataclass(slots=True)
class Job:
    """One submission of a task; times are seconds since the epoch."""

    number: int
    job_id: str
    state: str = "submitted"
    submitted: float | None = None
    started: float | None = None
    finished: float | None = None
    messages: list[str] = field(default_factory=list)


class Node:
    """A task at a cycle point: a part of the pool, or what is remembered or expected of it.

    Attributes:
        satisfied: for each dependency of the task, in their order, how each of its outputs came
            to be satisfied; those that are not are missing.
        done: the labels of its outputs so far.
        triggered: whether its external trigger came, if it has one.
        flow_wait: whether its children wait for another flow.
    """

    __slots__ = (
        "cycle",
        "done",
        "flow_wait",
        "flows",
        "in_pool",
        "is_held",
        "is_queued",
        "is_runahead",
        "jobs",
        "key",
        "satisfied",
        "state",
        "submits",
        "task",
        "triggered",
    )

    def __init__(self, key: Key, cycle: str, task: Task, flows: Iterable[int] = ()) -> None:
        self.key = key
        self.cycle = cycle
        self.task = task
        self.state = "waiting"
        self.flows = set(flows)
        self.flow_wait = False
        self.in_pool = False
        self.is_held = False
        self.is_queued: bool | None = None  # until it is queued for the first time
        self.is_runahead = False
        self.submits = 0
        self.jobs: list[Job] = []
        self.done: set[str] = set()
        self.triggered = task.external_trigger is None
        self.satisfied: list[dict[str, str]] = [
            {label: NATURALLY for label in wanted.outputs if key.point + wanted.offset < 0}
            for wanted in task.dependencies
        ]

    @property
    def name(self) -> str:
        """Return the name of the task."""
        return self.task.name

    @property
    def families(self) -> Collection[str]:
        """Return the families that the task inherits from, `root` included."""
        return self.task.namespace[:-1]

    @property
    def relative(self) -> str:
        """Return the id within the workflow."""
        return f"{self.cycle}/{self.task.name}"

    @property
    def job(self) -> Job | None:
        """Return the job of the last submission."""
        return self.jobs[-1] if self.jobs else None

    @property
    def is_satisfied(self) -> bool:
        """Tell whether no prerequisite is left, external triggers aside."""
        return all(self.satisfied)

    @property
    def is_complete(self) -> bool:
        """Tell whether it ended as expected."""
        return self.state in FINAL and self.task.is_complete(self.done)


class Listener(Protocol):
    """Who wants to know what happens in a pool."""

    def entered(self, node: Node) -> None:
        """Note that `node` is now a part of the pool."""

    def left(self, node: Node) -> None:
        """Note that `node` is not a part of the pool any more."""

    def changed(self, node: Node, *aspects: str) -> None:
        """Note that more than flags and state changed: outputs, prerequisites, jobs, …."""

    def touch(self, key: Key) -> None:
        """Note that something about a task changed that need not be in the pool."""

    def ended(self, node: Node, seconds: float) -> None:
        """Note how long a job ran."""

    def log(self, level: str, text: str) -> None:
        """Note what people should read."""


class Pool:
    """The tasks that are waiting to run, running, or ended otherwise than expected.

    A task enters the pool when the first of its prerequisites is satisfied, or, without any, up
    to the runahead limit; it leaves the pool when it has done all that is expected of it.

    Attributes:
        nodes: all tasks that are or were in the pool.
        active: the pool itself, by index of the cycle point and name.
        to_hold: tasks that are held, also those that are not yet in the pool.
        stop_index: the last cycle point that runs.
        hold_index: the cycle point after which all tasks are held.
        queue: the queued tasks that are not held, in the order in which they run.
        busy: the tasks that are preparing, submitted or running.
        lively: the tasks that will do something by themselves, sooner or later.
        listener: who is told what happens.
    """

    def __init__(self, definition: Definition, listener: Listener) -> None:
        self.definition = definition
        self.nodes: dict[Key, Node] = {}
        self.active: dict[int, dict[str, Node]] = {}
        self.to_hold: set[Key] = set()
        self.stop_index: int | None = None
        self.hold_index: int | None = None
        self.limit = -1
        self.queue: dict[Key, Node] = {}
        self.lively: set[Key] = set()
        self.busy: set[Key] = set()
        self._expecting: dict[Key, Node] = {}
        self.listener = listener
        self._next: dict[str, int] = {}

    # what is there

    def __iter__(self) -> Iterator[Node]:
        """Go through the pool."""
        return (node for nodes in self.active.values() for node in nodes.values())

    def get(self, key: Key) -> Node | None:
        """Return a task of the pool."""
        return self.active.get(key.point, {}).get(key.name)

    def look(self, key: Key) -> Node:
        """Return a task as it is, was, or would be; what is new is not remembered."""
        node = self.nodes.get(key)
        if node is None:
            node = Node(key, self.definition.point(key.point), self.definition.tasks[key.name])
        return node

    def is_held(self, key: Key) -> bool:
        """Tell whether a task is held, in the pool or before it gets there."""
        node = self.get(key)
        return node.is_held if node is not None else key in self.to_hold

    def exists(self, key: Key) -> bool:
        """Tell whether there is such a task at a cycle point of the workflow."""
        inside = 0 <= key.point < len(self.definition.cycle_points)
        return inside and key.name in self.definition.tasks

    @property
    def expecting(self) -> Collection[Node]:
        """Return the tasks of the pool that wait for an external trigger."""
        return self._expecting.values()

    @property
    def has_ready(self) -> bool:
        """Tell whether a queued task may run now."""
        return bool(self.queue) and len(self.busy) < QUEUE_LIMIT

    @property
    def has_jobs(self) -> bool:
        """Tell whether jobs are with the system that runs them."""
        return any(self.nodes[key].state in ACTIVE for key in self.busy)

    @property
    def stop_at(self) -> int:
        """Return the index of the last cycle point that runs."""
        last = len(self.definition.cycle_points) - 1
        return last if self.stop_index is None else min(self.stop_index, last)

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is left to do before the last cycle point that runs."""
        return all(index > self.stop_at for index in self.active) and not self.busy

    @property
    def is_stuck(self) -> bool:
        """Tell whether something is left to do and nothing can happen by itself."""
        return not self.lively and not self.is_finished

    # how tasks come and go

    def start(self) -> None:
        """Spawn the first tasks."""
        self._next = dict.fromkeys(self.definition.tasks, 0)
        self.release_runahead()

    def release_runahead(self) -> None:
        """Let tasks run up to the runahead limit, and show the first ones beyond it."""
        limit = min(self._base() + self.definition.runahead - 1, self.stop_at)
        if limit == self.limit:
            return
        self.limit = limit
        for node in [node for node in self if node.is_runahead and node.key.point <= limit]:
            self._release(node)
        for name, index in self._next.items():
            self._next[name] = self._spawn_up_to(self.definition.tasks[name], index)

    def stop_flow(self, number: int) -> None:
        """Take all tasks out of a flow; those that are in no other one and have no job are gone."""
        if number == _FIRST_FLOW:
            self._next.clear()
        for node in [node for node in self if number in node.flows]:
            node.flows.discard(number)
            self.note(node)
            if not node.flows and node.state not in BUSY:
                self.remove(node)

    def spawn(self, key: Key, flows: Iterable[int], *, again: bool = False) -> Node | None:
        """Return the task of the pool, which is new unless it was there.

        None if there is no such task, or if it has already run in one of these flows, unless it
        is to run `again`.
        """
        flows = set(flows)
        node = self.get(key)
        if node is not None:
            if flows - node.flows:
                node.flows |= flows
                self.listener.changed(node)
            return node
        if not self.exists(key):
            return None
        old = self.nodes.get(key)
        if old is not None and old.flows & flows and not again:
            return None
        node = Node(key, self.definition.point(key.point), self.definition.tasks[key.name], flows)
        if old is not None:
            node.submits, node.jobs = old.submits, old.jobs
        self._enter(node)
        return node

    def remove(self, node: Node) -> None:
        """Take a task out of the pool."""
        if not node.in_pool:
            return
        node.in_pool = node.is_runahead = False
        if node.is_queued:
            node.is_queued = False
        tasks = self.active[node.key.point]
        del tasks[node.key.name]
        if not tasks:
            del self.active[node.key.point]
        self._sort(node)
        self.listener.left(node)
        self.release_runahead()

    # what happens to a task

    def queue_if_ready(self, node: Node) -> None:
        """Queue a task that waits for nothing any more."""
        if self._is_ready(node):
            self.enqueue(node)
        self.note(node)

    def enqueue(self, node: Node) -> None:
        """Queue a task, whatever it waits for."""
        node.is_queued = True
        self.note(node)

    def dequeue(self, node: Node) -> None:
        """Take a task out of the queue."""
        if node.is_queued:
            node.is_queued = False
            self.note(node)

    def next_ready(self) -> list[Node]:
        """Return the queued tasks that may run now, and take them out of the queue."""
        room = max(0, QUEUE_LIMIT - len(self.busy))
        ready = list(islice(self.queue.values(), room))
        for node in ready:
            self.dequeue(node)
        return ready

    def set_state(self, node: Node, state: str) -> None:
        """Put a task into another state."""
        node.state = state
        self.note(node)

    def hold(self, node: Node) -> None:
        """Hold a task of the pool."""
        node.is_held = True
        self.to_hold.add(node.key)
        self.note(node)

    def release(self, node: Node) -> None:
        """Let a held task of the pool go on."""
        self.to_hold.discard(node.key)
        if node.is_held:
            node.is_held = False
            self.queue_if_ready(node)

    def complete(self, node: Node, label: str) -> None:
        """Note that an output, and with it those that it implies, is there; spawn who waits.

        The task leaves the pool if that was all that is expected of it.
        """
        for one in (*_IMPLIED.get(label, ()), label):
            if one not in node.done:
                node.done.add(one)
                self.listener.changed(node, "outputs")
                self._tell_children(node, one)
        self.remove_if_complete(node)

    def remove_if_complete(self, node: Node) -> None:
        """Take a task that ended as expected out of the pool."""
        if node.is_complete:
            self.remove(node)

    def satisfy(self, node: Node, wanted: Dependency, label: str, how: str) -> bool:
        """Satisfy a prerequisite of a task; False if it was satisfied or has no such one."""
        for dependency, satisfied in zip(node.task.dependencies, node.satisfied, strict=True):
            if (dependency.task, dependency.offset) != (wanted.task, wanted.offset):
                continue
            if label in dependency.outputs and label not in satisfied:
                satisfied[label] = how
                self.listener.changed(node, "prerequisites")
                return True
        return False

    def unsatisfy(self, node: Node, task: str, offset: int, how: str) -> bool:
        """Take back what was satisfied by a task in this way; False if nothing was."""
        found = False
        for wanted, satisfied in zip(node.task.dependencies, node.satisfied, strict=True):
            if (wanted.task, wanted.offset) == (task, offset):
                for label in [label for label, one in satisfied.items() if one == how]:
                    del satisfied[label]
                    found = True
        if found:
            self.note(node)
            self.listener.changed(node, "prerequisites")
        return found

    def satisfy_all(self, node: Node) -> None:
        """Satisfy all prerequisites of a task by force, external triggers included."""
        for dependency, satisfied in zip(node.task.dependencies, node.satisfied, strict=True):
            if not satisfied:
                satisfied.update(dict.fromkeys(dependency.outputs, BY_FORCE))
                self.listener.changed(node, "prerequisites")
        self.pull_trigger(node)

    def pull_trigger(self, node: Node) -> None:
        """Let the external trigger of a task come."""
        if not node.triggered:
            node.triggered = True
            self._expecting.pop(node.key, None)
            self.listener.changed(node, "triggers")

    def note(self, node: Node) -> None:
        """Look again at a task whose state or flags have changed."""
        self._sort(node)
        self.listener.changed(node)

    def admit(self, node: Node) -> None:
        """Let a task of the pool run if it is within the runahead limit and ready."""
        if node.key.point <= self.limit:
            self._release(node)
        else:
            self.note(node)

    def set_stop(self, point: int) -> None:
        """Run no cycle point after this one."""
        self.stop_index = point
        for node in self:
            if point < node.key.point <= self.limit and node.state == "waiting":
                node.is_runahead = True
                if node.is_queued:
                    node.is_queued = False
                self.note(node)
        self.release_runahead()

    def set_hold(self, point: int) -> None:
        """Hold all tasks after this cycle point."""
        self.hold_index = point
        for node in self:
            if node.key.point > point:
                self.hold(node)

    def release_all(self) -> None:
        """Let all held tasks go on, and hold no cycle points any more."""
        self.hold_index = None
        for node in list(self):
            self.release(node)
        self.to_hold.clear()

    def reload(self, definition: Definition) -> None:
        """Go on with another definition; tasks that it has no more leave the pool.

        Jobs that run go on. New tasks without prerequisites start at the cycle points after the
        runahead limit.
        """
        gone = [node for node in self if node.key.name not in definition.tasks]
        if self._next:
            self._next = {name: self._next.get(name, self.limit + 1) for name in definition.tasks}
        self.definition = definition
        for node in gone:
            self.remove(node)
        self.nodes = {key: node for key, node in self.nodes.items() if self.exists(key)}
        self.to_hold = {key for key in self.to_hold if self.exists(key)}
        for node in [node for node in self if not self.exists(node.key)]:
            self.remove(node)
        for node in self.nodes.values():
            self._renew(node)
        self.limit = -1
        self.release_runahead()

    def _renew(self, node: Node) -> None:
        """Give a task its new definition; what was satisfied stays so."""
        old = dict(zip(node.task.dependencies, node.satisfied, strict=True))
        node.task = self.definition.tasks[node.key.name]
        fresh = Node(node.key, node.cycle, node.task)
        node.satisfied = [
            old.get(wanted, satisfied)
            for wanted, satisfied in zip(node.task.dependencies, fresh.satisfied, strict=True)
        ]
        node.done &= {*OUTPUTS, *node.task.outputs}
        if node.task.external_trigger is None:
            node.triggered = True
        if node.in_pool:
            self._sort(node)
            if node.is_queued and not node.is_satisfied:
                self.dequeue(node)
            elif not node.is_queued:
                self.queue_if_ready(node)

    def _base(self) -> int:
        return min(self.active) if self.active else max(0, min(self._next.values(), default=0) - 1)

    def _spawn_up_to(self, task: Task, index: int) -> int:
        """Spawn a task that needs no other one from `index` to one beyond the limit."""
        last = len(self.definition.cycle_points) - 1
        while index <= min(self.limit + 1, last) and _is_parentless(task, index):
            self.spawn(Key(index, task.name), (_FIRST_FLOW,))
            index += 1
        return index

    def _enter(self, node: Node) -> None:
        node.in_pool = True
        node.is_runahead = node.key.point > self.limit
        beyond = self.hold_index is not None and node.key.point > self.hold_index
        if beyond or node.key in self.to_hold:
            node.is_held = True
            self.to_hold.add(node.key)
        self.nodes[node.key] = node
        self.active.setdefault(node.key.point, {})[node.key.name] = node
        self.listener.entered(node)
        self.queue_if_ready(node)

    def _release(self, node: Node) -> None:
        node.is_runahead = False
        self.queue_if_ready(node)

    def _is_ready(self, node: Node) -> bool:
        return (
            node.in_pool
            and node.state == "waiting"
            and not (node.is_held or node.is_queued or node.is_runahead)
            and node.triggered
            and node.is_satisfied
        )

    def _sort(self, node: Node) -> None:
        """Keep count of who is busy, and of who can still do something without help."""
        if node.in_pool and not node.triggered:
            self._expecting[node.key] = node
        else:
            self._expecting.pop(node.key, None)
        if node.is_queued and not node.is_held:
            self.queue.setdefault(node.key, node)
        else:
            self.queue.pop(node.key, None)
        busy = node.in_pool and node.state in BUSY
        (self.busy.add if busy else self.busy.discard)(node.key)
        ready = node.in_pool and node.state == "waiting" and node.is_satisfied
        lively = busy or (ready and not node.is_runahead)
        (self.lively.add if lively else self.lively.discard)(node.key)

    def _tell_children(self, node: Node, label: str) -> None:
        children = node.task.children.get(label, ()) if node.flows and not node.flow_wait else ()
        for child in children:
            key = Key(node.key.point + child.offset, child.task)
            spawned = self.spawn(key, node.flows)
            if spawned is None:
                continue
            self.satisfy(spawned, Dependency(node.task.name, -child.offset, ()), label, NATURALLY)
            self.admit(spawned)


def descends(task: Task, name: str) -> bool:
    """Tell whether a task has this name or inherits from a family with it."""
    return name == ROOT or name in task.namespace


def _is_parentless(task: Task, index: int) -> bool:
    return all(index + wanted.offset < 0 for wanted in task.dependencies)
