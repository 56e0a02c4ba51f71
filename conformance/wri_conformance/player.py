"""Plays the suite's part in a scenario for servers and publishers: their clients."""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field

from wri_conformance import (
    crowd,
    decode,
    expect,
    inspection,
    introspection,
    listening,
    queries,
    rawtcp,
    reading,
    service,
)
from wri_conformance.bodies import frames_of, strings
from wri_conformance.connections import Connections
from wri_conformance.judging import Judge
from wri_conformance.peers import Missing, Peer, Reply, Tcp
from wri_conformance.playing import eventually
from wri_conformance.probe import API_REQUEST, PATIENCE, address, probe, security
from wri_conformance.replay import replay
from wri_conformance.runs import Run
from wri_conformance.same import same
from wri_conformance.scenario import Scenario, Step, referred
from wri_conformance.seen import NOTHING, Seen
from wri_conformance.streams import Stream, describe
from wri_conformance.trace import Trace, readable

REPLY = 5.0  # seconds: the default time-out of clients (WRI-CLI-8)
HANDSHAKE = 10.0  # seconds; a CURVE handshake on loopback took some milliseconds
COLLECT = 60.0  # seconds in which a stream has to become quiet, or a topic to come
_SUBSCRIBED = 1.0  # seconds for a subscription to arrive, which nothing confirms
_LOOK = 0.5  # seconds between two looks at the process while a reply is waited for
_SHOWN, _DEEP = 4096, 200  # a larger or deeper body would drown a report; it is shown as text
_ENDPOINTS = 200  # that are asked for one after the other; cylc-flow 8.5 lists 10
_TICK = 0.02  # seconds between two looks at a flood
_FLOODED = 0.5  # seconds after the first answer in which a flood comes to its full height
_AFTERMATH = 0.3  # seconds in which a server that was hit would fall
_DEALT_WITH = 60.0  # seconds; 50 MiB of junk took 0.1 s at best
_BEYOND_BOUND = 4  # a reply is waited for that many times the bound, so that it can be measured


@define
class Player:
    """The state of one scenario while it is played against one run."""

    scenario: Scenario
    run: Run
    begin: Callable[[], object]
    other: Callable[[], Run]
    scale: float = 1.0
    trace: Trace = field(factory=Trace)
    _connections: Connections = field(init=False)
    _heard: set[str] = field(factory=set)
    _streams: list[Tcp] = field(factory=list)
    _floods: list[crowd.Flood] = field(factory=list)
    saved: dict[str, Any] = field(factory=dict)
    _snapshots: dict[str, Any] = field(factory=dict)  # messages that were decoded and saved
    _collected: dict[str, Stream] = field(factory=dict)
    _leaks: list[str] = field(factory=list)
    _admitted: bool = False  # whether the server has let in anybody who brought a message
    _subscribed: float = 0.0  # when the subscriptions made so far will have arrived

    def __attrs_post_init__(self) -> None:
        """Begin without any connection."""
        self._connections = Connections(self.trace, self.other)

    def unfit(self, step: Step, seen: Seen) -> str:
        """Return why what a step observed does not do as preparation; nothing if it does."""
        if step.action == "graphql":
            return queries.refused(seen.body)
        if step.action == "control" and not seen.body["done"]:
            return "the process could not be found"
        return ""

    def names(self) -> dict[str, str]:
        """Return what every scenario has saved as `run`."""
        owner = self.run.contact.get("CYLC_WORKFLOW_OWNER", "")
        return {
            "workflow": self.run.workflow,
            "run_dir": str(self.run.run_dir),
            "owner": owner,
            "id": f"~{owner}/{self.run.workflow}",
        }

    def close(self) -> None:
        """Close every connection of the scenario."""
        for flood in self._floods:
            flood.end()
        for tcp in self._streams:
            tcp.close()
        self._connections.close()

    # -- doing

    def do(self, step: Step, judge: Judge) -> Seen:
        """Carry out a step; raises Missing, LookupError or StartError."""
        name = step.spec.get("unless_listed")
        if name is not None and name in self._listed(self._of(step)):
            return Seen(not_applicable=f"{name} is an endpoint of this server")
        action: Callable[[Step], Seen] = getattr(self, f"_{step.action}")
        if "eventually" in step.spec:
            return eventually(step, judge, action, self.scale)
        return action(step)

    def _listed(self, run: Run) -> list[str]:
        response = self._ask(run, {})
        data = response.get("data") if isinstance(response, dict) else None
        return [name for name in data if isinstance(name, str)] if isinstance(data, list) else []

    def _ask(self, run: Run, args: Mapping[str, Any]) -> Any:
        """Return the response to `api` on a connection of its own; None if there is none."""
        peer = self._connections.passing("asks-api", run)
        try:
            peer.send([json.dumps({"command": "api", "args": args}).encode()])
            reply = peer.receive(REPLY * self.scale)
            return None if reply is None else reply.json()
        except ValueError:
            return None
        finally:
            peer.close()

    def _describe(self, step: Step) -> Seen:
        run = self._of(step)
        names = self._listed(run)
        if not names:
            return Seen(why="api does not list the endpoints")
        if len(names) > _ENDPOINTS:
            return Seen(why=f"api lists {len(names)} endpoints, more than the suite asks for")
        return Seen({name: self._ask(run, {"endpoint": name}) for name in names})

    def _of(self, step: Step) -> Run:
        return self.other() if step.spec.get("run") == "other" else self.run

    def _connect(self, step: Step) -> Seen:
        spec = step.spec["connect"]
        peer = self._connections.connect(step.peer, self._of(step), spec)
        if spec.get("ask"):
            peer.send([API_REQUEST])
        outcome = peer.handshake(HANDSHAKE * self.scale)
        if outcome == "succeeded" and peer.kind == "SUB":
            self._subscribed = time.monotonic() + _SUBSCRIBED * self.scale
        return Seen({"handshake": outcome, "events": list(peer.events)})

    def _request(self, step: Step) -> Seen:
        body = expect.resolve(step.spec["request"], self.saved)
        return self._exchange(step, [json.dumps(body).encode()])

    def _graphql(self, step: Step) -> Seen:
        # What a mutation changes is published to those who have subscribed before it.
        self._await_subscriptions()
        body = queries.request(expect.resolve(step.spec["graphql"], self.saved))
        return self._exchange(step, [json.dumps(body).encode()])

    def _send(self, step: Step) -> Seen:
        return self._exchange(step, frames_of(step.spec["send"]))

    def _exchange(self, step: Step, body: Sequence[bytes]) -> Seen:
        peer = self._connections.client(step.peer, self._of(step))
        envelope = [part.encode() for part in step.spec.get("envelope", [""])]
        sent = " + ".join(readable(frame) for frame in body)
        taken = all(peer.send(body, envelope) for _ in range(step.spec.get("times", 1)))
        if not taken and step.spec.get("answer") != "never":
            why = f"no connection ({peer.handshake()})"
            self._connections.drop(peer)
            return Seen(why=why, sent=sent)
        if "answer" in step.spec:
            return Seen({"sent": True}, sent=sent)
        seen = self._silence(step, peer) if "silence" in step.spec else self._await(step, peer)
        self._admitted = self._admitted or peer.admitted
        seen.sent = sent
        return seen

    def _patience(self, step: Step) -> float:
        bounds = step.spec.get("bound", {})
        if bounds:
            return float(max(bounds.values())) * _BEYOND_BOUND
        return float(step.spec.get("within", REPLY)) * self.scale

    def _await(self, step: Step, peer: Peer) -> Seen:
        patience = self._patience(step)
        run = self._of(step)
        deadline = time.monotonic() + patience
        reply, why = None, ""
        while reply is None and not why and (left := deadline - time.monotonic()) > 0:
            reply = peer.receive(min(left, _LOOK))
            if reply is None and (ended := run.ended()):
                why = f"no reply: {ended}"
        if reply is None:
            why = why or f"no reply in {patience:g} s (handshake: {peer.handshake()})"
            self.trace.note(peer.name, "·", why)
            if peer.kind == "REQ":
                self._connections.drop(peer)
            return Seen(why=why)
        return self._of_reply(step, peer, reply)

    def _of_reply(self, step: Step, peer: Peer, reply: Reply) -> Seen:
        self._heard.add(peer.name)
        self._look_for_secrets(f"a message to {peer.name}", reply.frames)
        seen = Seen(message=reply.describe(), seconds=reply.seconds)
        if peer.kind == "SUB":
            seen.body = listening.body_of(reply)
            if sum(map(len, reply.frames)) > _SHOWN:
                seen.shown = " + ".join(readable(frame) for frame in reply.frames)
            return seen
        if "decode" in step.spec:
            self._decode(step, reply, seen)
            return seen
        try:
            seen.body = reply.json()
        except ValueError as error:
            seen.why = f"the reply is not JSON: {error}"
            seen.shown = readable(reply.body)
            return seen
        data = seen.body.get("data") if isinstance(seen.body, dict) else None
        if isinstance(data, list) and all(isinstance(item, str) for item in data):
            seen.message["data_sorted"] = data == sorted(data)
        if len(reply.body) > _SHOWN or reply.body.count(b"[") + reply.body.count(b"{") > _DEEP:
            seen.shown = readable(reply.body)
        self._look_for_secrets(f"a message to {peer.name}", [strings(seen.body)])
        return seen

    def _decode(self, step: Step, reply: Reply, seen: Seen) -> None:
        name = step.spec["decode"]
        try:
            message = decode.parse(name, reply.body)
        except decode.NotThatError as error:
            seen.why, seen.shown = str(error), readable(reply.body)
            seen.message["protobuf"] = False
            return
        seen.body = decode.to_json(message) if self._is_looked_at(step) else {}
        seen.message["protobuf"] = True
        seen.message["unknown_fields"] = decode.has_unknown_fields(message)
        if len(reply.body) > _SHOWN:
            seen.shown = f"a {name} of {len(reply.body)} bytes"
        if "save" in step.spec:
            self._snapshots[step.spec["save"]] = message

    def _is_looked_at(self, step: Step) -> bool:
        """Whether anybody asks for the JSON form, which takes seconds for a large message."""
        if step.expectations or "require" in step.spec:
            return True
        return any(step.spec.get("save") in referred(s.spec) for s in self.scenario.steps)

    def _look_for_secrets(self, where: str, frames: Sequence[bytes]) -> None:
        for name, pair in self.run.keys.items():
            if pair.secret and any(pair.secret in frame for frame in frames):
                self._leaks.append(f"the secret key of {name} is in {where}")

    def _silence(self, step: Step, peer: Peer) -> Seen:
        """Silence counts only while the server demonstrably answers somebody else."""
        reply = peer.receive(float(step.spec["silence"]) * self.scale)
        why = ""
        if reply is None:
            why = self._proof_of_life(step)
            # Whoever answers others late may have answered this peer late, too.
            reply = peer.receive(0)
        if reply is not None:
            seen = self._of_reply(step, peer, reply)
            if seen.body is NOTHING:
                seen.body = {"reply": seen.shown}
            return seen
        peer.forget()
        if peer.kind == "REQ":
            self._connections.drop(peer)
        return Seen(why=f"silence proves nothing: {why}") if why else Seen(None)

    def _proof_of_life(self, step: Step) -> str:
        """Return why silence would prove nothing; nothing if it would."""
        witness = step.spec.get("witness")
        if witness is not None:
            return "" if witness in self._heard else f"{witness} heard nothing either"
        sign = probe(self._of(step), self.trace, patience=PATIENCE * self.scale)
        return "" if sign["alive"] else str(sign["why"])

    def _receive(self, step: Step) -> Seen:
        spec = step.spec["receive"]
        peer = self._connections.get(step.peer)
        if "silence" in step.spec:
            return self._silence(step, peer)
        if "until" in spec:
            return self._until(step, peer, spec["until"])
        if "count" not in spec:
            return self._await(step, peer)
        bodies: list[Any] = []
        seen = Seen()
        for number in range(spec["count"]):
            seen = self._await(step, peer)
            if seen.body is NOTHING:
                seen.why = f"reply {number + 1} of {spec['count']}: {seen.why}"
                return seen
            bodies.append(seen.body)
        return Seen(bodies, message=seen.message, seconds=seen.seconds)

    def _until(self, step: Step, peer: Peer, topic: str) -> Seen:
        replies, why = self._listen(step, peer, {"until": topic}, self._patience(step))
        if why:
            return Seen(why=why)
        seen = self._of_reply(step, peer, replies[-1])
        seen.body["all_frames"] = sorted({len(reply.frames) for reply in replies})
        return seen

    def _listen(
        self, step: Step, peer: Peer, wanted: Mapping[str, Any], within: float
    ) -> tuple[Sequence[Reply], str]:
        ended = self._of(step).ended
        replies, why = listening.collect(peer, wanted, self.scale, within, ended)
        if replies:
            self._heard.add(peer.name)
        for reply in replies:
            self._look_for_secrets(f"a message to {peer.name}", reply.frames)
        return replies, why

    def _collect(self, step: Step) -> Seen:
        peer = self._connections.get(step.peer)
        if peer.kind != "SUB":
            raise Missing(f"{peer.name} is no subscriber")
        within = step.spec.get("within", COLLECT) * self.scale
        replies, why = self._listen(step, peer, step.spec["collect"], within)
        if why:
            return Seen(why=why)
        try:
            stream = Stream.received(reply.frames for reply in replies)
        except ValueError as error:
            return Seen(why=str(error))
        if "save" in step.spec:
            self._collected[step.spec["save"]] = stream
        return Seen(describe(stream))

    def _replay(self, step: Step) -> Seen:
        spec = step.spec["replay"]
        named = spec["stream"] if isinstance(spec["stream"], list) else [spec["stream"]]
        begin = spec.get("snapshot")
        streams = [self._kept(self._collected, name) for name in named]
        # Joined, since a batch may have been cut in two by the end of a step.
        whole = Stream.of(one for stream in streams for one in stream.publications)
        return Seen(
            replay(
                None if begin is None else self._kept(self._snapshots, begin),
                whole.batches,
                self._kept(self._snapshots, spec["until"]),
            )
        )

    @staticmethod
    def _kept(kind: Mapping[str, Any], name: str) -> Any:
        if name not in kind:
            raise Missing(f"the step that saves {name} observed nothing")
        return kind[name]

    def _same(self, step: Step) -> Seen:
        spec = step.spec["same"]
        left, right = (expect.lookup(spec[side], self.saved) for side in ("left", "right"))
        return Seen(same(left, right, spec.get("by", "id"), spec["fields"]))

    def _inspect(self, step: Step) -> Seen:
        snapshot = self._kept(self._snapshots, step.spec["inspect"])
        owner = self._of(step).contact.get("CYLC_WORKFLOW_OWNER", "")
        return Seen(inspection.inspect(snapshot, owner, self._of(step).workflow))

    def _introspect(self, step: Step) -> Seen:
        release = None
        if step.spec["introspect"] == "release":
            release = self._of(step).contact.get("CYLC_VERSION", "")
        body = queries.request({"query": introspection.QUERY})
        seen = self._exchange(step, [json.dumps(body).encode()])
        if seen.body is NOTHING:
            return seen
        if why := queries.refused(seen.body):
            return Seen(why=why, sent=seen.sent)
        try:
            return Seen(introspection.compare(seen.body["data"], release), sent=seen.sent)
        except ValueError as error:
            return Seen(why=str(error), sent=seen.sent)

    def _tcp(self, step: Step) -> Seen:
        spec = step.spec["tcp"]
        run = self._of(step)
        port = run.port(spec.get("to", "request"))
        if port is None:
            raise Missing(f"the contact file names no {spec.get('to', 'request')} port")
        handshake, send = HANDSHAKE * self.scale, REPLY * self.scale
        seen, held = rawtcp.talk(self.trace, run.host, port, spec, handshake, send)
        self._streams += held
        return Seen(seen)

    def _control(self, step: Step) -> Seen:
        run = self._of(step)
        action = step.spec["control"]
        self._await_subscriptions()
        self.trace.note(run.workflow, "·", action)
        if action == "start":
            return Seen(run.start())
        if action not in {"start", "start-again", "await-end"} and (ended := run.ended()):
            raise Missing(f"there was no server to {action}: {ended}")
        admitted = self._admitted or self._connections.admitted
        acted: dict[str, Any] = getattr(run, action.replace("-", "_"))()
        if action == "stop":
            acted["delivered"] = admitted
        self.trace.note(run.workflow, "·", f"{action}: {acted}")
        return Seen(acted)

    def _await_subscriptions(self) -> None:
        time.sleep(max(0.0, self._subscribed - time.monotonic()))

    def _observe(self, step: Step) -> Seen:
        run = self._of(step)
        subject = step.spec["observe"]
        if subject == "keys":
            if "save" in step.spec:
                self._connections.keys[step.spec["save"]] = dict(run.keys)
            return Seen(service.describe_keys(run.service))
        if subject == "contact":
            return Seen(service.describe_contact(run.service))
        if subject == "ports":
            return Seen(run.ports_open())
        if subject == "process":
            return Seen(run.describe_process())
        with contextlib.suppress(OSError):  # there is none
            contact = reading.content(run.service / "contact")
            self._look_for_secrets("the contact file", [contact])
        if not self._heard:
            return Seen(why="nothing was received in which a secret could be found")
        return Seen({"leaks": list(self._leaks)})

    def _alive(self, step: Step) -> Seen:
        if "during" in step.spec:
            return self._alive_during(step, self._connections.get(step.spec["during"]))
        sign = self._probe(step)
        self._admitted = self._admitted or sign["alive"]
        return Seen(sign) if sign["alive"] else Seen(why=sign["why"])

    def _probe(self, step: Step) -> dict[str, Any]:
        run = self._of(step)
        if "bound" in step.spec:
            return probe(run, self.trace, tries=1, patience=self._patience(step))
        return probe(run, self.trace, patience=PATIENCE * self.scale)

    def _alive_during(self, step: Step, peer: Peer) -> Seen:
        """Probe until the message of `peer` is dealt with: before it arrives, all is well."""
        deadline = time.monotonic() + _DEALT_WITH * self.scale
        slowest: dict[str, Any] = {"seconds": 0.0}
        while time.monotonic() < deadline:
            sign = self._probe(step)
            if not sign["alive"]:
                return Seen(why=sign["why"])
            slowest = max(slowest, sign, key=lambda seen: float(seen["seconds"]))
            if peer.receive(0.05) is not None or "disconnected" in peer.events:
                # A server that dies of the message closes the connection, too.
                time.sleep(_AFTERMATH * self.scale)
                sign = self._probe(step)
                return Seen(slowest) if sign["alive"] else Seen(why=sign["why"])
        return Seen(
            why=f"the message of {peer.name} was not answered in {_DEALT_WITH * self.scale:g} s, "
            "nor was its connection closed: nothing shows that it was handled"
        )

    def _load(self, step: Step) -> Seen:
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
        return Seen(seen, seconds=seen["slowest"] - step.spec["load"].get("suspended", 0))

    def _flood(self, step: Step) -> Seen:
        run = self._of(step)
        spec = step.spec["flood"]
        request = json.dumps(spec["request"]).encode() if "request" in spec else API_REQUEST
        keys = [security(run)] * spec["clients"]
        flood = crowd.Flood(address(run, "request"), keys, request)
        flood.start()
        self._floods.append(flood)
        deadline = time.monotonic() + REPLY * self.scale
        while not flood.answered and time.monotonic() < deadline:
            time.sleep(_TICK)
        time.sleep(_FLOODED)
        if not flood.answered:
            raise Missing("none of the clients of the flood was answered")
        return Seen({"answered": flood.answered})

    def _put(self, step: Step) -> Seen:
        spec = step.spec["put"]
        path = self._of(step).service / spec["file"]
        if "fields" in spec:
            fields = service.read_contact(path.parent) | dict(spec["fields"])
            text = "".join(f"{key}={value}\n" for key, value in fields.items())
        else:
            text = spec["text"]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            reading.replace(path, text.encode())
        except OSError as error:
            raise Missing(f"{spec['file']} cannot be written: {error}") from None
        return Seen({"done": True})

    def _close(self, step: Step) -> Seen:
        self._connections.drop(self._connections.get(step.peer))
        return Seen({"done": True})

    def _wait(self, step: Step) -> Seen:
        time.sleep(step.spec["wait"])
        return Seen({"done": True})
