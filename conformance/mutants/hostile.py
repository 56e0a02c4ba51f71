"""Faults that bad requests bring to light (chapters 6.2 and 13): a table of kinds and reactions."""

import json
from typing import NamedTuple

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
    return Kind(about, f"server/limits/{name}", steps, refused=False, stops=False)


def _error(name: str, about: str) -> Kind:
    return Kind(about, f"server/errors/{name}/*", ("refused",), refused=True, stops=False)


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
    "not-json": _error("not-json", "a body that is not JSON"),
    "constants": _error("constants", "NaN or Infinity"),
    "missing-member": _error("missing-member", "a request without command or args"),
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


def kind_of(body: Body) -> str:  # noqa: PLR0911 - a table would be longer
    """Return what is bad about a request, or nothing."""
    if len(body) != 1:
        return "several-frames"
    try:
        text = body[0].decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf8"
    if "[[[[[" in text or '{"a":{"a":' in text:
        return "deep-nesting"
    if "9" * 5000 in text:
        return "long-number"
    try:
        message = json.loads(text)
    except ValueError:
        return "not-json"
    if "NaN" in text or "Infinity" in text:
        return "constants"
    if not isinstance(message, dict):
        return "not-an-object"
    if "command" not in message or "args" not in message:
        return "missing-member"
    command, args, meta = message["command"], message["args"], message.get("meta")
    if not isinstance(command, str):
        return "command-type"
    if not isinstance(args, dict):
        return "args-type-with-meta" if meta else "args-type"
    if not isinstance(meta, dict | None):
        return "meta-type"
    if "\\ud800" in text or "\\udfff" in text:
        return "surrogates"
    if args and not set(args) <= {"endpoint", "pad"}:
        return "argument-names"
    return "unlisted" if command == "operate" else ""


class _Accepts(Mutant):
    """Carries out what it should refuse."""

    kind = ""

    def receiver(self, body: Body) -> bytes:
        return json.dumps(data(None)).encode() if kind_of(body) == self.kind else self.answer(body)


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
    about = f"{server.__doc__} So it reacts to {kind.about}."
    breaks = [f"{kind.scenario}::{step}::*" for step in steps]
    add(f"{verb}-{name}", about, breaks, type(name, (server,), {"kind": name}))


for _name, _kind in KINDS.items():
    _add("dies-of", _name, _kind, _Dies, (*_kind.steps, "serves-on"))
    if _kind.refused:
        _add("accepts", _name, _kind, _Accepts, _kind.steps)
    if _kind.stops:
        _add("deaf-after", _name, _kind, _Deafens, ("stops",))
