"""Plays all operations of one client with one server."""

import contextlib
import fnmatch
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from attrs import define, evolve, field, frozen

from wri_conformance.interop import catalogue, clients, judge, mutations, servers
from wri_conformance.interop.cells import Cell, by_hand
from wri_conformance.interop.clients import Client
from wri_conformance.interop.forking import DriverError
from wri_conformance.interop.judge import Judgement, Outcome, Told
from wri_conformance.interop.observer import Observer, Unreachable
from wri_conformance.interop.operations import (
    Answer,
    Command,
    Follow,
    Mutation,
    Operation,
    Place,
    Request,
    Setup,
    Truth,
)
from wri_conformance.interop.servers import Scheduler, Stable
from wri_conformance.interop.state import Change, Expectation, State, changes
from wri_conformance.interop.subjects import Subject, patient
from wri_conformance.interop.verdicts import QUIET, Verdict
from wri_conformance.interop.workflows import Workflow
from wri_conformance.mistakes import Mistake
from wri_conformance.runs import StartError, Workshop
from wri_conformance.trace import Trace

_CLOCK: Final = "2100-01-01T00:00:00Z"
_EFFECT: Final = 10.0  # seconds in which an effect has to show
_END: Final = 20.0  # seconds in which a scheduler has to end
_NOTHING: Final = 2.5  # seconds in which what an error denies would show
_SETUP: Final = 15.0
_UNDONE: Final = 5.0
_ATTEMPTS: Final = 3
_IGNORED: Final = frozenset({"log debug", "stops at cycle", "stops at task", "stops at time"})
"""Facts that change by themselves, unless an operation is about them."""


@frozen
class _Played:
    """What was seen of an operation: enough to judge it, but for the changes."""

    told: Told
    answer: Answer
    seconds: float
    trace: tuple[dict[str, Any], ...]
    command: tuple[str, ...]


@define(eq=False)
class Pair:
    """One client and one server."""

    client: Subject
    server: Subject
    workshop: Workshop
    scale: float = 1.0
    say: Callable[[str], None] = lambda _: None
    _peer: Client = field(init=False)
    _stable: Stable = field(init=False)
    _numbers: "itertools.count[int]" = field(factory=itertools.count)

    def play(self, operations: Sequence[Operation]) -> list[Cell]:
        """Return the cells of the operations, in their order."""
        done: dict[str, Cell] = {}
        wanted: list[Operation] = []
        for one in operations:
            why = one.why_not(self.client.minor, command_line=self.client.kind != "manifest")
            if why:
                done[one.id] = Cell(one, Judgement(Verdict.NOT_APPLICABLE, why))
            else:
                wanted.append(one)
        if wanted:
            home = self.workshop.home()
            self._stable = Stable(patient(self.server), self.workshop, home)
            self._peer = clients.make(self.client, self.workshop, home)
            try:
                self._peer.wait_ready()
                done |= self._tried(wanted)
            except DriverError as error:
                done |= {one.id: _unknown(one, str(error)) for one in wanted if one.id not in done}
            finally:
                self._peer.close()
                self._stable.close()
        return [done[one.id] for one in operations]

    def _tried(self, wanted: Sequence[Operation]) -> dict[str, Cell]:
        """Try each operation; what is not right is tried again on schedulers of its own."""
        rounds: dict[str, list[Cell]] = {one.id: [] for one in wanted}
        left = list(wanted)
        for attempt in range(_ATTEMPTS):
            if not left:
                break
            for cell in self._round(left, solo=attempt > 0):
                if cell.verdict not in QUIET:
                    self.say(f"{cell.operation.id}: {cell.verdict.value}: {cell.judgement.reason}")
                rounds[cell.operation.id].append(cell)
            left = [one for one in left if not settled(rounds[one.id])]
        return {id_: decided(cells) for id_, cells in rounds.items() if cells}

    def _round(self, operations: Sequence[Operation], *, solo: bool) -> list[Cell]:
        shared = [one for one in operations if one.stage in catalogue.SHARED]
        others = [one for one in operations if one.stage not in catalogue.SHARED]
        with ThreadPoolExecutor(2) as pool:
            read = threading.Event()
            main = pool.submit(self._main, shared, read, solo=solo)
            rest = pool.submit(self._rest, others, read)
            return [*main.result(), *rest.result()]

    # -- one scheduler for many

    def _start(self, workflow: Workflow, state: str) -> Scheduler:
        name = f"w{next(self._numbers)}"
        return self._stable.start(name, workflow, state)

    def _rest(self, operations: Sequence[Operation], read: threading.Event) -> list[Cell]:
        """Play those with schedulers of their own, which others might list while they read."""
        read.wait()
        return [cell for one in operations for cell in self._own(one)]

    def _main(
        self, operations: Sequence[Operation], read: threading.Event, *, solo: bool
    ) -> list[Cell]:
        cells: dict[str, Cell] = {}
        scheduler: Scheduler | None = None
        try:
            for group in _groups(operations, solo=solo):
                if group[0].stage != "read":
                    read.set()
                if scheduler is not None and scheduler.observer.ended:
                    scheduler.close()  # what was tried before was too much for it
                    scheduler = None
                if scheduler is None:
                    scheduler = self._start(catalogue.main_workflow(), "running")
                cells |= {cell.operation.id: cell for cell in self._together(scheduler, group)}
        except (StartError, Mistake, DriverError, Unreachable) as error:
            ended = "" if scheduler is None else scheduler.observer.run.ended()
            why = f"{error}{f': {ended}' if ended else ''}"
            for one in operations:
                cells.setdefault(one.id, _unknown(one, why))
        finally:
            read.set()
            if scheduler is not None:
                scheduler.close()
        return list(cells.values())

    def _together(self, scheduler: Scheduler, group: Sequence[Operation]) -> Iterable[Cell]:
        """Play operations of one stage."""
        if group[0].stage == "read":
            return self._reads(scheduler, group)
        if group[0].stage == "write":
            return self._writes(scheduler, group)
        return [self._alone(scheduler, one) for one in group]

    def _reads(self, scheduler: Scheduler, operations: Sequence[Operation]) -> Iterable[Cell]:
        ready = self._prepare(scheduler, operations)
        before = scheduler.observer.look()
        truth = self._truth(scheduler, before)
        played = {one.id: self._act(scheduler, one) for one in operations if one.id in ready}
        found = _changes(before, scheduler.observer.look())
        for one in operations:
            if one.id not in played:
                yield _unknown(one, "the suite could not prepare it")
                continue
            seen = played[one.id]
            if why := _invisible(one, before):
                yield _unknown(one, why, seen)
                continue
            wrong = ""
            if seen.told.outcome is Outcome.SUCCESS and one.check is not None:
                wrong = one.check(seen.answer, truth)
            judgement = judge.of_read(seen.told, wrong, found if len(operations) == 1 else [])
            if found and len(operations) > 1:
                judgement = Judgement(
                    Verdict.INCONCLUSIVE, f"something changed while it was asked: {found[0]}"
                )
            yield _cell(one, judgement, seen, one.effect, wrong or "as it is", found)

    def _writes(self, scheduler: Scheduler, operations: Sequence[Operation]) -> Iterable[Cell]:
        ready = self._prepare(scheduler, operations)
        before = scheduler.observer.look()
        played = {one.id: self._act(scheduler, one) for one in operations if one.id in ready}
        hopeful = [
            one
            for one in operations
            if one.id in played and played[one.id].told.outcome is Outcome.SUCCESS
        ]
        after = scheduler.observer.wait_for(
            lambda now: not any(one.expect and one.expect.missing(now) for one in hopeful),
            (_EFFECT if hopeful else _NOTHING) * self.scale,
        )
        every = _changes(before, after)
        mine = {one.id: [c for c in every if owns(one, c.fact)] for one in operations}
        owned = {change.fact for some in mine.values() for change in some}
        strange = [change for change in every if change.fact not in owned]
        for one in operations:
            if one.id not in played:
                yield _unknown(one, "the suite could not prepare it")
                continue
            found = mine[one.id] + (strange if len(operations) == 1 else [])
            cell = _judged(one, played[one.id], before, after, found)
            if strange and len(operations) > 1 and cell.verdict is Verdict.OK:
                # Whoever did that is found out when each is tried with nobody else.
                cell = evolve(
                    cell,
                    judgement=Judgement(
                        Verdict.INCONCLUSIVE,
                        f"something changed that one of several operations did: {strange[0]}",
                    ),
                    changes=(*cell.changes, *strange),
                )
            yield cell

    def _alone(self, scheduler: Scheduler, one: Operation) -> Cell:
        observer = scheduler.observer
        if not self._prepare(scheduler, [one]):
            self._undo(scheduler, one, {})
            return _unknown(one, "the suite could not prepare it")
        if one.edit:
            self._edit(scheduler, one)
        before = observer.look()
        if why := _invisible(one, before):
            return _unknown(one, why)
        seen = self._act(scheduler, one)
        success = seen.told.outcome is Outcome.SUCCESS
        wait = effect if success else denied
        after, found, too_early = wait(observer, one, before, self.scale)
        cell = _judged(one, seen, before, after, found)
        if too_early:
            cell = evolve(
                cell,
                judgement=Judgement(
                    Verdict.SILENTLY_DIFFERENT,
                    f"{judge.said(seen.told)}, but it came too early: {too_early[0]}",
                ),
            )
        self._undo(scheduler, one, before)
        return cell

    def _edit(self, scheduler: Scheduler, one: Operation) -> None:
        """Add tasks to the definition that the operation makes known."""
        if not one.source:
            scheduler.add(tuple(one.edit))
            return
        # The source is the client's, and what it installs has to arrive at the scheduler.
        own = self._stable.client_home / "cylc-run" / scheduler.run.workflow
        source = self._stable.client_home / "source" / scheduler.run.workflow
        source.mkdir(parents=True, exist_ok=True)
        more = [*scheduler.more, *one.edit]
        servers.write(source, scheduler.workflow, more)
        for name in ("flow.cylc", "workflow.yaml"):
            mine, theirs = own / name, scheduler.run.run_dir / name
            if mine.is_symlink():
                text = theirs.read_text(encoding="utf-8")
                mine.unlink()
                mine.write_text(text, encoding="utf-8")
                theirs.unlink()
                theirs.symlink_to(mine)
        (own / "_cylc-install").mkdir(exist_ok=True)
        link = own / "_cylc-install" / "source"
        if not link.is_symlink():
            link.symlink_to(source)
        scheduler.more += one.edit

    def _undo(self, scheduler: Scheduler, one: Operation, before: State) -> None:
        """Put back what the operation, or the suite for it, has changed."""
        if not one.after:
            return
        with contextlib.suppress(Unreachable, ValueError):
            for name, arguments in one.after:
                scheduler.observer.mutate(name, **arguments)
            facts = {
                "workflow status": "running",
                "parameter holdcp": before.get("parameter holdcp", ""),
            }
            if one.ready is not None:  # what the suite did for it is undone as well
                facts["parameter holdcp"] = ""
            scheduler.observer.wait(Expectation(facts), _UNDONE * self.scale, calm=0)

    def _prepare(self, scheduler: Scheduler, operations: Sequence[Operation]) -> set[str]:
        """Do what makes operations possible; return the ids of those that are."""
        setups: list[Setup] = [setup for one in operations for setup in one.before]
        for name, arguments in setups:
            scheduler.observer.mutate(name, **arguments)
        wanted = [one for one in operations if one.ready is not None]
        if not wanted:
            return {one.id for one in operations}
        now = scheduler.observer.wait_for(
            lambda now: not any(one.ready and one.ready.missing(now) for one in wanted),
            _SETUP * self.scale,
            calm=0,
        )
        return {one.id for one in operations if one.ready is None or not one.ready.missing(now)}

    # -- one scheduler for one

    def _own(self, one: Operation) -> list[Cell]:
        if one.stage == "live" and self.server.kind == "manifest":
            return [_unknown(one, "this scheduler plays its jobs itself: there is nothing to find")]
        try:
            state = {"run": "paused", "live": "live"}.get(one.stage, "running")
            scheduler = self._start(Workflow(one.tasks, last=1), state)
        except (StartError, Mistake, DriverError, Unreachable) as error:
            return [_unknown(one, f"the scheduler did not start: {error}")]
        try:
            play = {
                "run": self._stream,
                "stop": self._stop,
                "fresh": self._alone,
                "listen": self._listen,
                "live": self._live,
            }[one.stage]
            return [play(scheduler, one)]
        except (Unreachable, DriverError) as error:
            return [_unknown(one, str(error))]
        finally:
            scheduler.close()

    def _stop(self, scheduler: Scheduler, one: Operation) -> Cell:
        before = scheduler.observer.look()
        seen = self._act(scheduler, one)
        success = seen.told.outcome is Outcome.SUCCESS
        limit = (_END if success else _NOTHING) * self.scale
        after = scheduler.observer.wait_for(lambda _: False, limit)
        return _judged(one, seen, before, after, _changes(before, after, one.expect))

    def _live(self, scheduler: Scheduler, one: Operation) -> Cell:
        """Wait until the job runs, which the scheduler is not told, before it is tried."""
        status = (
            scheduler.run.run_dir / "log" / "job" / "1" / one.tasks[0].name / "01" / "job.status"
        )
        deadline = time.monotonic() + _SETUP * 2 * self.scale
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if "CYLC_JOB_INIT_TIME" in status.read_text(encoding="utf-8"):
                    return self._alone(scheduler, one)
            time.sleep(0.1)
        return _unknown(one, "its job did not start")

    def _listen(self, scheduler: Scheduler, one: Operation) -> Cell:
        """Change something while the client listens."""
        before = scheduler.observer.look()
        truth = self._truth(scheduler, before)
        ended = threading.Event()

        def disturb() -> None:
            deadline = time.monotonic() + 15 * self.scale
            while time.monotonic() < deadline and not ended.is_set():
                if _subscribed(scheduler.relay.trace):
                    break
                time.sleep(0.05)
            with contextlib.suppress(Unreachable):
                for name, arguments in one.during:
                    scheduler.observer.mutate(name, **arguments)

        scheduler.trace()
        thread = threading.Thread(target=disturb, daemon=True)
        thread.start()
        seen = self._act(scheduler, one)
        ended.set()
        thread.join()
        wrong = ""
        if seen.told.outcome is Outcome.SUCCESS and one.check is not None:
            wrong = one.check(seen.answer, truth)
        judgement = judge.of_read(seen.told, wrong, [])
        return _cell(one, judgement, seen, one.effect, wrong or "as it is", [])

    def _stream(self, scheduler: Scheduler, one: Operation) -> Cell:
        observer, name = scheduler.observer, scheduler.run.workflow
        trace = scheduler.trace()
        began = time.monotonic()

        def result(told: Told, wrong: str) -> Cell:
            seen = _Played(
                told, Answer(), time.monotonic() - began, tuple(trace.events), by_hand(one, name)
            )
            judgement = judge.of_read(told, wrong, [])
            return _cell(one, judgement, seen, one.effect, wrong or "as it is", [])

        told = self._begin(name, trace)
        if told.outcome is not Outcome.SUCCESS:
            return result(told, "")
        observer.mutate("resume")
        observer.wait_for(
            lambda now: (
                now.get("1/second state", "succeeded") == "succeeded"
                and now.get("workflow status") == "running"
                and "1/held state" in now
            ),
            25 * self.scale,
        )
        time.sleep(1.5 * self.scale)  # what was published last is on its way
        middle = self._peer.followed(name, end=False)
        observer.look()
        wrong = middle.get("problem", "") or _store(middle, observer.snapshot)
        observer.mutate("stop", mode="=Now")
        last = self._peer.followed(name, end=True)
        after = observer.wait_for(lambda _: False, _END * self.scale)
        if after.get("workflow status") != "ended":
            return _unknown(one, "the scheduler did not end when the suite told it to")
        wrong = wrong or _incomplete(middle, last, observer.shutdown)
        return result(Told(Outcome.SUCCESS, _summary(middle, last)), wrong)

    def _begin(self, workflow: str, trace: Trace) -> Told:
        """Let the client subscribe, and then get the snapshot."""
        told = self._peer.follow(workflow)
        deadline = time.monotonic() + 10 * self.scale
        while told.outcome is Outcome.SUCCESS and time.monotonic() < deadline:
            if _subscribed(trace):
                return self._peer.load(workflow)
            time.sleep(0.05)
        if told.outcome is Outcome.SUCCESS:
            return Told(Outcome.TIMEOUT, "no subscription arrived")
        return told

    # -- acting

    def _truth(self, scheduler: Scheduler, facts: State) -> Truth:
        snapshot = scheduler.observer.snapshot
        version = scheduler.run.contact.get("CYLC_VERSION", "")
        return Truth(facts, snapshot, Place(scheduler.run.workflow, snapshot.workflow.id), version)

    def _act(self, scheduler: Scheduler, one: Operation) -> _Played:
        name = scheduler.run.workflow
        trace = scheduler.trace()
        began = time.monotonic()
        act = one.act
        command = by_hand(one, name, self.client.minor)
        if isinstance(act, Command):
            told, answer = self._peer.command(act, {"w": name, "clock": _CLOCK})
        else:
            request = self._request(scheduler, act)
            told, answer = self._peer.request(name, request)
            if isinstance(act, Mutation) and told.outcome is Outcome.SUCCESS:
                told = of_mutation(act.name, answer.data, told)
            if "request_string" in request.args and isinstance(act, Mutation):
                command = ("client", name, "graphql", str(request.args["request_string"]))
        return _Played(told, answer, time.monotonic() - began, tuple(trace.events), command)

    def _request(self, scheduler: Scheduler, act: Request | Mutation | Follow) -> Request:
        assert not isinstance(act, Follow)
        if isinstance(act, Mutation):
            given = {"workflows": [scheduler.run.workflow], **act.given}
            document = mutations.write(self.client.minor, act.name, given)
            return Request("graphql", document.args())
        query = act.args.get("request_string")
        if query is None:
            return act
        snapshot = scheduler.observer.snapshot
        filled = query.replace("{id}", snapshot.workflow.id)
        return evolve(act, args={**act.args, "request_string": filled})


def effect(
    observer: Observer, one: Operation, before: State, scale: float
) -> tuple[State, list[Change], list[str]]:
    """Let an effect come about; return the state, what changed, and what came too early."""
    expect = one.expect or Expectation({})
    too_early: list[str] = []
    if one.midway is not None:
        middle = observer.wait_for(lambda _: False, _NOTHING * scale)
        too_early = one.midway.missing(middle)
    for name, arguments in one.then:
        observer.mutate(name, **arguments)
    after = observer.wait(expect, _EFFECT * scale)
    return after, _changes(before, after, expect), too_early


def denied(
    observer: Observer, one: Operation, before: State, scale: float
) -> tuple[State, list[Change], list[str]]:
    """Return the same of what an error denies: nothing should change, nor come about later."""
    expect = one.expect or Expectation({})
    after = observer.wait_for(lambda _: False, _NOTHING * scale)
    found = _changes(before, after, expect)
    if one.then:
        for name, arguments in one.then:
            observer.mutate(name, **arguments)
        later = observer.wait(expect, _NOTHING * scale)
        # The suite changed something itself; what the operation is about, it did not.
        found += [new for new in _changes(after, later, expect) if new.fact in expect.facts]
        after = later
    return after, found, []


def _groups(operations: Sequence[Operation], *, solo: bool) -> Iterable[list[Operation]]:
    """Yield what is tried together: all that only reads, all that writes, and each other one."""
    for stage in ("read", "write"):
        some = [one for one in operations if one.stage == stage]
        if some and not solo:
            yield some
        elif some:
            yield from ([one] for one in some)
    yield from ([one] for one in operations if one.stage not in {"read", "write"})


def of_mutation(name: str, data: Any, told: Told) -> Told:
    """Return what the answer to a mutation tells: it can refuse in its result."""
    try:
        result = data[name]["result"]
        first = result[0]["response"] if isinstance(result, list) else result
    except (LookupError, TypeError):
        errors = _errors(data)
        # A client that looks at what it asked for does not find it.
        if errors:
            return Told(Outcome.SUCCESS, f"no error, and data that is a list of errors: {errors}")
        return Told(Outcome.SUCCESS, f"no error, and data without a result: {str(data)[:300]}")
    if isinstance(first, list) and first[:1] == [False]:
        return Told(Outcome.ERROR, str(first[1] if len(first) > 1 else first))
    return told


def _errors(data: Any) -> str:
    found = re.findall(r"'message': (['\"])(.*?)\1", str(data))
    return "; ".join(text for _, text in found[:2])


def _subscribed(trace: Trace) -> bool:
    return any(str(event["frames"][0]).startswith("subscribes") for event in list(trace.events))


def _changes(before: State, after: State, expect: Expectation | None = None) -> list[Change]:
    ignored = _IGNORED - (expect.facts.keys() if expect is not None else set())
    return [one for one in changes(before, after) if one.fact not in ignored]


def owns(one: Operation, fact: str) -> bool:
    """Tell whether a fact is about what an operation acts on."""
    if one.expect is not None and one.expect.covers(fact):
        return True
    names = {name for task in one.tasks for name in (task.name, f"{task.name}_child")}
    parts = fact.split(" ", 1)[0].split("/")
    return bool(names & set(parts)) or (
        fact.startswith("broadcast ") and any(n in fact for n in names)
    )


def _invisible(one: Operation, facts: State) -> str:
    """Return why nobody can tell what becomes of an operation."""
    for need in one.needs:
        if not any(fnmatch.fnmatchcase(fact, need) for fact in facts):
            return f"this scheduler does not show {need!r}"
    return ""


def _judged(
    one: Operation, seen: _Played, before: State, after: State, found: Sequence[Change]
) -> Cell:
    expect = one.expect or Expectation({})
    if not expect.missing(before):
        return _unknown(one, "it was so before", seen)
    missing = expect.missing(after)
    judgement = judge.of_change(seen.told, missing, found, expect.others(found))
    wanted = f"{one.effect} ({expect})"
    return _cell(one, judgement, seen, wanted, _found(expect, after), found)


def _found(expect: Expectation, after: State) -> str:
    return ", ".join(f"{name}: {after.get(name) or '(none)'}" for name in expect.facts)


def _cell(
    one: Operation,
    judgement: Judgement,
    seen: _Played,
    expected: str,
    found: str,
    changed: Iterable[Change],
) -> Cell:
    slow = judge.too_slow(seen.told, _slowest(seen.trace))
    if slow and judgement.verdict not in QUIET:
        judgement = Judgement(Verdict.INCONCLUSIVE, slow)
    return Cell(
        one,
        judgement,
        seen.told,
        expected,
        found,
        tuple(changed),
        seen.command,
        seen.seconds,
        1,
        seen.trace,
    )


def _slowest(trace: Iterable[dict[str, Any]]) -> float:
    """Return the seconds that the slowest reply took."""
    asked: list[float] = []
    slowest = 0.0
    for event in trace:
        if event["direction"] == "→":
            asked.append(event["t"])
        elif event["direction"] == "←" and asked:
            slowest = max(slowest, event["t"] - asked.pop(0))
    return slowest


def _unknown(one: Operation, why: str, seen: _Played | None = None) -> Cell:
    judgement = Judgement(Verdict.INCONCLUSIVE, why)
    if seen is None:
        return Cell(one, judgement, command=by_hand(one, "WORKFLOW"))
    return _cell(one, judgement, seen, one.effect, "", [])


def settled(cells: Sequence[Cell]) -> bool:
    """Tell whether nothing more has to be tried: it was right at once, or came out twice alike."""
    if cells and cells[0].verdict in QUIET:
        return True
    verdicts = [cell.verdict for cell in cells]
    return any(verdicts.count(v) > 1 for v in verdicts if v is not Verdict.INCONCLUSIVE) or (
        verdicts.count(Verdict.INCONCLUSIVE) > 1 and len(set(verdicts)) == 1
    )


def decided(cells: Sequence[Cell]) -> Cell:
    """Return the cell that counts: what came out twice alike, or that nobody can tell."""
    count = len(cells)
    verdicts = [cell.verdict for cell in cells]
    if count == 1:
        return cells[0]
    for cell in reversed(cells):
        if verdicts.count(cell.verdict) > 1 and cell.verdict is not Verdict.INCONCLUSIVE:
            return evolve(cell, attempts=count)
    told = [cell for cell in cells if cell.verdict is not Verdict.INCONCLUSIVE]
    if len(told) == 1:
        # Only one of the attempts said anything: the others were disturbed.
        return evolve(told[0], attempts=count)
    if not told:
        return evolve(cells[-1], attempts=count)
    words = ", ".join(verdict.value for verdict in verdicts)
    return evolve(
        cells[-1],
        judgement=Judgement(Verdict.INCONCLUSIVE, f"it came out differently each time: {words}"),
        attempts=count,
    )


def _store(followed: Any, snapshot: Any) -> str:
    """Return how a store that a client kept differs from the scheduler's last snapshot."""
    store = followed.get("store")
    if followed.get("wrong"):
        return f"deltas could not be applied: {followed['wrong'][0]}"
    if not store:
        return ""
    wanted = {one.id: one.state for one in (*snapshot.task_proxies, *snapshot.jobs)}
    differs = sorted(
        id_
        for id_ in wanted.keys() | store["states"].keys()
        if wanted.get(id_) != store["states"].get(id_)
    )
    if not differs:
        return ""
    id_ = differs[0]
    return (
        f"{id_.partition('//')[2]} is {store['states'].get(id_, 'absent')} in the store, and "
        f"{wanted.get(id_, 'absent')} in the scheduler"
    )


def _incomplete(middle: Any, last: Any, shutdown: str | None) -> str:
    """Return what did not arrive of a stream, or not as it was."""
    if not any(one.get("topics", {}).get("all") for one in (middle, last)):
        return "no delta arrived"
    told = last.get("shutdown")
    if told is None:
        return last.get("problem") or "the end did not arrive"
    if shutdown and shutdown not in told:
        return f"the end that arrived is {told!r}, not {shutdown!r}"
    if last.get("wrong"):
        return f"deltas could not be applied: {last['wrong'][0]}"
    return ""


def _summary(middle: Any, last: Any) -> str:
    topics = ", ".join(f"{name} {count}" for name, count in last.get("topics", {}).items())
    kept = f"; {last.get('checked', 0)} checksums compared" if middle.get("store") else ""
    return f"publications: {topics}{kept}; the end: {last.get('shutdown')}"
