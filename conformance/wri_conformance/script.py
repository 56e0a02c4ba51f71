"""What the scripted scheduler does about a request. Pure: no sockets, no clocks."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from wri_conformance import strictjson
from wri_conformance.bodies import frames_of
from wri_conformance.deltas import MESSAGES
from wri_conformance.truth import Truth, message

VERSION: Final = "8.5.4"
"""What the contact file and the responses of the scripted scheduler say."""

_GATHER: Final = 3.0  # seconds for which replies are held back until enough requests are there


@frozen
class Request:
    """A message that arrived at the request port: the address to reply to, and its body."""

    number: int
    route: tuple[bytes, ...]
    frames: tuple[bytes, ...]

    @property
    def document(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return strictjson.loads(self.frames[0])
        except (IndexError, ValueError):
            return None

    @property
    def command(self) -> str:
        """The endpoint that it names; empty if there is none."""
        document = self.document
        return str(document.get("command", "")) if isinstance(document, Mapping) else ""

    def describe(self) -> dict[str, Any]:
        """Return what a step observes of it."""
        body = self.frames[0] if self.frames else b""
        names = _Names()
        try:
            document = strictjson.loads(body, names.take)
            is_json, utf8 = True, True
        except UnicodeDecodeError:
            document, is_json, utf8 = None, False, False
        except ValueError:
            document, is_json, utf8 = None, False, True
        return {
            "frames": len(self.frames),
            "utf8": utf8,
            "bom": body.startswith(b"\xef\xbb\xbf"),
            "is_json": is_json,
            "repeated_names": names.repeated,
            "json": document,
        }


@define
class _Names:
    repeated: list[str] = field(factory=list)

    def take(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                self.repeated.append(name)
            found[name] = value
        return found


@frozen
class Sending:
    """A reply that is to be sent, so many seconds from now."""

    route: tuple[bytes, ...]
    frames: tuple[bytes, ...]
    after: float


@frozen
class Publishing:
    """Publications that are to be made, so many seconds from now."""

    messages: tuple[tuple[bytes, ...], ...]
    after: float


@frozen
class Response:
    """What becomes of a request: publications that go out first, and replies."""

    publications: tuple[tuple[bytes, ...], ...] = ()
    sendings: tuple[Sending, ...] = ()
    meanwhile: tuple[Publishing, ...] = ()


@define
class Script:
    """The replies of one step, by command, each in turn; the last one stays.

    `spec` is the `reply` of a step: one reply, a list of them, or a mapping of `by_command`.
    Without one every request is refused with an error.
    """

    spec: Any = None
    _turns: dict[str, int] = field(factory=dict)
    _held: list[tuple[Request, Mapping[str, Any]]] = field(factory=list)

    def respond(self, request: Request, truth: Truth) -> Response:
        """Return what is to be done about a request."""
        reply = self._next(request.command)
        if reply == "nothing":
            return Response()
        gather = reply.get("gather")
        if gather:
            self._held.append((request, reply))
            if len(self._held) < gather:
                return Response()
            held, self._held = self._held, []
            if not reply.get("in_order"):
                held.reverse()
            return Response(
                sendings=tuple(s for one, how in held for s in self._sendings(one, how, truth))
            )
        before = _all_of(reply.get("publish", ()), truth)
        sendings = tuple(self._sendings(request, reply, truth))
        later = _all_of(reply.get("meanwhile", ()), truth)
        half = float(reply.get("after", 0)) / 2
        return Response(before, sendings, (Publishing(later, half),) if later else ())

    def _next(self, command: str) -> Any:
        several = isinstance(self.spec, Mapping) and "by_command" in self.spec
        replies = self.spec["by_command"] if several else {"*": self.spec}
        key = command if command in replies else "*"
        spec = replies.get(key)
        if spec is None:
            return {"json": refusal(command)}
        if isinstance(spec, Sequence) and not isinstance(spec, str):
            turn = self._turns.get(key, 0)
            self._turns[key] = turn + 1
            return spec[min(turn, len(spec) - 1)]
        return spec

    @staticmethod
    def _sendings(request: Request, reply: Mapping[str, Any], truth: Truth) -> list[Sending]:
        frames = tuple(body(reply, request, truth))
        one = Sending(request.route, frames, float(reply.get("after", 0)))
        return [one] * int(reply.get("times", 1))

    @property
    def patience(self) -> float:
        """Seconds for which requests are held at most."""
        return _GATHER

    def give_up(self, truth: Truth) -> list[Sending]:
        """Answer what is held although not enough requests came."""
        held, self._held = self._held, []
        return [s for request, reply in held for s in self._sendings(request, reply, truth)]

    @property
    def holds(self) -> bool:
        """Whether requests are held."""
        return bool(self._held)


def refusal(command: str) -> dict[str, Any]:
    """Return the response to a request for which a scenario has no reply."""
    return {
        "error": {"message": f"the scripted scheduler has no reply to {command!r}"},
        "cylc_version": VERSION,
    }


def body(reply: Mapping[str, Any], request: Request, truth: Truth) -> list[bytes]:
    """Return the frames of a reply."""
    document = request.document
    args = document.get("args") if isinstance(document, Mapping) else None
    if "echo" in reply or "data" in reply:
        return [_response(data=args if "echo" in reply else reply["data"])]
    if "error" in reply:
        return [_response(error={"message": reply["error"]})]
    if "snapshot" in reply:
        return [truth.snapshot()]
    if "elements" in reply:
        topic = str(args.get("element_type") if isinstance(args, Mapping) else None)
        return [truth.elements(topic)] if topic in MESSAGES else []
    if "message" in reply:
        return [message(reply["message"], reply.get("value", {})).SerializeToString()]
    return frames_of(reply)


def _response(**member: Any) -> bytes:
    return json.dumps({**member, "cylc_version": VERSION}).encode()


def _all_of(items: Sequence[Mapping[str, Any]], truth: Truth) -> tuple[tuple[bytes, ...], ...]:
    return tuple(tuple(frames) for item in items for frames in publications(item, truth))


def publications(item: Mapping[str, Any], truth: Truth) -> list[list[bytes]]:
    """Return the messages that an item of a `publish` step stands for."""
    if "delta" in item:
        return truth.change(item)
    if "topic" in item:
        payload = {key: value for key, value in item.items() if key not in {"topic", "times"}}
        return [[item["topic"].encode(), *(frames_of(payload) if payload else [b""])]]
    return [frames_of(item)]
