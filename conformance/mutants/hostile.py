"""Faults that bad requests bring to light (chapters 6.2 and 13): a table of kinds and reactions."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from mutants.peer import Body, DeadError, Mutant, data
from mutants.registry import add


class Kind(NamedTuple):
    """A kind of bad request, and the scenario file that sends it."""

    about: str
    scenario: str
    steps: tuple[str, ...]  # that send it
    refused: bool  # whether the answer has to be an error
    stops: bool  # whether the server is told to stop afterwards


def _hostile(name: str, about: str, step: str = "refused") -> Kind:
    return Kind(about, f"server/hostile/{name}/*", (step,), step == "refused", stops=True)


def _limit(name: str, about: str, *steps: str) -> Kind:
    return Kind(about, f"server/limits/{name}", steps, refused=False, stops=True)


def _error(name: str, about: str) -> Kind:
    return Kind(about, f"server/errors/{name}", ("refused",), refused=True, stops=False)


KINDS = {
    "several-frames": _hostile("several-frames", "a body of several frames"),
    "not-utf8": _hostile("not-utf8", "a body that is not UTF-8"),
    "not-an-object": _hostile("not-an-object", "a JSON text that is not an object"),
    "command-type": _hostile("command-type", "a command that is no string"),
    "args-type": _hostile("args-type", "args that are no object"),
    "args-type-with-meta": _hostile("args-type-with-meta", "args that are no object, with meta"),
    "meta-type": _hostile("meta-type", "a meta that is no object"),
    "surrogates": _hostile("surrogates", "a lone surrogate", "answered"),
    "argument-names": _hostile("argument-names", "an odd name of an argument", "answered"),
    "not-json": _error("not-json/*", "a body that is not JSON"),
    "constants": _error("constants/*", "NaN or Infinity"),
    "missing-command": _error("missing-member/*o*", "a request without command"),
    "missing-args": _error("missing-member/args*", "a request without args"),
    "unknown-endpoint": Kind(
        "an endpoint that nobody offers",
        "server/errors/unknown-endpoint",
        ("refused", "with-args", "empty", "long"),
        refused=False,
        stops=False,
    ),
    "deep-nesting": _limit("deep-nesting/*", "JSON that is nested deeply", "answered"),
    "long-number": _limit("long-number", "a number of many digits", "integer", "fraction"),
    "unlisted": Kind(
        "a name of its own that is no endpoint",
        "server/dispatch/unlisted/*operate*",
        ("refused", "same-endpoints"),
        refused=False,
        stops=True,
    ),
}


_NO_JSON = object()

# The first test that holds tells the kind; each is given the text and what it stands for.
_TESTS: dict[str, Callable[[str, Any], bool]] = {
    "deep-nesting": lambda text, _: "[[[[[" in text or '{"a":{"a":' in text,
    "long-number": lambda text, _: "9" * 5000 in text,
    "not-json": lambda _, message: message is _NO_JSON,
    "constants": lambda text, _: "NaN" in text or "Infinity" in text,
    "not-an-object": lambda _, message: not isinstance(message, dict),
    "missing-command": lambda _, message: "command" not in message,
    "missing-args": lambda _, message: "args" not in message,
    "command-type": lambda _, message: not isinstance(message["command"], str),
    "args-type-with-meta": lambda _, message: (
        not isinstance(message["args"], dict) and "meta" in message
    ),
    "args-type": lambda _, message: not isinstance(message["args"], dict),
    "meta-type": lambda _, message: not isinstance(message.get("meta"), dict | None),
    "surrogates": lambda text, _: "\\ud800" in text or "\\udfff" in text,
    "argument-names": lambda _, message: not set(message["args"]) <= {"endpoint", "pad"},
    "unknown-endpoint": lambda _, message: message["command"] == "no_such_endpoint",
    "unlisted": lambda _, message: message["command"] == "operate",
}


def kind_of(body: Body) -> str:
    """Return what is bad about a request, or nothing."""
    if len(body) != 1:
        return "several-frames"
    try:
        text = body[0].decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf8"
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = _NO_JSON
    return next((kind for kind, test in _TESTS.items() if test(text, message)), "")


class _Accepts(Mutant):
    """Carries out what it should refuse."""

    kind = ""

    def receiver(self, body: Body) -> bytes:
        return json.dumps(data(None)).encode() if kind_of(body) == self.kind else self.answer(body)


class _Garbles(Mutant):
    """Answers with something that is no response."""

    kind = ""

    def receiver(self, body: Body) -> bytes:
        return b"null" if kind_of(body) == self.kind else self.answer(body)


class _Dies(Mutant):
    """Ends its request loop, and nothing else."""

    kind = ""

    def receiver(self, body: Body) -> bytes:
        if kind_of(body) == self.kind:
            raise DeadError
        return self.answer(body)


class _Deafens(Mutant):
    """Ignores all signals from then on."""

    kind = ""

    def receiver(self, body: Body) -> bytes:
        self.deaf = self.deaf or kind_of(body) == self.kind
        return self.answer(body)


def _add(verb: str, name: str, kind: Kind, server: type[Mutant], steps: tuple[str, ...]) -> None:
    about = f"{(server.__doc__ or '').rstrip('.')}: its reaction to {kind.about}."
    breaks = [f"{kind.scenario}::{step}::*" for step in steps]
    add(f"{verb}-{name}", about, breaks, type(name, (server,), {"kind": name}))


for _name, _kind in KINDS.items():
    _add("dies-of", _name, _kind, _Dies, (*_kind.steps, "serves-on"))
    if _kind.refused:
        _add("accepts", _name, _kind, _Accepts, _kind.steps)
    elif _name not in {"unknown-endpoint", "unlisted"}:
        _add("garbles", _name, _kind, _Garbles, _kind.steps)
    if _kind.stops:
        _add("deaf-after", _name, _kind, _Deafens, ("stops",))
