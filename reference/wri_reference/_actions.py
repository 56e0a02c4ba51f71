"""What commands do to the tasks of a pool."""

from collections.abc import Collection, Iterable, Sequence

from wri_reference import _arguments, _globs
from wri_reference._arguments import Flows, JobId, Message, Prerequisite
from wri_reference._ids import Tokens
from wri_reference._pool import BUSY, BY_FORCE, NATURALLY, Key, Node, Pool
from wri_reference._runner import Runner
from wri_reference._targets import Targets
from wri_reference._workflow import Dependency


class Actions:
    """Carries out commands that are about tasks, once their arguments are checked.

    Attributes:
        on_resume: the tasks that will be submitted when the workflow is resumed.
    """

    def __init__(self, pool: Pool, runner: Runner, targets: Targets) -> None:
        self.on_resume: list[Node] = []
        self._pool = pool
        self._runner = runner
        self._targets = targets
        self._last_flow = 1

    def hold(self, ids: Sequence[Tokens]) -> None:
        """Hold tasks, also ones that are yet to come."""
        active, others = self._targets.match(ids)
        for node in active:
            self._pool.hold(node)
        for key in others:
            self._pool.to_hold.add(key)
            self._pool.listener.touch(key)

    def release(self, ids: Sequence[Tokens]) -> None:
        """Release tasks, also ones that are yet to come."""
        active, others = self._targets.match(ids)
        for node in active:
            self._pool.release(node)
        for key in others:
            self._pool.to_hold.discard(key)
            self._pool.listener.touch(key)

    def release_all(self) -> None:
        """Release all tasks, and hold no cycle points any more."""
        for key in self._pool.to_hold:
            self._pool.listener.touch(key)
        self._pool.release_all()

    def kill(self, ids: Sequence[Tokens], now: float) -> None:
        """End the jobs of tasks."""
        active, _ = self._targets.match(ids, others=False)
        spared = [node.relative for node in active if not self._runner.kill(node, now)]
        if spared:
            self._pool.listener.log("WARNING", f"Tasks not killable: {', '.join(spared)}")

    def remove(self, ids: Sequence[Tokens], flows: Flows, now: float) -> None:
        """Take tasks out of flows."""
        active, others = self._targets.match(ids)
        for key in (*(node.key for node in active), *others):
            self._remove(key, flows.numbers, now)
        self._pool.release_runahead()

    def resume(self, now: float) -> None:
        """Submit the tasks that waited for the workflow to be resumed."""
        waiting, self.on_resume = self.on_resume, []
        for node in waiting:
            if node.in_pool and node.state not in BUSY:
                self._runner.submit(node, now)

    def trigger(
        self, ids: Sequence[Tokens], wanted: Flows, now: float, *, wait: bool, on_resume: bool
    ) -> None:
        """Run tasks now; of a group, those first that need nothing of it."""
        active, others = self._targets.match(ids)
        group = {node.key for node in active} | set(others)
        flows = self._flows(wanted, active)
        again = list(others)
        for node in active:
            if self._parents_in(node, group):
                again.append(node.key)
                self._remove(node.key, frozenset(), now)
            elif node.state in BUSY:
                self._pool.listener.log(
                    "WARNING", f"Job already in process - ignoring trigger: {node.relative}"
                )
                self._merge(node, flows)
            else:
                self._merge(node, flows)
                self._pool.satisfy_all(node)
                self._run_now(node, now, on_resume=on_resume)
        for key in others:
            self._forget(key, flows)
        for key in again:
            self._trigger_anew(key, group, flows, now, wait=wait, on_resume=on_resume)

    def set_(
        self,
        ids: Sequence[Tokens],
        wanted: Flows,
        labels: Sequence[str],
        prerequisites: Sequence[Prerequisite],
        *,
        wait: bool,
    ) -> None:
        """Set outputs or prerequisites of tasks."""
        active, others = self._targets.match(ids)
        flows = self._flows(wanted, active)
        for node in active:
            self._merge(node, flows)
        for key in (*(node.key for node in active), *others):
            if prerequisites:
                self._set_prerequisites(key, prerequisites, flows)
            else:
                self._set_outputs(key, labels, flows, wait=wait)
        self._pool.release_runahead()

    def take(self, job: JobId, messages: Sequence[Message], now: float) -> None:
        """Take the messages of a job."""
        point = self._targets.point(job.cycle)
        node = self._pool.nodes.get(Key(-1 if point is None else point, job.task))
        current = node.job if node is not None else None
        known = current is not None and current.number == job.number and current.finished is None
        for severity, text in messages:
            if node is not None and known:
                self._runner.receive(node, severity, text, now)
            else:
                self._pool.listener.log(
                    "WARNING",
                    "Undeliverable task messages received and ignored:\n"
                    f'  {job.cycle}/{job.task}/{job.number:02}: {severity} - "{text}"',
                )

    def _trigger_anew(
        self,
        key: Key,
        group: Collection[Key],
        flows: set[int],
        now: float,
        *,
        wait: bool,
        on_resume: bool,
    ) -> None:
        """Run a task again; what it needs of the same group it waits for."""
        task = self._pool.definition.tasks[key.name]
        inside = [
            one for one in task.dependencies if Key(key.point + one.offset, one.task) in group
        ]
        if inside and len(inside) == len(task.dependencies):
            return  # the others will spawn it
        node = self._pool.spawn(key, flows, again=True)
        if node is None:
            return
        node.flow_wait = wait
        for one in task.dependencies:
            if one not in inside:
                for label in one.outputs:
                    self._pool.satisfy(node, one, label, BY_FORCE)
        self._pool.pull_trigger(node)
        if inside:
            self._pool.admit(node)
        else:
            self._run_now(node, now, on_resume=on_resume)

    def _run_now(self, node: Node, now: float, *, on_resume: bool) -> None:
        if on_resume:
            self.on_resume.append(node)
        else:
            self._runner.submit(node, now)

    def _set_prerequisites(
        self, key: Key, wanted: Sequence[Prerequisite], flows: Iterable[int]
    ) -> None:
        task = self._pool.definition.tasks[key.name]
        chosen: list[tuple[Dependency, str]] = []
        for one in wanted:
            if _arguments.is_xtrigger(one):
                continue
            found = self._dependencies(key, one)
            if not found:
                self._pool.listener.log(
                    "WARNING",
                    f"{self._pool.definition.point(key.point)}/{task.name} does not depend on "
                    f'"{one.cycle}/{one.task}:{one.output}"',
                )
            chosen += found
        everything = any(one.cycle is None for one in wanted)
        triggered = everything or any(_arguments.is_xtrigger(one) for one in wanted)
        if not chosen and not triggered and not everything:
            return
        node = self._pool.spawn(key, flows, again=True)
        if node is None:
            return
        for dependency, label in chosen:
            self._pool.satisfy(node, dependency, label, BY_FORCE)
        if triggered:
            self._pool.pull_trigger(node)
        self._pool.admit(node)

    def _dependencies(self, key: Key, wanted: Prerequisite) -> list[tuple[Dependency, str]]:
        """Return the dependencies of a task, and which output of each, that are meant."""
        found = []
        for one in self._pool.definition.tasks[key.name].dependencies:
            point = self._pool.definition.point(key.point + one.offset)
            if wanted.cycle is not None and not (
                one.task == wanted.task and _globs.same_point(point, wanted.cycle)
            ):
                continue
            outputs = self._pool.definition.tasks[one.task].outputs
            found += [
                (one, label)
                for label in one.outputs
                if wanted.output in {None, label, outputs.get(label)}
            ]
        return found

    def _set_outputs(
        self, key: Key, labels: Sequence[str], flows: Iterable[int], *, wait: bool
    ) -> None:
        node = self._pool.get(key)
        if node is None:
            # It does not enter the pool: all that has to happen happens now.
            old = self._pool.nodes.get(key)
            node = old if old is not None else self._pool.look(key)
            node.flows |= set(flows)
            self._pool.nodes[key] = node
        node.flow_wait = wait
        task = node.task
        for label in labels or task.required:
            known = {message: name for name, message in task.outputs.items()}.get(label, label)
            if not task.has_output(known):
                self._pool.listener.log("WARNING", f"Output {node.relative}:{label} not found")
                continue
            self._runner.force(node, known)
        self._pool.listener.changed(node, "outputs")

    def _remove(self, key: Key, numbers: frozenset[int], now: float) -> None:
        node = self._pool.nodes.get(key)
        if node is None:
            return
        gone = node.flows & numbers if numbers else set(node.flows)
        if numbers and not gone:
            return
        node.flows -= gone
        if node.in_pool and not node.flows:
            self._pool.remove(node)
            if node.state in BUSY:
                self._runner.kill(node, now)
                self._pool.to_hold.discard(key)
        self._pool.listener.changed(node)
        for child in {one for some in node.task.children.values() for one in some}:
            self._withdraw(node, Key(key.point + child.offset, child.task), -child.offset, gone)

    def _withdraw(self, parent: Node, key: Key, offset: int, flows: set[int]) -> None:
        """Let a task know that one of those that it waited for has not run after all."""
        node = self._pool.get(key)
        if node is None or not node.flows & flows:
            return
        if not self._pool.unsatisfy(node, parent.name, offset, NATURALLY):
            return
        if node.state != "waiting" or node.is_satisfied or node.flows - flows:
            return
        if node.is_queued:
            self._pool.dequeue(node)
        if not any(node.satisfied):
            node.flows -= flows
            self._pool.remove(node)

    def _parents_in(self, node: Node, group: Collection[Key]) -> bool:
        return any(
            Key(node.key.point + one.offset, one.task) in group for one in node.task.dependencies
        )

    def _flows(self, wanted: Flows, active: Sequence[Node]) -> set[int]:
        if wanted.new:
            self._last_flow += 1
            return {self._last_flow}
        if wanted.none:
            return set()
        if wanted.numbers:
            self._last_flow = max(self._last_flow, *wanted.numbers)
            return set(wanted.numbers)
        nodes: Iterable[Node] = active or self._pool
        return set().union(*(node.flows for node in nodes)) or {self._last_flow}

    def _merge(self, node: Node, flows: set[int]) -> None:
        if flows - node.flows:
            node.flows |= flows
            self._pool.note(node)

    def _forget(self, key: Key, flows: set[int]) -> None:
        node = self._pool.nodes.get(key)
        if node is not None:
            node.flows -= flows
