"""Plays one scenario against one run, and turns what it sees into results."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq
from attrs import define, field

from wri_conformance import crowd, expect, service
from wri_conformance.peers import (
    GREETING_SIZE,
    Missing,
    Peer,
    Reply,
    Security,
    Tcp,
    greeting,
    parse_greeting,
)
from wri_conformance.probe import API_REQUEST, PATIENCE, address, probe, security
from wri_conformance.runs import Run, StartError
from wri_conformance.scenario import Scenario, Step
from wri_conformance.service import KeyPair
from wri_conformance.specification import Specification
from wri_conformance.trace import Trace, readable
from wri_conformance.verdict import Result, Verdict, of_failure

REPLY = 5.0  # seconds: the default time-out of clients (WRI-CLI-8)
HANDSHAKE = 10.0  # seconds; a CURVE handshake on loopback took some milliseconds
_SUBSCRIBED = 1.0  # seconds for a subscription to arrive, which nothing confirms
_LOOK = 0.5  # seconds between two looks at the process while a reply is waited for
_SHOWN, _DEEP = 4096, 200  # a larger or deeper body would drown a report; it is shown as text
_AFTERMATH = 0.3  # seconds in which a server that was hit would fall
_DEALT_WITH = 60.0  # seconds; 50 MiB of junk took 0.1 s at best
_BEYOND_BOUND = 4  # a reply is waited for that many times the bound, so that it can be measured

NOTHING = object()  # nothing was observed; `_Seen.why` says what was missing


@define
class _Seen:
    """What a step observed: the body, the message around it, or why there is neither."""

    body: Any = NOTHING
    message: Any = NOTHING
    why: str = ""
    sent: str = ""
    seconds: float | None = None
    shown: Any = None
    not_applicable: str = ""


@define
class Player:
    """The state of one scenario while it is played."""

    scenario: Scenario
    specification: Specification
    run: Run
    begin: Callable[[], object]
    other: Callable[[], Run]
    scale: float = 1.0
    trace: Trace = field(factory=Trace)
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _peers: dict[str, Peer] = field(factory=dict)
    _heard: set[str] = field(factory=set)
    _streams: list[Tcp] = field(factory=list)
    _floods: list[crowd.Flood] = field(factory=list)
    _saved: dict[str, Any] = field(factory=dict)
    _keys: dict[str, dict[str, KeyPair]] = field(factory=dict)
    _leaks: list[str] = field(factory=list)
    _subscribed: float = 0.0  # when the subscriptions made so far will have arrived

    def play(self) -> list[Result]:
        """Return one result for each check of the scenario, reached or not.

        A step that cannot be carried out by the implementation's fault fails its checks; the
        steps after it are tried nevertheless, unless the server could not be started, or the
        step has no checks and so was preparation for them.
        """
        results: list[Result] = []
        self._saved["run"] = {
            "workflow": self.run.workflow,
            "run_dir": str(self.run.run_dir),
        }
        try:
            cause = self._begin()
            for step in self.scenario.steps:
                if cause:
                    results += self._unreached(step, cause)
                    continue
                try:
                    seen = self._do(step)
                except StartError as error:
                    cause = str(error)
                    results += self._judge(step, _Seen(why=cause))
                    continue
                except (Missing, LookupError) as error:
                    seen = _Seen(why=str(error).strip("'\""))
                cause = self._cause(step, seen)
                if seen.seconds is None and isinstance(seen.body, dict):
                    seen.seconds = seen.body.get("seconds")
                if "save" in step.spec:
                    self._saved[step.spec["save"]] = None if seen.body is NOTHING else seen.body
                results += self._judge(step, seen)
        finally:
            self.close()
        return results

    def _cause(self, step: Step, seen: _Seen) -> str:
        """Return why nothing after a step would say anything, if it was only preparation."""
        if step.expectations or step.message:
            return ""
        if seen.body is NOTHING:
            return f"{step.name}: {seen.why}"
        if step.action == "control" and not seen.body["done"]:
            return f"{step.name}: the process could not be found"
        return ""

    def _begin(self) -> str:
        try:
            self.begin()
        except StartError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Close every connection of the scenario."""
        for flood in self._floods:
            flood.end()
        for peer in self._peers.values():
            peer.close()
        for tcp in self._streams:
            tcp.close()
        self._peers.clear()
        self._context.destroy(linger=0)

    # -- judging

    def _unreached(self, step: Step, cause: str) -> list[Result]:
        return [
            self._result(step, requirement, Verdict.FAIL, f"not reached: {cause}", reached=False)
            for requirement in (*step.expectations, *step.message)
        ]

    def _result(
        self, step: Step, requirement: str, verdict: Verdict, message: str = "", **more: Any
    ) -> Result:
        return Result(
            id=f"{self.scenario.id}::{step.name}::{requirement}",
            scenario=self.scenario.id,
            step=step.name,
            requirement=requirement,
            verdict=verdict,
            message=message,
            **more,
        )

    def _judge(self, step: Step, seen: _Seen) -> list[Result]:
        found = []
        for actual, expectations in (
            (seen.body, step.expectations),
            (seen.message, step.message),
        ):
            for requirement, schema in expectations.items():
                found.append(self._judge_one(step, seen, requirement, schema, actual))
        return found

    def _judge_one(
        self, step: Step, seen: _Seen, requirement: str, schema: Any, actual: Any
    ) -> Result:
        broken = of_failure(self.specification.requirements[requirement].severity)
        more: dict[str, Any] = {
            "sent": seen.sent,
            "seconds": None if seen.seconds is None else round(seen.seconds, 3),
        }
        if seen.not_applicable:
            return self._result(step, requirement, Verdict.NOT_APPLICABLE, seen.not_applicable)
        if actual is NOTHING:
            return self._result(
                step, requirement, broken, seen.why, expected=schema, actual=seen.shown, **more
            )
        try:
            schema = expect.resolve(schema, self._saved)
        except LookupError as error:
            return self._result(
                step,
                requirement,
                broken,
                str(error.args[0]),
                expected=schema,
                actual=actual,
                **more,
            )
        reason = expect.mismatch(schema, actual)
        bound = step.spec.get("bound", {}).get(requirement)
        late = bool(reason is None and bound and seen.seconds is not None and seen.seconds > bound)
        if late:
            reason = f"it took {seen.seconds:.1f} s; the requirement allows {bound:g} s"
        return self._result(
            step,
            requirement,
            Verdict.PASS if reason is None else broken,
            reason or "",
            late=late,
            expected=schema,
            actual=actual if actual is not seen.body or seen.shown is None else seen.shown,
            **more,
        )

    # -- doing

    def _do(self, step: Step) -> _Seen:
        name = step.spec.get("unless_listed")
        if name is not None and name in self._listed(self._of(step)):
            return _Seen(not_applicable=f"{name} is an endpoint of this server")
        action: Callable[[Step], _Seen] = getattr(self, f"_{step.action}")
        return action(step)

    def _listed(self, run: Run) -> list[str]:
        response = self._ask(run, {})
        data = response.get("data") if isinstance(response, dict) else None
        return [name for name in data if isinstance(name, str)] if isinstance(data, list) else []

    def _ask(self, run: Run, args: Mapping[str, Any]) -> Any:
        """Return the response to `api` on a connection of its own; None if there is none."""
        peer = Peer.open(
            self._context, "asks-api", "REQ", address(run, "request"), security(run), self.trace
        )
        try:
            peer.send([json.dumps({"command": "api", "args": args}).encode()])
            reply = peer.receive(REPLY * self.scale)
            return None if reply is None else reply.json()
        except (ValueError, RecursionError):
            return None
        finally:
            peer.close()

    def _describe(self, step: Step) -> _Seen:
        run = self._of(step)
        names = self._listed(run)
        if not names:
            return _Seen(why="api does not list the endpoints")
        return _Seen({name: self._ask(run, {"endpoint": name}) for name in names})

    def _of(self, step: Step) -> Run:
        return self.other() if step.spec.get("run") == "other" else self.run

    def _connect(self, step: Step) -> _Seen:
        spec = step.spec["connect"]
        name = step.spec.get("peer", "main")
        run = self._of(step)
        if name in self._peers:
            self._peers.pop(name).close()
        security = Security(
            spec.get("mechanism", "CURVE"),
            self._client_key(run, spec.get("client_key", "own")),
            self._server_key(run, spec.get("server_key", "own")),
        )
        peer = Peer.open(
            self._context,
            name,
            spec.get("socket", "REQ"),
            address(run, spec.get("to", "request")),
            security,
            self.trace,
            correlate=spec.get("correlate", False),
            topics=spec.get("topics", ()),
            stingy=spec.get("stingy", False),
        )
        self._peers[name] = peer
        if spec.get("ask"):
            peer.send([API_REQUEST])
        outcome = peer.handshake(HANDSHAKE * self.scale)
        if outcome == "succeeded" and peer.kind == "SUB":
            self._subscribed = time.monotonic() + _SUBSCRIBED * self.scale
        return _Seen({"handshake": outcome, "events": list(peer.events)})

    def _client_key(self, run: Run, source: Any) -> KeyPair:
        if source == "unknown":
            return KeyPair.new()
        if source == "other":
            return self._own_key(self.other().keys)
        if isinstance(source, Mapping):
            return self._own_key(self._keys[source["saved"]])
        own = self._own_key(run.keys)
        return KeyPair(own.public, KeyPair.new().secret) if source == "unmatched" else own

    @staticmethod
    def _own_key(keys: Mapping[str, KeyPair]) -> KeyPair:
        pair = keys.get("client.key_secret")
        if pair is None or pair.secret is None:
            raise Missing("there is no key pair in .service/client.key_secret")
        return pair

    def _server_key(self, run: Run, source: Any) -> bytes:
        if source == "unknown":
            return KeyPair.new().public
        if source == "other":
            keys = self.other().keys
        elif isinstance(source, Mapping):
            keys = self._keys[source["saved"]]
        else:
            keys = run.keys
        if "server.key" not in keys:
            raise Missing("there is no public key in .service/server.key")
        return keys["server.key"].public

    def _peer(self, step: Step) -> Peer:
        name = step.spec.get("peer", "main")
        if name not in self._peers:
            run = self._of(step)
            self._peers[name] = Peer.open(
                self._context,
                name,
                "REQ",
                address(run, "request"),
                security(run),
                self.trace,
            )
        return self._peers[name]

    def _request(self, step: Step) -> _Seen:
        return self._exchange(step, [json.dumps(step.spec["request"]).encode()])

    def _send(self, step: Step) -> _Seen:
        return self._exchange(step, frames_of(step.spec["send"]))

    def _exchange(self, step: Step, body: Sequence[bytes]) -> _Seen:
        peer = self._peer(step)
        envelope = [part.encode() for part in step.spec.get("envelope", [""])]
        sent = " + ".join(readable(frame) for frame in body)
        try:
            for _ in range(step.spec.get("times", 1)):
                peer.send(body, envelope)
        except zmq.Again:
            if step.spec.get("answer") != "never":
                self._drop(peer)
                return _Seen(why=f"no connection ({peer.handshake()})", sent=sent)
        if "answer" in step.spec:
            return _Seen({"sent": True}, sent=sent)
        seen = self._silence(step, peer) if "silence" in step.spec else self._await(step, peer)
        seen.sent = sent
        return seen

    def _drop(self, peer: Peer) -> None:
        """Forget a socket that waits for a reply: REQ cannot be used again."""
        self._peers.pop(peer.name, None)
        peer.close()

    def _patience(self, step: Step) -> float:
        bounds = step.spec.get("bound", {})
        if bounds:
            return float(max(bounds.values())) * _BEYOND_BOUND
        return float(step.spec.get("within", REPLY)) * self.scale

    def _await(self, step: Step, peer: Peer) -> _Seen:
        patience = self._patience(step)
        run = self._of(step)
        deadline = time.monotonic() + patience
        reply = None
        while reply is None and (left := deadline - time.monotonic()) > 0:
            reply = peer.receive(min(left, _LOOK))
            if reply is None and (ended := run.ended()):
                return _Seen(why=f"no reply: {ended}")
        if reply is None:
            state = peer.handshake()
            self.trace.note(peer.name, "·", f"no reply in {patience:g} s")
            if peer.kind == "REQ":
                self._drop(peer)
            return _Seen(why=f"no reply in {patience:g} s (handshake: {state})")
        return self._of_reply(peer, reply)

    def _of_reply(self, peer: Peer, reply: Reply) -> _Seen:
        self._heard.add(peer.name)
        self._look_for_secrets(f"a message to {peer.name}", reply.frames)
        seen = _Seen(message=reply.describe(), seconds=reply.seconds)
        if peer.kind == "SUB":
            topic = reply.frames[0].decode("utf-8", "replace") if reply.frames else ""
            payload = reply.frames[1] if len(reply.frames) > 1 else b""
            text = payload.decode("utf-8", "replace")
            seen.body = {
                "topic": topic,
                "text": text,
                "utf8": text.encode() == payload,
                "frames": len(reply.frames),
            }
            return seen
        try:
            seen.body = reply.json()
        except (ValueError, RecursionError) as error:
            seen.why = f"the reply is not JSON: {error}"
            seen.shown = readable(reply.body)
            return seen
        data = seen.body.get("data") if isinstance(seen.body, dict) else None
        if isinstance(data, list) and all(isinstance(item, str) for item in data):
            seen.message["data_sorted"] = data == sorted(data)
        if len(reply.body) > _SHOWN or reply.body.count(b"[") + reply.body.count(b"{") > _DEEP:
            seen.shown = readable(reply.body)
        self._look_for_secrets(f"a message to {peer.name}", [_strings(seen.body)])
        return seen

    def _look_for_secrets(self, where: str, frames: Sequence[bytes]) -> None:
        for name, pair in self.run.keys.items():
            if pair.secret and any(pair.secret in frame for frame in frames):
                self._leaks.append(f"the secret key of {name} is in {where}")

    def _silence(self, step: Step, peer: Peer) -> _Seen:
        """Silence counts only while the server demonstrably answers somebody else."""
        reply = peer.receive(float(step.spec["silence"]) * self.scale)
        why = ""
        if reply is None:
            why = self._proof_of_life(step)
            # Whoever answers others late may have answered this peer late, too.
            reply = peer.receive(0)
        if reply is not None:
            seen = self._of_reply(peer, reply)
            if seen.body is NOTHING:
                seen.body = {"reply": seen.shown}
            return seen
        peer.forget()
        if peer.kind == "REQ":
            self._drop(peer)
        return _Seen(why=f"silence proves nothing: {why}") if why else _Seen(None)

    def _proof_of_life(self, step: Step) -> str:
        """Return why silence would prove nothing; nothing if it would."""
        witness = step.spec.get("witness")
        if witness is not None:
            return "" if witness in self._heard else f"{witness} heard nothing either"
        sign = probe(self._of(step), self.trace, patience=PATIENCE * self.scale)
        return "" if sign["alive"] else str(sign["why"])

    def _receive(self, step: Step) -> _Seen:
        spec = step.spec["receive"]
        name = step.spec.get("peer", "main")
        if name not in self._peers:
            raise Missing(f"{name} has no connection")
        peer = self._peers[name]
        if "silence" in step.spec:
            return self._silence(step, peer)
        if "until" in spec:
            return self._until(step, peer, spec["until"])
        if "count" not in spec:
            return self._await(step, peer)
        bodies: list[Any] = []
        seen = _Seen()
        for number in range(spec["count"]):
            seen = self._await(step, peer)
            if seen.body is NOTHING:
                seen.why = f"reply {number + 1} of {spec['count']}: {seen.why}"
                return seen
            bodies.append(seen.body)
        return _Seen(bodies, message=seen.message, seconds=seen.seconds)

    def _until(self, step: Step, peer: Peer, topic: str) -> _Seen:
        deadline = time.monotonic() + self._patience(step)
        frames: list[int] = []
        while (left := deadline - time.monotonic()) > 0:
            reply = peer.receive(left)
            if reply is None:
                break
            seen = self._of_reply(peer, reply)
            frames.append(len(reply.frames))
            if isinstance(seen.body, dict) and seen.body["topic"] == topic:
                seen.body["all_frames"] = sorted(set(frames))
                return seen
        return _Seen(
            why=f"no publication {topic!r} in {self._patience(step):g} s ({len(frames)} others)"
        )

    def _tcp(self, step: Step) -> _Seen:
        spec = step.spec["tcp"]
        run = self._of(step)
        port = run.port(spec.get("to", "request"))
        if port is None:
            raise Missing(f"the contact file names no {spec.get('to', 'request')} port")
        seen: dict[str, Any] = {}
        for number in range(spec.get("connections", 1)):
            tcp = Tcp(f"tcp-{number + 1}", self.trace)
            self._streams.append(tcp)
            if not tcp.connect(run.host, port, HANDSHAKE * self.scale):
                return _Seen({"connected": False})
            seen = self._talk(tcp, spec, last=number == spec.get("connections", 1) - 1)
            if not spec.get("hold"):
                tcp.close()
        return _Seen(seen)

    def _talk(self, tcp: Tcp, spec: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
        received, closed = b"", False
        if "greeting" in spec:
            tcp.send(greeting(spec["greeting"]), REPLY * self.scale)
            received, closed = tcp.read(GREETING_SIZE, HANDSHAKE * self.scale)
        if "send" in spec:
            for frame in frames_of(spec["send"]):
                closed = not tcp.send(frame, REPLY * self.scale) or closed
            more, ended = tcp.read(GREETING_SIZE, 0.1 if last else 0.0)
            received, closed = received + more, closed or ended
        return {
            "connected": True,
            "closed": closed,
            "received": received.hex(),
            **parse_greeting(received),
        }

    def _control(self, step: Step) -> _Seen:
        run = self._of(step)
        action = step.spec["control"]
        time.sleep(max(0.0, self._subscribed - time.monotonic()))
        self.trace.note(run.workflow, "·", action)
        if action == "start":
            return _Seen(run.start())
        if action in {"stop", "kill", "suspend", "resume"} and (ended := run.ended()):
            raise Missing(f"there was no server to {action}: {ended}")
        acted: dict[str, Any] = getattr(run, action.replace("-", "_"))()
        self.trace.note(run.workflow, "·", f"{action}: {acted}")
        return _Seen(acted)

    def _observe(self, step: Step) -> _Seen:
        run = self._of(step)
        subject = step.spec["observe"]
        if subject == "keys":
            if "save" in step.spec:
                self._keys[step.spec["save"]] = dict(run.keys)
            return _Seen(service.describe_keys(run.service))
        if subject == "contact":
            return _Seen(service.describe_contact(run.service))
        if subject == "ports":
            return _Seen(run.ports_open())
        if subject == "process":
            return _Seen(run.describe_process())
        contact = run.service / "contact"
        if contact.exists():
            self._look_for_secrets("the contact file", [contact.read_bytes()])
        if not self._heard:
            return _Seen(why="nothing was received in which a secret could be found")
        return _Seen({"leaks": list(self._leaks)})

    def _alive(self, step: Step) -> _Seen:
        if "during" in step.spec:
            return self._alive_during(step, self._peers[step.spec["during"]])
        sign = self._probe(step)
        return _Seen(sign) if sign["alive"] else _Seen(why=sign["why"])

    def _probe(self, step: Step) -> dict[str, Any]:
        run = self._of(step)
        if "bound" in step.spec:
            return probe(run, self.trace, tries=1, patience=self._patience(step))
        return probe(run, self.trace, patience=PATIENCE * self.scale)

    def _alive_during(self, step: Step, peer: Peer) -> _Seen:
        """Probe until the message of `peer` is dealt with: before it arrives, all is well."""
        deadline = time.monotonic() + _DEALT_WITH * self.scale
        slowest: dict[str, Any] = {"seconds": 0.0}
        while time.monotonic() < deadline:
            sign = self._probe(step)
            if not sign["alive"]:
                return _Seen(why=sign["why"])
            slowest = max(slowest, sign, key=lambda seen: float(seen["seconds"]))
            if peer.receive(0.05) is not None or "disconnected" in peer.events:
                # A server that dies of the message closes the connection, too.
                time.sleep(_AFTERMATH * self.scale)
                sign = self._probe(step)
                return _Seen(slowest) if sign["alive"] else _Seen(why=sign["why"])
        return _Seen(
            why=f"the message of {peer.name} was not answered in {_DEALT_WITH * self.scale:g} s, "
            "nor was its connection closed: nothing shows that it was handled"
        )

    def _load(self, step: Step) -> _Seen:
        run = self._of(step)
        keys = security(run)
        seen = crowd.load(
            address(run, "request"),
            lambda: keys,
            step.spec["load"],
            self._patience(step) + step.spec["load"].get("suspended", 0),
            run.suspend,
            run.resume,
        )
        self.trace.note("load", "·", json.dumps(seen))
        return _Seen(seen, seconds=seen["slowest"] - step.spec["load"].get("suspended", 0))

    def _flood(self, step: Step) -> _Seen:
        run = self._of(step)
        keys = security(run)
        flood = crowd.Flood(address(run, "request"), [keys] * step.spec["flood"]["clients"])
        flood.start()
        self._floods.append(flood)
        time.sleep(0.5)
        if not flood.answered:
            raise Missing("none of the clients of the flood was answered")
        return _Seen({"answered": flood.answered})

    def _put(self, step: Step) -> _Seen:
        spec = step.spec["put"]
        path = self._of(step).service / spec["file"]
        if "fields" in spec:
            fields = service.read_contact(path.parent) | dict(spec["fields"])
            text = "".join(f"{key}={value}\n" for key, value in fields.items())
        else:
            text = spec["text"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return _Seen({"done": True})

    def _close(self, step: Step) -> _Seen:
        if (name := step.spec.get("peer", "main")) not in self._peers:
            raise Missing(f"{name} has no connection")
        self._drop(self._peers[name])
        return _Seen({"done": True})

    def _wait(self, step: Step) -> _Seen:
        time.sleep(step.spec["wait"])
        return _Seen({"done": True})


def frames_of(spec: Mapping[str, Any]) -> list[bytes]:
    """Return the frames that a body of a scenario stands for."""
    if "frames" in spec:
        return [frame for part in spec["frames"] for frame in frames_of(part)]
    if "json" in spec:
        return [json.dumps(spec["json"], separators=(",", ":")).encode()]
    if "hex" in spec:
        return [bytes.fromhex(spec["hex"])]
    if "fill" in spec:
        fill = spec["fill"]
        parts = {name: _bytes(fill.get(name, "")) for name in ("before", "unit", "between")}
        closing = _bytes(fill.get("close", "")) * fill["times"] + _bytes(fill.get("after", ""))
        return [parts["before"] + parts["unit"] * fill["times"] + parts["between"] + closing]
    return [spec["text"].encode()]


def _strings(body: Any) -> bytes:
    """Return a decoded body without escapes, which could hide a key."""
    try:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        return b""


def _bytes(text: str | Mapping[str, str]) -> bytes:
    return text.encode() if isinstance(text, str) else bytes.fromhex(text["hex"])
