"""Looks for failures: sessions with servers, and for each that fails the simplest cause of it.

What is suspicious in a session is tried again on fresh servers, made simpler, and confirmed with
all the patience of a client before it is called a failure. What cannot be repeated is none.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Queue
from threading import Event, Lock, Thread

from attrs import define, field, frozen

from wri_conformance.fuzzing.conversation import DEADLY, Conversation, Symptom
from wri_conformance.fuzzing.generate import PEERS, Session, Step, commands
from wri_conformance.fuzzing.messages import API, Message, Route
from wri_conformance.fuzzing.servers import Servers
from wri_conformance.fuzzing.simplify import MOST, cost, shorter, simpler
from wri_conformance.fuzzing.traits import Offer, Trait, traits
from wri_conformance.runs import Run

_REQ, _DEALER = PEERS.index("REQ"), PEERS.index("DEALER")
_HISTORY = 400  # messages of a server that are remembered, should a failure need several
_ROUNDS = 8  # of making a message simpler
_TRIES = 24  # at making a sequence of messages shorter
_SETTLE = 2.0  # seconds in which a server that has accepted a command would fall
_STOPS = 5.0  # seconds that a server takes to stop once it does not answer any more
_TICK = 0.1
_QUEUE = 16  # sessions that are made before somebody takes them
_SEVERAL = 40  # servers that may be used up for one failure

_PLAIN = Step(_DEALER, Message(API))


@frozen(eq=False)
class Failure:
    """A failure that was confirmed: the simplest messages that cause it, and what they have."""

    steps: Session
    symptom: Symptom
    traits: tuple[Trait, ...]
    seconds: float

    @property
    def key(self) -> tuple[str, frozenset[Trait]]:
        """What makes it another failure than others."""
        return _group(self.symptom), frozenset(self.traits)


@frozen(eq=False)
class Unreproduced:
    """Something that was seen once, and not again: no failure."""

    symptom: Symptom
    last: Message
    seconds: float


def _group(symptom: Symptom) -> str:
    """Return what symptoms of one cause have in common."""
    if symptom.kind in DEADLY:
        return "dead"
    return "mispaired" if symptom.kind in {"envelope", "more", "foreign"} else symptom.kind


@define
class Hunt:
    """All that several workers share.

    After `stop` nothing new is begun; after `hurry` what is under way is left.
    """

    servers: Servers
    offer: Offer
    scale: float = 1.0
    stop: Event = field(factory=Event)
    hurry: Event = field(factory=Event)
    began: float = field(factory=time.monotonic)
    failures: list[Failure] = field(factory=list)
    unreproduced: list[Unreproduced] = field(factory=list)
    again: int = 0  # how often a failure was found that was known
    abandoned: int = 0
    messages: int = 0
    restarts: int = 0
    broken: list[BaseException] = field(factory=list)
    chasing: int = 0
    _pending: list[Failure] = field(factory=list)  # to be confirmed
    _lock: Lock = field(factory=Lock)
    _sessions: "Queue[Session]" = field(factory=lambda: Queue(_QUEUE))
    _threads: list[Thread] = field(factory=list)

    def start(self, sessions: Iterator[Session], workers: int) -> None:
        """Begin in threads of its own; a mistake of theirs is in `broken`."""
        jobs: list[Callable[[], None]] = [lambda: self._feed(sessions), *[self._work] * workers]
        for job in jobs:
            thread = Thread(target=self._guarded, args=(job,), daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def running(self) -> bool:
        """Whether a thread is not done yet."""
        return any(thread.is_alive() for thread in self._threads)

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread tells it
            self.broken.append(error)
            self.stop.set()

    def _feed(self, sessions: Iterator[Session]) -> None:
        for session in sessions:
            while not self.stop.is_set():
                if self._sessions.full():
                    self.stop.wait(0.02)
                    continue
                self._sessions.put(session)
                break
            if self.stop.is_set():
                return

    def _next(self) -> Session:
        """Return a session without what is known to be deadly, so that something else is found."""
        try:
            session = self._sessions.get(timeout=0.1)
        except Empty:
            return ()
        return tuple(step for step in session if not self._known(step.message))

    def _known(self, message: Message) -> bool:
        known = (*self.failures, *self._pending)
        deadly = [f for f in known if f.symptom.kind in DEADLY and f.traits]
        if not deadly:
            return False
        mine = traits(message, self.offer)
        return any(mine.issuperset(failure.traits) for failure in deadly)

    # -- one server after the other

    def _work(self) -> None:
        while not self.stop.is_set():
            run = self.servers.take()
            try:
                self._use(run)
            finally:
                self.servers.drop(run)

    def _use(self, run: Run) -> None:
        """Hold sessions with a server until it is of no more use."""
        history: list[Step] = []
        told = False
        talk = Conversation(run, self.offer, self.scale)
        try:
            while not self.stop.is_set():
                session = self._next()
                if not session:
                    continue
                before = talk.sent
                symptom = talk.hold(session)
                with self._lock:
                    self.messages += talk.sent - before
                history = [*history, *session][-_HISTORY:]
                told = told or commands(session)
                if symptom is None:
                    continue
                if symptom.kind in DEADLY and told and _by_right(run, self.scale):
                    break
                with self._lock:
                    self.chasing += 1
                try:
                    self._pursue(symptom, session, history, talk.unanswered)
                finally:
                    with self._lock:
                        self.chasing -= 1
                if symptom.kind in DEADLY:
                    break
        finally:
            talk.close()
        if not self.stop.is_set():
            with self._lock:
                self.restarts += 1

    # -- one failure

    def _pursue(
        self, symptom: Symptom, session: Session, history: Sequence[Step], waiting: Sequence[int]
    ) -> None:
        deadly = symptom.kind in DEADLY
        # What has no delimiter is not to be answered, and may be the cause nevertheless.
        numbers = waiting if deadly else [symptom.after]
        suspects = [
            step
            for number, step in enumerate(session)
            if number in numbers or not step.message.well_framed
        ]
        if not deadly and self._is_old(symptom, [s.message for s in suspects]):
            return
        bench = _Bench(self.servers, symptom, self.offer, self.scale)
        failure: Failure | None = None
        try:
            steps = self._cause(bench, suspects, session, history)
            if steps is not None:
                failure = self._described(steps, symptom)
                if not self._claim(failure):
                    return
                failure = self._confirmed(bench, failure)
        except _OverError:
            self.abandoned += 1
            return
        finally:
            bench.close()
        if failure is None:
            last = suspects[0].message if suspects else session[-1].message
            self.unreproduced.append(Unreproduced(symptom, last, self.seconds))

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return round(time.monotonic() - self.began, 1)

    def _claim(self, failure: Failure) -> bool:
        """Take a failure on, unless it is known, or another worker is about it."""
        with self._lock:
            if any(failure.key == other.key for other in (*self.failures, *self._pending)):
                self.again += 1
                return False
            self._pending.append(failure)
            return True

    def _is_old(self, symptom: Symptom, suspects: Sequence[Message]) -> bool:
        for message in suspects:
            mine = traits(message, self.offer)
            for known in self.failures:
                same = mine.issuperset(known.traits) if known.traits else not mine
                if known.symptom.kind == symptom.kind and same:
                    self.again += 1
                    return True
        return False

    def _cause(
        self,
        bench: "_Bench",
        suspects: Sequence[Step],
        session: Session,
        history: Sequence[Step],
    ) -> Session | None:
        """Return the simplest messages that have the same effect as the session had."""
        messages = [step.message for step in suspects]
        if (one := self._ladder(bench, messages)) is not None:
            return (Step(_DEALER, one),)
        for steps in (session, tuple(history)):
            self._check_time()
            if steps and bench.fails(steps, settle=True):
                return self._shortened(bench, steps)
        return None

    def _ladder(self, bench: "_Bench", suspects: Sequence[Message]) -> Message | None:
        """Return the simplest message that does it alone.

        Messages are sent from the simplest on, all at once, since the replies of one connection
        come in order (FRM-5): the first one that is not answered as it should be is it. That takes
        one server, however many there are.
        """
        found: Message | None = None
        for _ in range(_ROUNDS):
            self._check_time()
            tried = suspects if found is None else [found]
            steps = [other for one in tried for other in self._simpler(one)]
            steps = sorted(steps, key=cost)[:MOST]
            if found is None:
                steps = [*steps, *suspects]
            one = bench.first(steps)
            if one is None:
                return found
            found = one
        return found

    def _simpler(self, message: Message) -> list[Message]:
        """Return simpler messages with nothing special that the message has not.

        Any other would be another failure, which may be known.
        """
        mine = traits(message, self.offer)
        return [other for other in simpler(message) if mine.issuperset(traits(other, self.offer))]

    def _shortened(self, bench: "_Bench", steps: Session) -> Session:
        tries = 0
        smaller = True
        while smaller and len(steps) > 1:
            smaller = False
            for fewer in shorter(steps):
                self._check_time()
                tries += 1
                if tries > _TRIES:
                    return steps
                if bench.fails(fewer, settle=True):
                    steps, smaller = fewer, True
                    break
        if len(steps) == 1:
            for message in self._simpler(steps[0].message)[:_TRIES]:
                self._check_time()
                if bench.fails((Step(steps[0].peer, message),), settle=True):
                    return (Step(steps[0].peer, message),)
        return steps

    def _described(self, steps: Session, symptom: Symptom) -> Failure:
        special = {trait for step in steps for trait in traits(step.message, self.offer)}
        return Failure(steps, symptom, tuple(sorted(special)), self.seconds)

    def _confirmed(self, bench: "_Bench", failure: Failure) -> Failure | None:
        """Return the failure if it happens on a fresh server, with all patience."""
        try:
            self._check_time()
            for steps in _as_usual(failure.steps):
                symptom = bench.confirm(steps)
                if symptom is not None:
                    confirmed = self._described(steps, symptom)
                    with self._lock:
                        if any(confirmed.key == known.key for known in self.failures):
                            self.again += 1
                        else:
                            self.failures.append(confirmed)
                    return confirmed
            return None
        finally:
            with self._lock:
                self._pending.remove(failure)

    def _check_time(self) -> None:
        if self.hurry.is_set():
            raise _OverError


def _as_usual(steps: Session) -> Iterator[Session]:
    """Yield a single message as an ordinary client sends it, if one can, and as it was found."""
    if len(steps) == 1 and not any(isinstance(d, Route) for d in steps[0].message.damages):
        yield (Step(_REQ, steps[0].message),)
    yield steps


class _OverError(Exception):
    """There is no time left for what is under way."""


def _by_right(run: Run, scale: float) -> bool:
    """Tell whether a server that was sent commands has stopped, as it does when all is done."""
    deadline = time.monotonic() + _STOPS * scale
    while not run.ended_orderly:
        if run.ended() or time.monotonic() > deadline:
            # The process may be seen to end before its status is there.
            return run.ended_orderly
        time.sleep(_TICK)
    return True


@define
class _Bench:
    """A server on which messages are tried; another one as soon as it has failed."""

    servers: Servers
    symptom: Symptom
    offer: Offer
    scale: float
    _run: Run | None = None
    _used: int = 0

    def close(self) -> None:
        """Give the server back."""
        if self._run is not None:
            self.servers.drop(self._run)
            self._run = None

    def fails(self, steps: Session, *, settle: bool = False) -> bool:
        """Tell whether a session on a fresh server has the same effect."""
        self.close()
        return self._same(self._hold(steps, settle=settle)) is not None

    def first(self, candidates: Sequence[Message]) -> Message | None:
        """Return the first message that has the same effect."""
        steps: list[Step] = []
        meant: list[Message] = []
        for message in candidates:
            # An answer too many can be told from the next one only if there is none.
            steps.append(Step(_DEALER, message, wait=_group(self.symptom) == "mispaired"))
            meant.append(message)
            if not message.well_framed:
                steps.append(_PLAIN)  # the reply to which shows that the other one did no harm
                meant.append(message)
        found = self._same(self._hold(tuple(steps)))
        if found is None:
            return None
        return meant[found.after] if found.after < len(meant) else None

    def confirm(self, steps: Session) -> Symptom | None:
        """Return what goes wrong on a fresh server, whatever it was that drew attention."""
        self.close()
        return self._hold(steps, settle=True, patient=True)

    def _same(self, found: Symptom | None) -> Symptom | None:
        return found if found is not None and _group(found) == _group(self.symptom) else None

    def _hold(
        self, steps: Session, *, settle: bool = False, patient: bool = False
    ) -> Symptom | None:
        if self._run is None:
            self._used += 1
            if self._used > _SEVERAL:
                raise _OverError
            self._run = self.servers.take()
        talk = Conversation(self._run, self.offer, self.scale)
        found = None
        try:
            found = talk.hold(steps, patient=patient)
            if found is None and settle and (commands(steps) or len(steps) > 1):
                time.sleep(_SETTLE * self.scale)
                found = talk.hold((_PLAIN,), patient=patient)
            if found is not None and found.kind in DEADLY and commands(steps):
                return None if _by_right(self._run, self.scale) else found
            return found
        finally:
            talk.close()
            if found is not None and found.kind in DEADLY:
                self.close()
