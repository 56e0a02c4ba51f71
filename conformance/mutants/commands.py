"""Faults of commands: what a scheduler does about them (section 7.7)."""

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from mutants.peer import Body, DeadError, Mutant
from mutants.registry import add, fault
from wri_proto.v1.data_store_pb2 import AllDeltas
from wri_reference import RemoteProtocolError, _globs, _graphql
from wri_reference import server as reference
from wri_reference._scheduler import Scheduler

CONTROL = "server/control"
HOLD = f"{CONTROL}/hold-release::"
PAUSE = f"{CONTROL}/pause-resume::"
BROADCAST = f"{CONTROL}/broadcast::"
PREREQUISITES = f"{CONTROL}/set-prerequisites::"
EXTERNAL = f"{CONTROL}/ext-trigger::"


class Commanded(Mutant):
    """A correct server with a scheduler of another class."""

    scheduler: type[Scheduler] = Scheduler

    def run(self) -> None:
        with patch.object(reference, "Scheduler", self.scheduler):
            super().run()


def scheduler(name: str, breaks: list[str]) -> Callable[[type[Scheduler]], type[Scheduler]]:
    """Make a scheduler a fault, which differs from the correct one in what its docstring says."""

    def register(wrong: type[Scheduler]) -> type[Scheduler]:
        about = wrong.__doc__ or ""
        add(name, about, breaks, type(wrong.__name__, (Commanded,), {"scheduler": wrong}))
        return wrong

    return register


# -- results


Result = list[dict[str, Any]]


class _Results(Mutant):
    """Changes the results of mutations."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        data = super().carry_out(document, variables, operation)
        for field in data.values():
            if isinstance(field, dict) and "result" in field:
                field["result"] = self.spoil(field["result"])
        return data

    def spoil(self, result: Result) -> Result:
        """Return what is sent instead of the right `result`."""
        raise NotImplementedError


@fault(
    "results-without-id",
    [f"{CONTROL}/results::accepted::WRI-CTL-3", f"{CONTROL}/results::accepted::WRI-CTL-5"],
)
class ResultsWithoutId(_Results):
    """Does not say which workflow a result is for."""

    def spoil(self, result: Result) -> Result:
        return [{"response": entry["response"]} for entry in result]


@fault(
    "response-is-a-boolean",
    [
        f"{CONTROL}/results::accepted::WRI-CTL-5",
        f"{CONTROL}/message::message::WRI-CTL-5",
        f"{EXTERNAL}event::WRI-CTL-5",
        f"{CONTROL}/no-workflow/*::result::WRI-CTL-4",
    ],
)
class ResponseIsABoolean(_Results):
    """Says whether a command is accepted, and no more."""

    def spoil(self, result: Result) -> Result:
        return [{**entry, "response": entry["response"][0]} for entry in result]


@fault("no-workflow-no-result", [f"{CONTROL}/no-workflow/*::result::WRI-CTL-4"])
class NoWorkflowNoResult(_Results):
    """Has no entry in the result if the workflow is not meant."""

    def spoil(self, result: Result) -> Result:
        return [entry for entry in result if "id" in entry]


@fault("names-another-workflow", [f"{CONTROL}/results::accepted::WRI-CTL-3"])
class NamesAnotherWorkflow(_Results):
    """Says that another workflow was told."""

    def spoil(self, result: Result) -> Result:
        return [{**entry, "id": "~nobody/nothing"} for entry in result]


# -- which workflow


class _Selection(Mutant):
    """Selects workflows in its own way."""

    def run(self) -> None:
        with patch.object(_globs, "workflow_filter", self.selection):
            super().run()

    def selection(self, ids: Sequence[Any], _exids: Sequence[Any] = ()) -> Callable[..., bool]:
        """Return what tells whether a workflow is meant: its owner, id and status are given."""
        raise NotImplementedError


@fault(
    "obeys-everybody",
    [
        f"{CONTROL}/no-workflow/*::result::WRI-CTL-4",
        f"{CONTROL}/no-workflow/*::only-the-later::WRI-CTL-8",
    ],
)
class ObeysEverybody(_Selection):
    """Carries out what is meant for other workflows."""

    def selection(self, _ids: Sequence[Any], _exids: Sequence[Any] = ()) -> Callable[..., bool]:
        return lambda *_: True


@fault(
    "knows-its-bare-id-only",
    [
        f"{CONTROL}/workflows/{case}::{step}::WRI-CTL-9"
        for case in ("id-with-owner", "glob")
        for step in ("accepted", "effect")
    ],
)
class BareIdOnly(_Selection):
    """Does not know itself by its owner, nor by a glob but `*`."""

    def selection(self, ids: Sequence[Any], _exids: Sequence[Any] = ()) -> Callable[..., bool]:
        return lambda _owner, workflow, _status: not ids or bool({"*", workflow} & set(ids))


@fault(
    "looks-at-one-workflow",
    [f"{CONTROL}/workflows/one-of-several::{step}::WRI-CTL-9" for step in ("accepted", "effect")],
)
class LooksAtOneWorkflow(_Selection):
    """Looks at the first id of a workflow only."""

    def selection(self, ids: Sequence[Any], _exids: Sequence[Any] = ()) -> Callable[..., bool]:
        return _RIGHT_SELECTION(ids[:1])


_RIGHT_SELECTION = _globs.workflow_filter


# -- what is offered


class _WithoutMutation(Mutant):
    """Does not offer one of the mutations."""

    missing = ""

    def run(self) -> None:
        with patch.object(_graphql, "load_schema", self.load):
            super().run()

    def load(self) -> Any:
        """Return the schema without it."""
        schema = _RIGHT_SCHEMA()
        assert schema.mutation_type is not None
        del schema.mutation_type.fields[self.missing]
        return schema


_RIGHT_SCHEMA = _graphql.load_schema


@fault("no-poll", [f"{CONTROL}/schema::*"])
class NoPoll(_WithoutMutation):
    """Does not offer a mutation of all releases."""

    missing = "poll"


@fault("no-set", [f"{CONTROL}/schema::release::WRI-CTL-2"])
class NoSet(_WithoutMutation):
    """Does not offer a mutation of its release."""

    missing = "set"


# -- order, and what is refused


@scheduler("last-command-first", [f"{CONTROL}/results::effect-in-order::WRI-CTL-10"])
class LastCommandFirst(Scheduler):
    """Carries out the commands that it has in the wrong order."""

    def tick(self, now: float) -> list[AllDeltas]:
        self._commands.reverse()
        return super().tick(now)


@scheduler(
    "sets-both",
    [f"{PREREQUISITES}both::WRI-CTL-34", f"{PREREQUISITES}all-of-them::WRI-CTL-8"],
)
class SetsBoth(Scheduler):
    """Accepts outputs and prerequisites together."""

    def set_(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        if more.get("outputs") and more.get("prerequisites"):
            super().set_(tasks, *args, **{**more, "outputs": None})
        else:
            super().set_(tasks, *args, **more)


@scheduler("refuses-and-sets", [f"{PREREQUISITES}all-of-them::WRI-CTL-8"])
class RefusesAndSets(Scheduler):
    """Sets the prerequisites of a command that it refuses."""

    def set_(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        if more.get("outputs") and more.get("prerequisites"):
            super().set_(tasks, *args, **{**more, "outputs": None})
        super().set_(tasks, *args, **more)


@scheduler("refuses-critical", [f"{CONTROL}/verbosity::accepted::WRI-CTL-31"])
class RefusesCritical(Scheduler):
    """Does not know one of the levels of verbosity."""

    def set_verbosity(self, level: Any) -> None:
        if level == "CRITICAL":
            raise RemoteProtocolError("there is no such level")
        super().set_verbosity(level)


# -- pause, resume


@scheduler(
    "pause-is-for-show",
    [f"{PAUSE}nothing-submitted::WRI-CTL-13", f"{PAUSE}still-nothing-submitted::WRI-CTL-13"],
)
class PauseIsForShow(Scheduler):
    """Submits jobs while it is paused."""

    @property
    def _may_submit(self) -> bool:
        return self._stopping is None


@scheduler("seems-paused", [f"{PAUSE}resumed::WRI-CTL-12"])
class SeemsPaused(Scheduler):
    """Shows that it is paused, whatever it is."""

    def _status(self) -> tuple[str, str]:
        _, message = super()._status()
        return "paused", message


@scheduler(
    "never-pauses",
    [f"{PAUSE}paused::WRI-CTL-11", f"{PAUSE}still-nothing-submitted::WRI-CTL-13"],
)
class NeverPauses(Scheduler):
    """Accepts to pause, and goes on."""

    def pause(self) -> None:
        pass


# -- hold, release


@scheduler(
    "never-holds",
    [
        f"{HOLD}held::WRI-CTL-14",
        f"{HOLD}held-does-not-run::WRI-CTL-16",
        f"{HOLD}released::WRI-CTL-15",
    ],
)
class NeverHolds(Scheduler):
    """Accepts to hold tasks, and holds none."""

    def hold(self, tasks: Sequence[Any]) -> None:
        pass


@scheduler("holds-one-more", [f"{HOLD}held::WRI-CTL-14", f"{HOLD}released::WRI-CTL-15"])
class HoldsOneMore(Scheduler):
    """Holds one task that nobody meant."""

    def hold(self, tasks: Sequence[Any]) -> None:
        super().hold([*tasks, "10/lost"])


@scheduler("runs-held-tasks", [f"{HOLD}held-does-not-run::WRI-CTL-16"])
class RunsHeldTasks(Scheduler):
    """Runs held tasks."""

    def resume(self) -> None:
        super().resume()
        self._commands.append(self._run_held)

    def _run_held(self, now: float) -> None:
        for node in [node for node in self._pool if node.is_held]:
            self._runner.submit(node, now)


@scheduler("releases-all", [f"{HOLD}released::WRI-CTL-15"])
class ReleasesAll(Scheduler):
    """Releases all tasks instead of one."""

    def release(self, tasks: Sequence[Any]) -> None:
        super().release(tasks)
        self.release_hold_point()


@scheduler("released-but-idle", [f"{HOLD}released-runs::WRI-CTL-15"])
class ReleasedButIdle(Scheduler):
    """Does not run what it released."""

    def release(self, tasks: Sequence[Any]) -> None:
        super().release(tasks)
        self._commands.append(self._forget_queue)

    def _forget_queue(self, _now: float) -> None:
        for node in list(self._pool.queue.values()):
            self._pool.dequeue(node)


@scheduler("holds-the-point-too", [f"{CONTROL}/hold-point::held::WRI-CTL-17"])
class HoldsThePointToo(Scheduler):
    """Holds the tasks at the hold point as well."""

    def set_hold_point(self, point: Any) -> None:
        super().set_hold_point(point)
        super().hold([f"{point}/*"])


@scheduler("keeps-the-hold-point", [f"{CONTROL}/hold-point::released::WRI-CTL-18"])
class KeepsTheHoldPoint(Scheduler):
    """Does not release what the hold point held."""

    def release_hold_point(self) -> None:
        pass


# -- trigger, set, remove, kill, poll


@scheduler("triggers-later", [f"{CONTROL}/trigger/active::submitted::WRI-CTL-19"])
class TriggersLater(Scheduler):
    """Triggers nothing as long as it is paused."""

    def trigger(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        super().trigger(tasks, *args, **{**more, "on_resume": True})


@scheduler("triggers-what-it-has", [f"{CONTROL}/trigger/not-active::submitted::WRI-CTL-19"])
class TriggersWhatItHas(Scheduler):
    """Triggers active tasks only."""

    def trigger(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        active = {node.relative for node in self._pool}
        if known := [task for task in tasks if task in active]:
            super().trigger(known, *args, **more)


@scheduler("trigger-resumes", [f"{CONTROL}/trigger/active::submitted::WRI-CTL-19"])
class TriggerResumes(Scheduler):
    """Resumes the workflow to run one task."""

    def trigger(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        super().trigger(tasks, *args, **more)
        self.resume()


@scheduler("outputs-without-followers", [f"{CONTROL}/set-outputs::outputs::WRI-CTL-20"])
class OutputsWithoutFollowers(Scheduler):
    """Sets outputs, and tells nobody who waits for them."""

    def set_(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        super().set_(tasks, *args, **{**more, "flow_wait": True})


@scheduler("sets-every-prerequisite", [f"{PREREQUISITES}prerequisites::WRI-CTL-21"])
class SetsEveryPrerequisite(Scheduler):
    """Satisfies all prerequisites instead of one."""

    def set_(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        if more.get("prerequisites") and not more.get("outputs"):
            more["prerequisites"] = ["all"]
        super().set_(tasks, *args, **more)


@scheduler("all-is-a-prerequisite", [f"{PREREQUISITES}all-of-them::WRI-CTL-21"])
class AllIsAPrerequisite(Scheduler):
    """Does not know what `all` means."""

    def set_(self, tasks: Sequence[Any], *args: Any, **more: Any) -> None:
        if more.get("prerequisites") != ["all"]:
            super().set_(tasks, *args, **more)


@scheduler("removes-nothing", [f"{CONTROL}/remove::removed::WRI-CTL-22"])
class RemovesNothing(Scheduler):
    """Accepts to remove tasks, and removes none."""

    def remove(self, tasks: Sequence[Any], flow: Sequence[Any] | None = None) -> None:
        pass


@scheduler("removes-the-name", [f"{CONTROL}/remove::removed::WRI-CTL-22"])
class RemovesTheName(Scheduler):
    """Removes a task at all cycle points."""

    def remove(self, tasks: Sequence[Any], flow: Sequence[Any] | None = None) -> None:
        super().remove(["*/" + str(task).partition("/")[2] for task in tasks], flow)


@scheduler("polls-to-death", [f"{CONTROL}/kill-poll::after-poll::WRI-CTL-24"])
class PollsToDeath(Scheduler):
    """Takes a job for failed when it polls it."""

    def poll(self, tasks: Sequence[Any]) -> None:
        super().kill(tasks)


@scheduler("kills-all", [f"{CONTROL}/kill-poll::after-kill::WRI-CTL-23"])
class KillsAll(Scheduler):
    """Kills all jobs instead of one."""

    def kill(self, tasks: Sequence[Any]) -> None:
        super().kill([*tasks, "*/*"])


@scheduler("kills-nothing", [f"{CONTROL}/kill-poll::after-kill::WRI-CTL-23"])
class KillsNothing(Scheduler):
    """Accepts to kill jobs, and kills none."""

    def kill(self, tasks: Sequence[Any]) -> None:
        pass


# -- reload, window


@scheduler("reload-releases", [f"{CONTROL}/reload::after::WRI-CTL-25"])
class ReloadReleases(Scheduler):
    """Forgets at a reload what is held."""

    def reload(self, reload_global: bool = False) -> None:
        super().reload(reload_global)
        super().release_hold_point()


@scheduler("reload-resumes", [f"{CONTROL}/reload::after::WRI-CTL-25"])
class ReloadResumes(Scheduler):
    """Forgets at a reload that it is paused; nothing is there that could run."""

    def reload(self, reload_global: bool = False) -> None:
        super().hold(["*/*"])
        super().reload(reload_global)
        super().resume()


@scheduler(
    "extent-is-for-show",
    [f"{CONTROL}/window/none::reached::WRI-CTL-30", f"{CONTROL}/window-two::*"],
)
class ExtentIsForShow(Scheduler):
    """Shows the extent of its window, and does not change it."""

    def set_graph_window_extent(self, n_edge_distance: int) -> str:
        self._commands.append(
            lambda _: setattr(self._view._workflow(), "n_edge_distance", n_edge_distance)  # noqa: SLF001
        )
        return "set"


@scheduler(
    "shows-the-pool-only",
    [
        f"{CONTROL}/window/two::reached::WRI-CTL-30",
        f"{CONTROL}/window/two::reached::WRI-STORE-11",
    ],
)
class ShowsThePoolOnly(Scheduler):
    """Shows only the active tasks after its window was resized."""

    def set_graph_window_extent(self, n_edge_distance: int) -> str:
        super().set_graph_window_extent(0)
        self._commands.append(
            lambda _: setattr(self._view._workflow(), "n_edge_distance", n_edge_distance)  # noqa: SLF001
        )
        return "set"


# -- broadcasts


@scheduler("broadcast-in-another-order", [f"{BROADCAST}set::WRI-CTL-7"])
class BroadcastInAnotherOrder(Scheduler):
    """Tells the namespace of a broadcast before its cycle point."""

    def broadcast(self, *args: Any, **more: Any) -> list[Any]:
        changes, rejected = super().broadcast(*args, **more)
        return [[[name, point, one] for point, name, one in changes or ()], rejected]


@scheduler("accepts-every-setting", [f"{BROADCAST}not-accepted::WRI-CTL-7"])
class AcceptsEverySetting(Scheduler):
    """Says of each setting that it was accepted."""

    def broadcast(self, *args: Any, **more: Any) -> list[Any]:
        changes, rejected = super().broadcast(*args, **more)
        if rejected:
            return [[["1", "no-such-task", {"script": "true"}]], {}]
        return [changes, rejected]


@scheduler(
    "hides-broadcasts", [f"{BROADCAST}is-set::WRI-CTL-26", f"{BROADCAST}is-expired::WRI-CTL-35"]
)
class HidesBroadcasts(Scheduler):
    """Does not show broadcasts."""

    def broadcast(self, *args: Any, **more: Any) -> list[Any]:
        before = len(self._commands)
        result = super().broadcast(*args, **more)
        del self._commands[before:]
        return result


@scheduler("expires-the-cutoff", [f"{BROADCAST}is-expired::WRI-CTL-35"])
class ExpiresTheCutoff(Scheduler):
    """Lets broadcasts for the cutoff expire as well."""

    def broadcast(self, *args: Any, **more: Any) -> list[Any]:
        if more.get("cutoff") == "2":
            more["cutoff"] = "10"
        return super().broadcast(*args, **more)


@scheduler("clears-nothing", [f"{BROADCAST}is-cleared::WRI-CTL-27"])
class ClearsNothing(Scheduler):
    """Accepts to clear broadcasts, and clears none."""

    def broadcast(self, mode: Any = "Set", *args: Any, **more: Any) -> list[Any]:
        if str(mode).lower() == "clear":
            return [[], {}]
        return super().broadcast(mode, *args, **more)


# -- messages, external triggers


@scheduler("deaf-to-jobs", [f"{CONTROL}/message::output::WRI-CTL-28"])
class DeafToJobs(Scheduler):
    """Accepts messages of jobs, and does nothing about them."""

    def message(self, *args: Any, **more: Any) -> str:
        before = len(self._commands)
        text = super().message(*args, **more)
        del self._commands[before:]
        return text


@scheduler("hears-all-jobs", [f"{CONTROL}/message::output::WRI-CTL-28"])
class HearsAllJobs(Scheduler):
    """Takes a message of one job for one of all jobs of tasks with that name."""

    def message(self, task_job: Any, *args: Any, **more: Any) -> str:
        super().message("2/long/01", *args, **more)
        return super().message(task_job, *args, **more)


@scheduler("notes-messages-only", [f"{CONTROL}/message::output::WRI-CTL-28"])
class NotesMessagesOnly(Scheduler):
    """Shows the messages of a job, and takes none for an output."""

    def message(self, task_job: Any, event_time: Any = None, messages: Any = None) -> str:
        marked = [[severity, f"{text}!"] for severity, text in messages]
        return super().message(task_job, event_time, marked)


@scheduler("every-message-is-success", [f"{CONTROL}/message::output::WRI-CTL-28"])
class EveryMessageIsSuccess(Scheduler):
    """Takes any message of a job for its success."""

    def message(self, task_job: Any, event_time: Any = None, messages: Any = None) -> str:
        return super().message(task_job, event_time, [["INFO", "succeeded"] for _ in messages])


@scheduler("deaf-to-events", [f"{EXTERNAL}satisfied::WRI-CTL-29", f"{EXTERNAL}runs::WRI-CTL-29"])
class DeafToEvents(Scheduler):
    """Accepts external triggers, and does nothing about them."""

    def ext_trigger(self, message: str, id: str) -> str:  # noqa: A002, ARG002
        return "Event queued"


@scheduler("one-event-for-all", [f"{EXTERNAL}satisfied::WRI-CTL-29", f"{EXTERNAL}runs::WRI-CTL-29"])
class OneEventForAll(Scheduler):
    """Lets all tasks run that wait for a message when it comes once."""

    def ext_trigger(self, message: str, id: str) -> str:  # noqa: A002
        super().ext_trigger(message, id)
        return super().ext_trigger(message, id)


@scheduler("shows-events-only", [f"{EXTERNAL}runs::WRI-CTL-29"])
class ShowsEventsOnly(Scheduler):
    """Shows that an external trigger came, and does not run the task."""

    def resume(self) -> None:
        self._commands.append(lambda _: self._hold_wanted())
        super().resume()

    def _hold_wanted(self) -> None:
        for node in self._pool:
            self._pool.hold(node)


# -- stop


@scheduler("ignores-stop-after", [f"{CONTROL}/stop-after/*::ends::WRI-CTL-33"])
class IgnoresStopAfter(Scheduler):
    """Does not stop after a task or a cycle point."""

    def stop(self, *args: Any, **more: Any) -> None:
        if not {"task", "cycle_point"} & set(more):
            super().stop(*args, **more)


@scheduler("stops-too-early", [f"{CONTROL}/stop-after/*::*"])
class StopsTooEarly(Scheduler):
    """Does not wait for the task or cycle point after which it was to stop."""

    def stop(self, *_args: Any, **_more: Any) -> None:
        super().stop("Now")


@scheduler(
    "stops-at-once",
    [f"{CONTROL}/stop-clean::waits::WRI-CTL-32", f"{CONTROL}/stop-clean::ends::WRI-CTL-32"],
)
class StopsAtOnce(Scheduler):
    """Does not wait for jobs at a clean stop."""

    def stop(self, *args: Any, **more: Any) -> None:
        super().stop(*args, **{**more, "mode": "Now"})


@scheduler("stays-to-the-end", [f"{CONTROL}/stop-clean::ends::WRI-CTL-32"])
class StaysToTheEnd(Scheduler):
    """Does not stop when its last job has ended."""

    def _flush(self, now: float, batches: list[AllDeltas]) -> None:
        super()._flush(now, batches)
        self.stopped = None


@scheduler(
    "ignores-stop",
    [f"{CONTROL}/stop/*::ends::WRI-CTL-32", f"{CONTROL}/stop/*::files::WRI-LIFE-6"],
)
class IgnoresStop(Scheduler):
    """Accepts to stop, and goes on."""

    def stop(self, *args: Any, **more: Any) -> None:
        pass


@scheduler("kill-is-now", [f"{CONTROL}/stop-kill::killed::WRI-CTL-32"])
class KillIsNow(Scheduler):
    """Leaves jobs alone where it should kill them before it stops."""

    def stop(self, *args: Any, **more: Any) -> None:
        if more.get("mode") == "Kill":
            more["mode"] = "Now"
        super().stop(*args, **more)


@scheduler("kills-one-job", [f"{CONTROL}/stop-kill::killed::WRI-CTL-32"])
class KillsOneJob(KillIsNow):
    """Kills one job before it stops, and leaves the others alone."""

    def stop(self, *args: Any, **more: Any) -> None:
        if more.get("mode") == "Kill":
            super().kill(["1/long"])
        super().stop(*args, **more)


# -- hostile


class _Falls(Scheduler):
    """Falls when it has to show a negative extent."""

    def set_graph_window_extent(self, n_edge_distance: int) -> str:
        if n_edge_distance < 0:
            self.fall()
            return "set"
        return super().set_graph_window_extent(n_edge_distance)

    def fall(self) -> None:
        """Do the wrong thing."""
        raise NotImplementedError


HOSTILE = f"{CONTROL}/hostile/window::"


@fault("dies-of-an-argument", [f"{HOSTILE}*"])
class DiesOfAnArgument(Mutant):
    """Ends its request loop because of an argument."""

    def answer(self, body: Body) -> bytes:
        if b"nEdgeDistance: -" in body[0]:
            raise DeadError
        return super().answer(body)


@scheduler(
    "dies-of-a-command",
    [f"{HOSTILE}serves-on::WRI-LIM-16", f"{HOSTILE}effect::WRI-LIM-16"],
)
class DiesOfACommand(_Falls):
    """Ends its request loop when it carries out a command that it had accepted."""

    def fall(self) -> None:
        self._commands.append(self._die)

    def _die(self, _now: float) -> None:
        raise DeadError


@scheduler("obeys-no-more", [f"{HOSTILE}effect::WRI-LIM-16"])
class ObeysNoMore(_Falls):
    """Answers after a bad command, and carries out none any more."""

    confused = False

    def fall(self) -> None:
        self.confused = True

    def tick(self, now: float) -> list[AllDeltas]:
        if self.confused:
            self._commands.clear()
        return super().tick(now)
