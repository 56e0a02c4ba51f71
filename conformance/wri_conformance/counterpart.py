"""Plays the suite's part in a scenario for clients and subscribers: their scheduler.

What a client reports through its adapter is compared with what the scheduler saw and sent: data
that was never sent, an answer where nothing was asked, or a publication that nobody made is told
as what it is, whatever a step expects.
"""

import base64
import binascii
import contextlib
import errno
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import zmq
from attrs import define, field

from wri_conformance import expect, reading, service
from wri_conformance.adapters import Adapter, AdapterError, Answer
from wri_conformance.bodies import frames_of
from wri_conformance.judging import Judge
from wri_conformance.peers import Missing
from wri_conformance.playing import eventually
from wri_conformance.runs import Run, StartError
from wri_conformance.scenario import Scenario, Step
from wri_conformance.script import Script, publications
from wri_conformance.scripted import Listener, Scripted, canonical, certificate
from wri_conformance.seen import Seen
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace
from wri_conformance.truth import Truth

DEFAULT = 5.0  # seconds: the default time-out of clients (WRI-CLI-8)
GRACE = 15.0  # seconds beyond its time-out in which a client has to come to an outcome
_BEYOND_BOUND = 4  # an outcome is waited for that many times the bound, so that it is measured
_SUBSCRIBED = 2.0  # seconds for subscriptions to arrive at the scheduler, if any will
_ADMITTED = 1.0  # seconds in which a subscriber that is admitted comes
_SURELY = 8.0  # further seconds for the first of them, if nothing is in its way
_ON_ITS_WAY = 0.3  # seconds in which a request that was sent arrives
_MORE_TOPICS = 0.1  # seconds after the first in which the other ones of one peer arrive
_CLOSED = 5.0  # seconds in which an adapter closes what a scenario has left open
_FINISH = 15.0  # seconds after the end of its input in which an adapter has to end
_TOPIC = 80  # characters of a topic that are told
_SHOWN = 4096  # a longer answer would drown a report
_DAMAGED = 20  # characters of a public key that are left where it is damaged
_UNTOLD = ("server.key_secret", "client.key_secret")  # files that have secrets rightly
_REFUSALS = {"error", "timeout", "stopped", "client-error", "unsupported"}
_DISTURBING = {"put", "control", "listen"}  # actions after which a client need not be served
_CONNECTED = {"connect", "subscribe", "follow"}


@define
class Counterpart:
    """The state of one scenario while it is played with one adapter."""

    scenario: Scenario
    run: Run
    command: Sequence[str]
    scale: float = 1.0
    trace: Trace = field(factory=Trace)
    saved: dict[str, Any] = field(factory=dict)
    scheduler: Scripted = field(init=False)
    _adapter: Adapter | None = None  # one that runs already
    _open: set[str] = field(factory=set)  # connections of the adapter
    sound: bool = True  # whether the adapter can be used by another scenario
    _timeouts: dict[str, float] = field(factory=dict)  # of connections, unless it is the default
    _waiting: list[Step] = field(factory=list)  # for the next request
    _right: bool = True  # whether nothing keeps a client from being served

    def __attrs_post_init__(self) -> None:
        """Make the scheduler, which is not running yet."""
        run = self.run
        self.scheduler = Scripted(run.run_dir, run.workflow, self.trace, run.workshop.token)

    def begin(self) -> None:
        """Start the scheduler, unless the scenario begins without one, and the adapter.

        Raises:
            Mistake: the adapter's command cannot be executed.
        """
        self._right = self.scenario.server != "none"
        if self._right:
            with self._in_place():
                self._start()
        self._adapter = self._adapter or Adapter.start(
            self.run.manifest.name,
            [self.run.fill(part) for part in self.command],
            self.run.home,
            self.run.environment,
            self.run.manifest.path,
            self.run.workshop.log(self.run.home),
            self.run.workshop.spawn,
        )

    def _start(self) -> dict[str, Any]:
        return self._remember(self.scheduler.start())

    def _remember(self, done: dict[str, Any]) -> dict[str, Any]:
        pairs = self.scheduler.keys.values()
        self.trace.secrets |= {pair.secret for pair in pairs if pair.secret}
        return done

    def names(self) -> Mapping[str, Any]:
        """Return what every scenario has saved as `run`."""
        return {
            "workflow": self.run.workflow,
            "run_dir": str(self.run.run_dir),
            "ports": {name: str(port) for name, port in self.scheduler.ports.items()},
        }

    def close(self) -> None:
        """End the scheduler, and the adapter unless all of its connections could be closed."""
        try:
            self.sound = self.sound and self._adapter is not None and self._close_connections()
        except AdapterError:
            self.sound = False
        if self._adapter is not None and not self.sound:
            self._adapter.close()
        self.scheduler.close()

    def _close_connections(self) -> bool:
        for name in sorted(self._open):
            closed = partial(
                self.adapter.answer, self.adapter.ask({"do": "close", "connection": name})
            )
            if not self._wait_for(closed, _CLOSED * self.scale):
                return False
        return True

    def unfit(self, step: Step, seen: Seen) -> str:
        """Return why what a step observed does not do as preparation; nothing if it does."""
        bad = step.action == "ask" and seen.body.get("result") in _REFUSALS
        return f"{seen.body['result']}: {seen.body.get('message', '')[:_SHOWN]}" if bad else ""

    # -- doing

    def do(self, step: Step, judge: Judge) -> Seen:
        """Carry out a step; raises Missing, LookupError or StartError."""
        action: Callable[[Step], Seen] = getattr(self, f"_{step.action}")
        self._right = self._right and step.action not in _DISTURBING
        try:
            if "upon" in step.spec:
                self._waiting.append(step)
                return Seen({"done": False})
            with self._in_place():
                if "eventually" in step.spec:
                    return eventually(step, judge, action, self.scale)
                return action(step)
        except AdapterError as error:
            self.trace.note("adapter", "·", str(error))
            self.sound = False
            raise StartError(str(error), "") from None

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        """Blame an adapter for what it has put in the place of the scheduler's files."""
        try:
            yield
        except OSError as error:
            if not Path(str(error.filename)).is_relative_to(self.run.home):
                raise
            self.sound = False
            raise StartError(f"a file of the scheduler was spoilt: {error}", "") from None

    @property
    def adapter(self) -> Adapter:
        """The adapter, which has been started."""
        assert self._adapter is not None
        return self._adapter

    def _turn(self, deadline: float) -> None:
        """Wait until something happens, or until `deadline`, and deal with it."""
        poller = zmq.Poller()
        for source in self.scheduler.sources():
            poller.register(source, zmq.POLLIN)
        if self.adapter.source >= 0:
            poller.register(self.adapter.source, zmq.POLLIN)
        if self.adapter.sink >= 0:
            poller.register(self.adapter.sink, zmq.POLLOUT)
        due = self.scheduler.next_due()
        until = deadline if due is None else min(due, deadline)
        poller.poll(max(0, int((until - time.monotonic()) * 1000) + 1))
        before = len(self.scheduler.requests)
        self.scheduler.work()
        if len(self.scheduler.requests) > before:
            waiting, self._waiting = self._waiting, []
            for step in waiting:
                getattr(self, f"_{step.action}")(step)
        self.adapter.write()
        self.adapter.read()

    def _wait_for(self, met: Callable[[], object], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not met():
            if time.monotonic() >= deadline:
                return False
            self._turn(deadline)
        return True

    def _ask(self, step: Step) -> Seen:
        spec = step.spec["ask"]
        if "reply" in step.spec:
            self.scheduler.script = Script(step.spec["reply"])
        before = len(self.scheduler.requests)
        in_turn = "in_turn" in step.spec
        several = isinstance(spec, list) and not in_turn
        commands: list[dict[str, Any]] = [
            self._command(one) for one in (spec if isinstance(spec, list) else [spec])
        ]
        if "times" in step.spec:
            answers = self._repeat(commands[0], step)
        elif in_turn:
            commands, answers = self._in_turn(commands, step)
        else:
            answers = self._exchange(commands, step)
        bodies = [
            self._told(command, answer)
            for command, answer in zip(commands * len(answers), answers, strict=False)
        ]
        if any(command["do"] == "request" for command in commands):
            # What was sent may still be on its way when a client is too quick with an outcome.
            self._wait_for(lambda: len(self.scheduler.requests) > before, _ON_ITS_WAY)
        if "reply" in step.spec and self._right and not self.scheduler.requests:
            raise Missing(
                f"the client reports {answers[-1].result}, while no request came to the scheduler: "
                f"{self.traffic()}"
            )
        requests = [one.describe() for one in self.scheduler.requests[before:]]
        if several or "times" in step.spec:
            body: dict[str, Any] = {"answers": bodies, "requests": requests}
            body["published"] = [one.get("published") for one in bodies]
        else:
            body = {**bodies[0], "requests": requests}
        seconds = [answer.seconds for answer in answers]
        seen = Seen(body, seconds=max(seconds))
        seen.sent = "; ".join(canonical(command) for command in commands)
        if len(str(body)) > _SHOWN:
            seen.shown = {"result": body.get("result"), "longer": len(str(body))}
        return seen

    def _repeat(self, command: Mapping[str, Any], step: Step) -> list[Answer]:
        """Give a command again and again; once it brings nothing more, each try would only wait."""
        answers: list[Answer] = []
        while len(answers) < step.spec["times"] and (not answers or answers[-1].result == "data"):
            answers += self._exchange([command], step)
        return answers

    def _in_turn(
        self, commands: Sequence[dict[str, Any]], step: Step
    ) -> tuple[list[dict[str, Any]], list[Answer]]:
        """Return the first command that did not just succeed, or the last one, and its answer.

        Where a client tells that something is wrong, when it is made or when it is used, is up
        to it.
        """
        seconds = 0.0
        for number, command in enumerate(commands, start=1):
            answer = self._exchange([command], step)[0]
            seconds += answer.seconds
            if answer.result != "done" or number == len(commands):
                break
        return [command], [Answer(answer.body, seconds)]

    def _command(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        command = {"do": spec["do"]}
        if spec["do"] != "capabilities":
            command["connection"] = spec.get("connection", "main")
        if spec["do"] in _CONNECTED:
            command["workflow"] = self.run.workflow
            self._timeouts[command["connection"]] = float(spec.get("timeout", DEFAULT))
        if spec["do"] == "request":
            command["args"] = {}
        return {**command, **expect.resolve(dict(spec), self.saved)}

    def _exchange(self, commands: Sequence[Mapping[str, Any]], step: Step) -> list[Answer]:
        numbers = []
        subscribed, before = len(self.scheduler.subscriptions), self._admissions()
        for command in commands:
            self.trace.note("adapter", "→", canonical(command))
            numbers.append(self.adapter.ask(command))
        patience = self._patience(step, commands)
        arrived = self._wait_for(
            lambda: all(self.adapter.answer(number) for number in numbers), patience
        )
        if not arrived:
            raise AdapterError(
                f"no outcome in {patience:g} s: the client, or its adapter, waits for ever"
                f"{self.adapter.last_words()}"
            )
        answers = [answer for n in numbers if (answer := self.adapter.answer(n)) is not None]
        for answer in answers:
            self.trace.note("adapter", "←", [canonical(dict(answer.body)).encode()])
        for command, answer in zip(commands, answers, strict=True):
            if command["do"] in _CONNECTED and answer.result == "done":
                self._open.add(command["connection"])
            elif command["do"] == "close":
                self._open.discard(command["connection"])
            if command["do"] in {"subscribe", "follow"}:
                number = subscribed + len(command.get("topics", [""]))
                self._await_subscriptions(number, before, command, answer)
        return answers

    def _patience(self, step: Step, commands: Sequence[Mapping[str, Any]]) -> float:
        bounds = step.spec.get("bound", {})
        if bounds:
            return float(max(bounds.values())) * _BEYOND_BOUND
        if "within" in step.spec:
            return float(step.spec["within"]) * self.scale
        timeouts = [
            float(c.get("timeout", self._timeouts.get(c.get("connection", ""), DEFAULT)))
            for c in commands
        ]
        return max(timeouts) + GRACE * self.scale

    def _await_subscriptions(
        self,
        number: int,
        before: tuple[int, int],
        command: Mapping[str, Any],
        answer: Answer,
    ) -> None:
        """What is published from now on must not be lost because the scheduler was too fast."""
        if answer.result != "done":
            return
        refused, admitted = before
        since = time.monotonic()

        def over() -> bool:
            if len(self.scheduler.subscriptions) >= number:
                return True
            now_refused, now_admitted = self._admissions()
            # Whoever was refused before tries again and again; the new one may be on its way.
            settled = time.monotonic() - since > _ADMITTED
            return settled and now_refused > refused and now_admitted == admitted

        self._wait_for(over, _SUBSCRIBED * self.scale)
        if self._right and not self._wait_for(
            lambda: self.scheduler.subscriptions, _SURELY * self.scale
        ):
            raise Missing(f"the result is {answer.result}, while the scheduler saw no subscription")
        if command["do"] == "follow":  # to how many topics is up to it
            self._wait_for(lambda: False, _MORE_TOPICS * self.scale)

    def _admissions(self) -> tuple[int, int]:
        """Return how many subscribers were refused so far, and how many admitted."""
        events = self.scheduler.events["publish"]
        return events.count("refused"), events.count("succeeded")

    def _told(self, command: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
        """Return what an answer says, after a look at whether it can be true.

        Raises:
            Missing: it cannot.
        """
        told = {key: value for key, value in answer.body.items() if key != "id"}
        told["seconds"] = round(answer.seconds, 3)
        if "bytes" in told:
            try:
                raw = base64.b64decode(told["bytes"], validate=True)
            except (binascii.Error, ValueError) as error:
                raise AdapterError(f"what the adapter gives as base64 is none: {error}") from None
            told["size"] = len(raw)
        if command["do"] == "request" and answer.result in {"data", "error"}:
            self._verify_reply(told)
        if command["do"] == "receive" and answer.result == "data":
            told |= self._verify_publication(told)
        if command["do"] == "store" and answer.result == "data":
            told |= self.scheduler.truth.compare(base64.b64decode(told["bytes"]))
        return told

    def _verify_reply(self, told: Mapping[str, Any]) -> None:
        if not self.scheduler.replies:
            raise Missing(
                f"the client reports {told['result']}, although the scheduler has sent no reply: "
                f"{self.traffic()}"
            )
        if told["result"] == "data":
            value: Any = base64.b64decode(told["bytes"]) if "bytes" in told else told["data"]
            if canonical(value) not in self.scheduler.values:
                raise Missing(
                    "the client reports data that is not what the scheduler has sent: "
                    f"{canonical(told.get('data', told.get('bytes')))[:200]}"
                )

    def traffic(self) -> str:
        """Return, in words, what came to the request port."""
        if self.scheduler.requests:
            return f"{len(self.scheduler.requests)} requests came"
        connected = "accepted" in self.scheduler.events["request"]
        return "it connected and asked nothing" if connected else "nothing ever connected"

    def _verify_publication(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if "topic" not in told or "bytes" not in told:
            raise AdapterError("a publication has a topic and bytes")
        payload = base64.b64decode(told["bytes"])
        message = (told["topic"].encode("utf-8", "surrogatepass"), payload)
        if message not in self.scheduler.publications:
            raise Missing(
                f"the subscriber reports a publication that was never made: "
                f"{told['topic'][:_TOPIC]!r} with {len(payload)} bytes"
            )
        return {
            "text": payload.decode("utf-8", "replace"),
            "published": self.scheduler.publications.index(message),
        }

    def _publish(self, step: Step) -> Seen:
        messages = [
            frames
            for item in step.spec["publish"]
            for _ in range(item.get("times", 1))
            for frames in publications(item, self.scheduler.truth)
        ]
        if "publish" not in self.scheduler.ports:
            raise Missing("the scheduler does not run")
        self.scheduler.publish(messages)
        return Seen({"published": len(messages)})

    def _truth(self, step: Step) -> Seen:
        self.scheduler.truth = Truth.of(step.spec["truth"])
        return Seen({"done": True})

    def _script(self, step: Step) -> Seen:
        self.scheduler.script = Script(step.spec["script"])
        return Seen({"done": True})

    def _control(self, step: Step) -> Seen:
        action = step.spec["control"]
        done = self._start() if action == "start" else getattr(self.scheduler, action)()
        return Seen(self._remember(done))

    def _put(self, step: Step) -> Seen:
        spec = expect.resolve(dict(step.spec["put"]), self.saved)
        path = self.scheduler.service / spec["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if spec.get("absent"):
            path.unlink(missing_ok=True)
        elif "fields" in spec:
            fields = service.read_contact(path.parent) or self.scheduler.fields()
            fields |= {name: value for name, value in spec["fields"].items() if value is not None}
            for name in [name for name, value in spec["fields"].items() if value is None]:
                fields.pop(name, None)
            self.scheduler.write_contact(fields)
        elif "key" in spec:
            pair = self.scheduler.keys[spec["key"]]
            public_only = not path.name.endswith("_secret") or spec.get("public_only")
            pair = KeyPair(pair.public) if public_only else pair
            if spec.get("damaged"):
                pair = KeyPair(pair.public[:_DAMAGED], pair.secret)
            reading.replace(path, certificate(pair).encode())
        else:
            body = b"".join(frames_of({k: spec[k] for k in spec if k != "file"}))
            reading.replace(path, body)
        self.trace.note("scheduler", "·", f"wrote {spec['file']}")
        return Seen({"done": True})

    def _listen(self, step: Step) -> Seen:
        greeting = b"".join(frames_of(step.spec["listen"])) if step.spec["listen"] else b""
        listener = Listener.open(greeting)
        self.scheduler.listeners[str(step.number)] = listener
        return Seen({"port": str(listener.port)})

    def _wait(self, step: Step) -> Seen:
        self._wait_for(lambda: False, float(step.spec["wait"]))
        return Seen({"done": True})

    def _observe(self, step: Step) -> Seen:
        subject = step.spec["observe"]
        if subject == "contact":
            return Seen(service.describe_contact(self.scheduler.service))
        if subject == "scheduler":
            return Seen(
                {
                    "requests": [one.describe() for one in self.scheduler.requests],
                    "commands": [one.command for one in self.scheduler.requests],
                    "subscriptions": list(self.scheduler.subscriptions),
                    "connections": {
                        name: events.count("accepted")
                        for name, events in self.scheduler.events.items()
                    },
                    "admitted": {
                        name: events.count("succeeded")
                        for name, events in self.scheduler.events.items()
                    },
                }
            )
        if not self.adapter.heard:
            return Seen(why="the adapter has said nothing in which a secret could be found")
        return Seen({"leaks": self._leaks()})

    def _leaks(self) -> list[str]:
        """Return where the secret keys of the scenario turned up."""
        secrets = self.trace.secrets
        told = {
            "standard output": bytes(self.adapter.heard),
            "a request": b"".join(f for one in self.scheduler.requests for f in one.frames),
        }
        found = [where for where, data in told.items() if any(one in data for one in secrets)]
        files = {"standard error": self.adapter.log}
        for path in sorted(self.run.home.rglob("*")):
            if path.name not in _UNTOLD and not path.is_symlink():
                files[str(path.relative_to(self.run.home))] = path
        found += [where for where, path in files.items() if _holds(path, secrets)]
        return [f"a secret key is in {where}" for where in found]

    def _finish(self, _step: Step) -> Seen:
        self.sound = False
        return Seen(self.adapter.finish(_FINISH * self.scale))


def _holds(path: Path, secrets: Collection[bytes]) -> bool:
    """Tell whether a secret is in a file.

    Raises:
        Missing: it is too large to tell.
    """
    try:
        return reading.holds(path, secrets)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Missing(f"{path.name} is too large to look for secret keys in it") from None
        return False
