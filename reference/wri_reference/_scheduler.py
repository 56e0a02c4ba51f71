"""A simulated scheduler: runs a workflow in a data store, without jobs, sockets or a clock.

Times are seconds since the epoch, and arguments. It behaves as a real scheduler does where a
client can see it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from wri_proto.v1.data_store_pb2 import AllDeltas
from wri_reference import _arguments, _globs
from wri_reference._actions import Actions
from wri_reference._broadcasts import EVERY, Broadcasts, Change, check_settings
from wri_reference._elements import Identity
from wri_reference._errors import RemoteProtocolError
from wri_reference._ids import Tokens
from wri_reference._messages import quote
from wri_reference._pool import ACTIVE, Key, Pool
from wri_reference._runner import Runner
from wri_reference._store import DataStore
from wri_reference._targets import Targets
from wri_reference._view import View, stamp
from wri_reference._workflow import Definition, DefinitionError

AUTOMATIC: Final = "AUTOMATIC"
_EXPLAINED: Final = {
    AUTOMATIC: "waiting for active jobs to complete",
    "REQUEST(CLEAN)": "waiting for active jobs to complete",
    "REQUEST(KILL)": "killing active jobs",
    "REQUEST(NOW)": "shutting down",
    "REQUEST(NOW-NOW)": "shutting down",
}
_AWAIT_JOBS: Final = (AUTOMATIC, "REQUEST(CLEAN)", "REQUEST(KILL)")

Command = Callable[[float], None]


class Scheduler:
    """Runs a workflow.

    Commands are methods; their arguments are those of the mutations. They raise
    `RemoteProtocolError` if they make no sense, and take effect in the next `tick`. Those that
    return a text have one for the client; the others only have to be confirmed.

    Args:
        definition: the workflow.
        identity: what the data store says about who and where it is.
        now: the time.
        paused: whether it waits for `resume` before anything runs.
        read: returns the definition again at a reload; without it, it stays the same.

    Attributes:
        stopped: why it has stopped, as it is to be published with `shutdown`; None while it runs.
    """

    def __init__(
        self,
        definition: Definition,
        identity: Identity,
        now: float,
        paused: bool = False,
        read: Callable[[], Definition] | None = None,
    ) -> None:
        self.definition = definition
        self._read = read
        self.stopped: str | None = None
        self._broadcasts = Broadcasts()
        self._view = View(definition, identity, self._broadcasts)
        self._pool = Pool(definition, self._view)
        self._runner = Runner(self._pool)
        self._targets = Targets(self._pool)
        self._actions = Actions(self._pool, self._runner, self._targets)
        self._commands: list[Command] = []
        self._paused = paused
        self._reloading = ""
        self._stalled = False
        self._stopping: str | None = None
        self._stop_time: float | None = None
        self._stop_task: Key | None = None
        self._external: list[tuple[str, str]] = []
        self._set_status()
        self._ready = [self._view.start(now)]
        self._pool.start()
        self._flush(now, self._ready)

    @property
    def store(self) -> DataStore:
        """Return what clients see."""
        return self._view.store

    def next_event(self, now: float) -> float | None:
        """Return in how many seconds there is something to do; None if only after a command."""
        if self.stopped is not None:
            return None
        if self._commands or self._ready:
            return 0.0
        times = [one for one in (self._runner.due, self._stop_time) if one is not None]
        if self._may_submit and self._pool.has_ready:
            times.append(now)
        return max(0.0, min(times) - now) if times else None

    def tick(self, now: float) -> list[AllDeltas]:
        """Do what is due by `now`, and return the batches to publish, in order."""
        batches, self._ready = self._ready, []
        if self.stopped is not None or (self.next_event(now) != 0.0 and not batches):
            return batches
        commands, self._commands = self._commands, []
        for command in commands:
            command(now)
        batches += self._ready
        self._ready = []
        self._run(now)
        self._flush(now, batches)
        return batches

    # -- commands about the workflow ------------------------------------------------------

    def pause(self) -> None:
        """Submit no more tasks; jobs that run go on."""

        def carry_out(_: float) -> None:
            self._paused = True

        self._commands.append(carry_out)

    def resume(self) -> None:
        """Submit tasks again."""

        def carry_out(now: float) -> None:
            self._paused = False
            self._stalled = False
            self._actions.resume(now)

        self._commands.append(carry_out)

    def stop(
        self,
        mode: Any = None,
        cycle_point: Any = None,
        clock_time: Any = None,
        task: Any = None,
        flow_num: int | None = None,
    ) -> None:
        """Stop the workflow at once, or after a cycle point, a time or a task; or stop a flow.

        Raises:
            RemoteProtocolError: there is no such mode, cycle point, time or task.
        """
        if flow_num is not None:
            self._commands.append(lambda _: self._pool.stop_flow(flow_num))
        elif cycle_point is not None:
            point = _arguments.point(self.definition, cycle_point)
            self._commands.append(lambda _: self._pool.set_stop(point))
        elif clock_time is not None:
            moment = _arguments.moment(clock_time)
            self._commands.append(lambda _: self._set_stop_time(moment))
        elif task is not None:
            key = self._targets.exact(task)
            self._commands.append(lambda _: self._set_stop_task(key))
        else:
            reason = _arguments.mode(mode)
            self._commands.append(lambda now: self._begin_stop(reason, now))

    def reload(self, reload_global: bool = False) -> None:
        """Read the definition again and go on with it.

        What is global has nothing to do with the workflow of a simulation; it is ignored.

        Raises:
            RemoteProtocolError: it cannot be used, or cycle points that there were are gone.
        """
        del reload_global
        try:
            new = self.definition if self._read is None else self._read()
        except DefinitionError as error:
            raise RemoteProtocolError(str(error)) from None
        old, points = self.definition.cycle_points, new.cycle_points
        if any(one != other for one, other in zip(old, points, strict=False)):
            raise RemoteProtocolError("a reload can add cycle points, and drop the last ones only")
        self._commands.append(lambda now: self._reload(new, now))

    def set_hold_point(self, point: Any) -> None:
        """Hold all tasks after a cycle point, those that are yet to come as well.

        Raises:
            RemoteProtocolError: it is not a cycle point.
        """
        index = _arguments.point(self.definition, point)
        self._commands.append(lambda _: self._pool.set_hold(index))

    def release_hold_point(self) -> None:
        """Release all tasks, and hold no cycle points any more."""
        self._commands.append(lambda _: self._actions.release_all())

    def set_verbosity(self, level: Any) -> None:
        """Do nothing: a simulation has no log but the one in the data store.

        Raises:
            RemoteProtocolError: there is no such level.
        """
        _arguments.level(level)

    def set_graph_window_extent(self, n_edge_distance: int) -> str:
        """Show tasks as many edges away from the pool.

        Raises:
            RemoteProtocolError: it is negative.
        """
        if n_edge_distance < 0:
            raise RemoteProtocolError("Edge distance cannot be negative")
        self._commands.append(lambda _: self._view.resize(n_edge_distance))
        return f"Maximum edge distance set to {n_edge_distance}"

    # -- commands about tasks -------------------------------------------------------------

    def hold(self, tasks: Sequence[Any]) -> None:
        """Hold tasks, also ones that are yet to come."""
        ids = _globs.parse_tasks(tasks)
        self._commands.append(lambda _: self._actions.hold(ids))

    def release(self, tasks: Sequence[Any]) -> None:
        """Release tasks, also ones that are yet to come."""
        ids = _globs.parse_tasks(tasks)
        self._commands.append(lambda _: self._actions.release(ids))

    def trigger(
        self,
        tasks: Sequence[Any],
        flow: Sequence[Any] | None = None,
        flow_wait: bool = False,
        flow_descr: str | None = None,
        on_resume: bool = False,
    ) -> None:
        """Run tasks now, even if the workflow is paused; in the order of the graph, if several.

        Raises:
            RemoteProtocolError: the arguments make no sense.
        """
        del flow_descr
        ids = _globs.parse_tasks(tasks)
        flows = _arguments.flows(flow, wait=flow_wait)
        self._commands.append(
            lambda now: self._actions.trigger(
                ids, flows, now, wait=flow_wait, on_resume=on_resume and self._paused
            )
        )

    def set_(
        self,
        tasks: Sequence[Any],
        flow: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        prerequisites: Sequence[Any] | None = None,
        flow_wait: bool = False,
        flow_descr: str | None = None,
    ) -> None:
        """Set outputs of tasks, those that are required by default, or prerequisites.

        Raises:
            RemoteProtocolError: the arguments make no sense.
        """
        del flow_descr
        if outputs and prerequisites:
            raise RemoteProtocolError("outputs and prerequisites do not fit together")
        ids = _globs.parse_tasks(tasks)
        flows = _arguments.flows(flow, wait=flow_wait)
        labels = _arguments.outputs(outputs)
        wanted = _arguments.prerequisites(prerequisites)
        self._commands.append(
            lambda _: self._actions.set_(ids, flows, labels, wanted, wait=flow_wait)
        )

    def remove(self, tasks: Sequence[Any], flow: Sequence[Any] | None = None) -> None:
        """Take tasks out of the flows, as if they had never run.

        Raises:
            RemoteProtocolError: the arguments make no sense.
        """
        ids = _globs.parse_tasks(tasks)
        flows = _arguments.flows(flow, existing=True)
        self._commands.append(lambda now: self._actions.remove(ids, flows, now))

    def kill(self, tasks: Sequence[Any]) -> None:
        """End the jobs of tasks; the tasks fail and are held."""
        ids = _globs.parse_tasks(tasks)
        self._commands.append(lambda now: self._actions.kill(ids, now))

    def poll(self, tasks: Sequence[Any]) -> None:
        """Ask for the state of jobs: those of a simulation are always as they are shown."""
        ids = _globs.parse_tasks(tasks)
        self._commands.append(lambda _: self._look_up(ids))

    def message(self, task_job: Any, event_time: Any = None, messages: Any = None) -> str:
        """Take messages of a job, each `[severity, text]`.

        Raises:
            RemoteProtocolError: they have another form, or it is no job.
        """
        job = _arguments.job(task_job)
        moment = None if event_time is None else _arguments.moment(event_time)
        texts = _arguments.messages(messages)
        self._commands.append(
            lambda now: self._actions.take(job, texts, now if moment is None else moment)
        )
        return f"Messages queued: {len(texts)}"

    def ext_trigger(self, message: str, id: str) -> str:  # noqa: A002 - the argument's name
        """Let an event come: the first task that waits for `message` waits no more."""
        self._commands.append(lambda _: self._external.append((message, id)))
        return "Event queued"

    def broadcast(
        self,
        mode: Any = "Set",
        cycle_points: Sequence[Any] | None = None,
        namespaces: Sequence[Any] | None = None,
        settings: Sequence[Any] | None = None,
        cutoff: Any = None,
    ) -> list[Any]:
        """Set or clear settings of tasks, or let them expire before the cycle point `cutoff`.

        Returns:
            What changed, as `[[cycle point, namespace, setting], …]`, and what could not.

        Raises:
            RemoteProtocolError: there is no such mode, or a setting is not an object.
        """
        known = (*self.definition.families, *self.definition.tasks)
        given = check_settings(settings)
        names = [str(name) for name in namespaces or ()]
        points, bad = self._broadcast_points(cycle_points or ())
        changes: list[Change] | None
        match str(mode).lower():
            case "set":
                if not names:
                    names = ["root"]
                if not (points or bad):
                    points = [EVERY]
                changes, rejected = self._broadcasts.put(points, bad, names, known, given)
            case "clear":
                changes, rejected = self._broadcasts.clear([*points, *bad], names, given)
            case "expire":
                expired = self._expired(cutoff)
                if not expired:
                    return [None, {"expire": [cutoff]}]
                changes, rejected = self._broadcasts.clear(expired, (), ())
            case _:
                raise RemoteProtocolError(f"there is no mode {quote(str(mode))}")
        if changes:
            self._commands.append(lambda _: self._view.show_broadcasts())
        return [changes, rejected]

    # -- a tick ---------------------------------------------------------------------------

    @property
    def _may_submit(self) -> bool:
        return not self._paused and self._stopping is None

    def _run(self, now: float) -> None:
        """Let happen what is due, each thing at its time."""
        self._pull_triggers()
        if self._may_submit:
            self._runner.submit_ready(now)
        while self._stopping not in {"REQUEST(NOW)", "REQUEST(NOW-NOW)"}:
            due = self._runner.due
            if due is None or due > now:
                break
            self._runner.advance()
            self._pull_triggers()
            if self._may_submit:
                self._runner.submit_ready(due)
            self._look_for_end()
        if self._stop_time is not None and self._stop_time <= now:
            self._stop_time = None
            self._begin_stop("REQUEST(CLEAN)", now)
        self._look_for_end()
        self._look_for_stall()

    def _look_for_end(self) -> None:
        key = self._stop_task
        if key is not None and "succeeded" in self._pool.look(key).done:
            self._stop_task = None
            self._stopping = self._stopping or AUTOMATIC
        if self._pool.is_finished and not (self._paused or self._stopping):
            self._stopping = AUTOMATIC

    def _look_for_stall(self) -> None:
        if self._pool.lively:
            self._stalled = False
        elif not (self._paused or self._stalled or self._stopping) and self._pool.is_stuck:
            self._stalled = True
            self._view.log("CRITICAL", "Workflow stalled")

    def _flush(self, now: float, batches: list[AllDeltas]) -> None:
        reason = self._stopping
        if reason is not None and not (reason in _AWAIT_JOBS and self._pool.has_jobs):
            self.stopped = reason
        self._set_status()
        batch = self._view.flush(self._pool, now)
        if batch is not None:
            batches.append(batch)

    def _set_status(self) -> None:
        self._view.status, self._view.status_msg = self._status()

    def _status(self) -> tuple[str, str]:
        if self._stopping is not None:
            return "stopping", f"stopping: {_EXPLAINED[self._stopping]}"
        if self._reloading:
            return "paused", f"reloading: {self._reloading}"
        status = "paused" if self._paused else "running"
        if self._stalled:
            return status, "stalled and paused" if self._paused else "stalled"
        if self._paused:
            return status, "paused"
        return status, self._outlook()

    def _outlook(self) -> str:
        if self._stop_time is not None:
            return f"running to stop at {stamp(self._stop_time)}"
        points = self.definition.cycle_points
        pool = self._pool
        ends: list[tuple[int, str]] = []
        if self._stop_task is not None:
            key = self._stop_task
            ends.append((key.point, f"stop at {points[key.point]}/{key.name}"))
        if pool.stop_index is not None:
            ends.append((pool.stop_index, f"stop at {self.definition.point(pool.stop_index)}"))
        if pool.hold_index is not None:
            ends.append((pool.hold_index, f"hold at {self.definition.point(pool.hold_index)}"))
        if not ends:
            return f"running to stop at {points[-1]}"
        return f"running to {min(ends, key=lambda end: end[0])[1]}"

    def _pull_triggers(self) -> None:
        for event in list(self._external):
            message, identifier = event
            for node in self._pool.expecting:
                if node.task.external_trigger != message or node.is_runahead:
                    continue
                self._external.remove(event)
                self._pool.pull_trigger(node)
                setting = {"environment": {"CYLC_EXT_TRIGGER_ID": identifier}}
                self._broadcasts.put([node.cycle], (), ["root"], ["root"], [setting])
                self._view.show_broadcasts()
                self._pool.queue_if_ready(node)
                break

    # -- what commands do -----------------------------------------------------------------

    def _look_up(self, ids: Sequence[Tokens]) -> None:
        self._targets.match(ids, others=False)

    def _begin_stop(self, reason: str, now: float) -> None:
        self._stopping = reason
        if reason == "REQUEST(KILL)":
            for node in [node for node in self._pool if node.state in ACTIVE]:
                self._runner.kill(node, now)

    def _set_stop_time(self, moment: float) -> None:
        self._stop_time = moment

    def _set_stop_task(self, key: Key) -> None:
        self._stop_task = key

    def _reload(self, definition: Definition, now: float) -> None:
        paused, self._reloading = self._paused, "loading the workflow definition"
        self._flush(now, self._ready)
        self._view = self._view.successor(definition)
        self._pool.listener = self._view
        self._set_status()
        self._ready.append(self._view.start(now))
        self.definition = definition
        self._pool.reload(definition)
        for node in self._pool:
            self._view.entered(node)
        if self._stop_task is not None and not self._pool.exists(self._stop_task):
            self._stop_task = None
        self._reloading = ""
        self._paused = paused

    def _expired(self, cutoff: Any) -> list[str]:
        before = None if cutoff is None else _arguments.point(self.definition, cutoff)
        return [
            point
            for point in self._broadcasts.settings
            if before is None
            or (point != EVERY and _arguments.point(self.definition, point) < before)
        ]

    def _broadcast_points(self, given: Iterable[Any]) -> tuple[list[str], list[str]]:
        """Return cycle points as they are printed, and what is none."""
        points: list[str] = []
        bad: list[str] = []
        for text in map(str, given):
            if text == EVERY:
                points.append(text)
                continue
            try:
                index = _arguments.point(self.definition, text)
            except RemoteProtocolError:
                bad.append(text)
                continue
            known = self.definition.cycle_points[max(index, 0)]
            points.append(known if _globs.same_point(known, text) else text)
        return points, bad

    # -- which tasks ----------------------------------------------------------------------
