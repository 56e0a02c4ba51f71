"""Checks an adapter: whether it keeps its protocol, before anything is said of its client.

Everything here is done with a scheduler that does nothing wrong. What an adapter does wrong is
told as its own mistake; what can only be its client's is told as that, and left to the suite.
"""

import base64
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from wri_conformance.adapters import Adapter, AdapterError
from wri_conformance.counterpart import Counterpart
from wri_conformance.judging import Judge
from wri_conformance.manifest import Manifest
from wri_conformance.peers import Missing
from wri_conformance.runs import Run, StartError, Workshop
from wri_conformance.scenario import Scenario, Step
from wri_conformance.scripted import canonical
from wri_conformance.seen import NOTHING
from wri_conformance.specification import Specification
from wri_conformance.truth import Truth

_SAID: Final = 300  # characters of what an adapter says that are told
_SNAPSHOT: Final = {
    "workflow": {"id": "~u/adapter", "name": "adapter", "stamp": "~u/adapter@1", "lastUpdated": 1},
}


@frozen
class Finding:
    """One thing that was looked at: what, why it is wrong, and whose mistake that is."""

    what: str
    wrong: str = ""
    blame: str = "adapter"


class _Wrong(Exception):  # noqa: N818 - a finding
    def __init__(self, message: str, blame: str = "adapter") -> None:
        super().__init__(message)
        self.blame = blame


def fatal(findings: Sequence[Finding]) -> str:
    """Return the first mistake of the adapter itself, for people; nothing if there is none."""
    found = [one for one in findings if one.wrong and one.blame == "adapter"]
    return f"the adapter cannot be used: {found[0].what}: {found[0].wrong}" if found else ""


def check(manifest: Manifest, role: str, workshop: Workshop, path: Path | None) -> list[Finding]:
    """Return all that was looked at, up to the first mistake after which nothing would help.

    Args:
        manifest: the implementation, which plays `role`.
        role: client or subscriber.
        workshop: where everything happens.
        path: where the programs of its virtual environment are.

    Raises:
        Mistake: the adapter's command cannot be executed.
    """
    claims = set(manifest.capabilities)
    findings: list[Finding] = []
    home, adapter = workshop.home(), None
    for name, talk in _talks(role, claims):
        run = Run(manifest, workshop, home, f"talk-{len(findings)}", "basic", "paused", path)
        with_adapter = _Talk(run, role, adapter)
        try:
            talk(with_adapter, claims)
        except _Wrong as error:
            findings.append(Finding(name, str(error), error.blame))
        except (StartError, AdapterError, Missing) as error:
            findings.append(Finding(name, str(error)))
        else:
            findings.append(Finding(name))
        finally:
            with_adapter.close()
        adapter = with_adapter.cast.adapter if with_adapter.cast.sound else None
        if findings[-1].wrong and findings[-1].blame == "adapter":
            break
    if adapter is not None:
        adapter.close()
    return findings


class _Talk:
    """A conversation with an adapter: one that runs already, or a new one."""

    def __init__(self, run: Run, role: str, adapter: Adapter | None) -> None:
        scenario = Scenario(
            *(run.workflow, "", "", role, (), run.fixture, run.workflow, run.state, "own", ()),
            path=run.manifest.path,
        )
        self._run = run
        self._judge = Judge(run.workflow, Specification("", {}, {}), {})
        command = run.manifest.adapters[role]
        self.cast = Counterpart(scenario, run, command, run.workshop.scale, adapter=adapter)
        self.cast.begin()
        self._steps = 0

    def close(self) -> None:
        self.cast.close()
        self._run.close()

    def ask(self, *commands: Mapping[str, Any], reply: Any = None) -> Any:
        spec = {"ask": commands[0] if len(commands) == 1 else list(commands)}
        return self.do(spec | ({} if reply is None else {"reply": reply}))

    def do(self, spec: Mapping[str, Any]) -> Any:
        self._steps += 1
        action = next(iter(spec))
        seen = self.cast.do(Step(self._steps, action, spec), self._judge)
        if seen.body is NOTHING:
            raise _Wrong(seen.why)
        return seen.body

    def expect(self, answer: Mapping[str, Any], *results: str, blame: str = "adapter") -> None:
        if answer["result"] not in results:
            said = f" ({answer['message'][:_SAID]})" if answer.get("message") else ""
            wanted = " or ".join(results)
            raise _Wrong(f"the result is {answer['result']}{said} instead of {wanted}", blame)


_Check = Callable[[_Talk, set[str]], None]


def _talks(role: str, claims: set[str]) -> Iterator[tuple[str, _Check]]:
    yield "it says what it can do", _capabilities
    yield "it says so when it does not know a command", _unknown
    if role == "client":
        yield "data that the scheduler sends arrives, and is asked for", _data
        yield "two connections at once are kept apart", _two
        yield "an error of the server is told as error", _error
        if "protobuf" in claims:
            yield "bytes come as base64", _bytes
    else:
        yield "what is published arrives, and silence is a timeout", _publication
        if "store" in claims:
            yield "the data store is shown", _store
    yield "it ends when its input ends", _end


def _capabilities(talk: _Talk, claims: set[str]) -> None:
    answer = talk.ask({"do": "capabilities"})
    talk.expect(answer, "capabilities")
    mine = (
        {"request", "protobuf", "async"}
        if talk.cast.scenario.role == "client"
        else {"subscribe", "store"}
    )
    if lacking := sorted((claims & mine) - set(answer["capabilities"])):
        raise _Wrong(
            f"the manifest claims {', '.join(lacking)}, which the adapter does not name among "
            f"its capabilities: {', '.join(answer['capabilities'])[:_SAID] or 'none'}"
        )


def _unknown(talk: _Talk, _claims: set[str]) -> None:
    talk.expect(talk.ask({"do": "no-such-command"}), "unsupported")
    talk.expect(talk.ask({"do": "capabilities"}), "capabilities")


def _connect(talk: _Talk, name: str = "main") -> None:
    talk.expect(talk.ask({"do": "connect", "connection": name}), "done")


def _data(talk: _Talk, _claims: set[str]) -> None:
    _connect(talk)
    nonce = {"nonce": secrets.token_hex(8), "list": [1, "é", None, {}]}
    request = {"do": "request", "command": "api", "args": nonce}
    answer = talk.ask(request, reply={"echo": True})
    talk.expect(answer, "data")
    if answer.get("data") != nonce:
        raise _Wrong("data is not what the scheduler has sent", "client")
    talk.expect(talk.ask({"do": "close", "connection": "main"}), "done")


def _two(talk: _Talk, _claims: set[str]) -> None:
    for name in ("first", "second"):
        _connect(talk, name)
    for name in ("first", "second", "first"):
        args = {"name": name}
        request = {"do": "request", "connection": name, "command": "api", "args": args}
        answer = talk.ask(request, reply={"echo": True})
        talk.expect(answer, "data")
        if answer.get("data") != args:
            got = canonical(answer.get("data"))[:_SAID]
            raise _Wrong(f"the connection {name} got {got}, asked for {canonical(args)}")
    talk.expect(talk.ask({"do": "close", "connection": "first"}), "done")
    request = {"do": "request", "connection": "second", "command": "api", "args": {}}
    talk.expect(talk.ask(request, reply={"echo": True}), "data")


def _error(talk: _Talk, _claims: set[str]) -> None:
    _connect(talk)
    request = {"do": "request", "command": "api", "args": {}}
    answer = talk.ask(request, reply={"error": "the reason is this"})
    talk.expect(answer, "error", blame="client")
    if "the reason is this" not in answer["message"]:
        raise _Wrong("message is not that of the server", "client")


def _bytes(talk: _Talk, _claims: set[str]) -> None:
    _connect(talk)
    talk.cast.scheduler.truth = Truth.of(_SNAPSHOT)
    request = {"do": "request", "command": "pb_entire_workflow", "args": {}}
    answer = talk.ask(request, reply={"snapshot": True})
    talk.expect(answer, "data")
    if "bytes" not in answer:
        raise _Wrong("the data of pb_entire_workflow are no bytes")
    if base64.b64decode(answer["bytes"]) != talk.cast.scheduler.truth.snapshot():
        raise _Wrong("the bytes are not those that the scheduler has sent")


def _publication(talk: _Talk, _claims: set[str]) -> None:
    subscribe = {"do": "subscribe", "topics": ["edges"]}
    talk.expect(talk.ask(subscribe), "done")
    nonce = secrets.token_hex(8)
    talk.do({"publish": [{"topic": "edges", "text": nonce}]})
    answer = talk.ask({"do": "receive", "timeout": 5})
    talk.expect(answer, "data")
    if answer["text"] != nonce or answer["topic"] != "edges":
        raise _Wrong("the publication is not the one that was made")
    talk.expect(talk.ask({"do": "close"}), "done")
    subscribe = {"do": "subscribe", "connection": "other", "topics": ["all", "workflow"]}
    talk.expect(talk.ask(subscribe), "done")
    receive = {"do": "receive", "connection": "other", "timeout": 0.5}
    talk.expect(talk.ask(receive), "timeout")


def _store(talk: _Talk, _claims: set[str]) -> None:
    talk.cast.scheduler.truth = Truth.of(_SNAPSHOT)
    talk.do({"script": {"by_command": {"pb_entire_workflow": {"snapshot": True}}}})
    talk.expect(talk.ask({"do": "follow"}), "done")
    answer = talk.ask({"do": "store", "timeout": 5})
    talk.expect(answer, "data")
    if not answer["equal"]:
        raise _Wrong(f"the store is not what the scheduler sent: {answer['differences'][0]}")


def _end(talk: _Talk, _claims: set[str]) -> None:
    talk.expect(talk.ask({"do": "capabilities"}), "capabilities")
    seen = talk.do({"finish": True})
    if not seen["exited"]:
        raise _Wrong(f"it still runs {seen['seconds']:.0f} s after the end of its input")
    if seen["status"]:
        raise _Wrong(f"its exit status is {seen['status']}{talk.cast.adapter.last_words()}")
