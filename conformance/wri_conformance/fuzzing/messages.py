"""What the fuzzer sends, as values: a valid request, and the damage that is done to it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from attrs import frozen

Path = tuple[str | int, ...]
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CHARACTER = re.compile(r"\\u[0-9a-f]{4}|\\.|.", re.DOTALL)
_TOKENS = 10_000  # no text of so many characters has more
LONGEST = 1_000_000
"""Octets of a message at most: a server may refuse one of more than 1 MiB (LIM-6, LIM-7)."""


@frozen
class Literal:
    """JSON text that is put as it is where a value belongs, whether it is one or not."""

    text: str


@frozen
class Repeat:
    """JSON text: `before`, `unit` so many times, `between`, `close` as often, `after`."""

    unit: str
    times: int
    before: str = ""
    between: str = ""
    close: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        inner = self.unit * self.times + self.between + self.close * self.times
        return f"{self.before}{inner}{self.after}"


@frozen
class Members:
    """An object as a sequence of members, so that a name can stand there twice."""

    pairs: tuple[tuple[str, Any], ...]


# -- damage


@frozen
class Put:
    """Another value at a place; where there is none, a new member."""

    path: Path
    value: Any


@frozen
class Drop:
    """A member or item less."""

    path: Path


@frozen
class Double:
    """The name of a member a second time, with another value."""

    path: Path
    value: Any


@frozen
class Spell:
    """Another encoding of the body: one of Python, or `spaces` or `escapes`, which are allowed."""

    encoding: str


@frozen
class Splice:
    """At a place in the body, some octets less and others instead. `at` wraps around."""

    at: int
    less: int
    more: bytes


@frozen
class Whole:
    """Another body altogether."""

    body: bytes


@frozen
class Frames:
    """More frames in the body, before and after what would be all of it."""

    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()


@frozen
class Route:
    """Another envelope; only a DEALER socket can send it. Texts in ASCII."""

    envelope: tuple[str, ...]


Damage = Put | Drop | Double | Spell | Splice | Whole | Frames | Route
API: Mapping[str, Any] = {"command": "api", "args": {}}


@frozen(slots=False, eq=False)
class Message:
    """A valid request, and the damages that are done to it, one after the other."""

    request: Mapping[str, Any]
    damages: tuple[Damage, ...] = ()

    @cached_property
    def tree(self) -> Any:
        """The request as it is encoded: JSON with `Literal`, `Repeat` and `Members` in it."""
        tree: Any = dict(self.request)
        for damage in self.damages:
            if isinstance(damage, Put | Drop | Double):
                tree = _changed(tree, damage.path, damage)
        return tree

    @cached_property
    def text(self) -> str:
        """The JSON text of `tree`, before it is encoded."""
        return text_of(self.tree)

    @cached_property
    def frames(self) -> tuple[bytes, ...]:
        """The frames of the body."""
        spelling = [damage.encoding for damage in self.damages if isinstance(damage, Spell)]
        body = _encoded(self.text, spelling[-1] if spelling else "utf-8")
        before: tuple[bytes, ...] = ()
        after: tuple[bytes, ...] = ()
        for damage in self.damages:
            if isinstance(damage, Whole):
                body = damage.body
            elif isinstance(damage, Splice):
                at = damage.at % (len(body) + 1)
                body = body[:at] + damage.more + body[at + damage.less :]
            elif isinstance(damage, Frames):
                before, after = before + damage.before, after + damage.after
        return (*before, body, *after)

    @cached_property
    def envelope(self) -> tuple[str, ...]:
        """The frames before the body, where the socket adds none."""
        routes = [damage.envelope for damage in self.damages if isinstance(damage, Route)]
        return routes[-1] if routes else ("",)

    @property
    def size(self) -> int:
        """Octets of the body."""
        return sum(map(len, self.frames))

    @property
    def wire(self) -> tuple[bytes, ...]:
        """All frames, as a DEALER socket sends them."""
        return (*(part.encode() for part in self.envelope), *self.frames)

    @property
    def well_framed(self) -> bool:
        """Whether there is a delimiter and something behind it (chapter 4.1)."""
        return b"" in self.wire[:-1]

    @property
    def body(self) -> tuple[bytes, ...]:
        """The frames behind the first delimiter, which are the body; none if there is none."""
        wire = self.wire
        return wire[wire.index(b"") + 1 :] if self.well_framed else ()


def fair(message: Message) -> bool:
    """Tell whether the specification says if a message has to be answered.

    It leaves open what becomes of a delimiter with nothing behind it, of messages of more than
    1 MiB, and of documents of more than 10 000 tokens (LIM-7).
    """
    if b"" in message.wire and not message.well_framed:
        return False
    if message.size <= _TOKENS:
        return True
    if message.size > LONGEST:
        return False
    try:
        document = json.loads(message.body[0]) if message.well_framed else None
        text = document["args"]["request_string"] if isinstance(document, dict) else ""
    except (ValueError, LookupError, TypeError, RecursionError):
        return True
    return not isinstance(text, str) or len(text) <= _TOKENS


def places(tree: Any, base: Path = ()) -> Iterator[Path]:
    """Yield the path of every value inside a JSON value."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(tree, Mapping):
        items = iter(tree.items())
    elif isinstance(tree, list):
        items = enumerate(tree)
    for name, value in items:
        yield (*base, name)
        yield from places(value, (*base, name))


def text_of(node: Any) -> str:
    """Return a value as compact JSON; raises RecursionError for one that is nested too deeply."""
    if isinstance(node, Literal | Repeat):
        return node.text
    if isinstance(node, Members):
        inner = ",".join(f"{json.dumps(name)}:{text_of(value)}" for name, value in node.pairs)
        return f"{{{inner}}}"
    if isinstance(node, Mapping):
        inner = ",".join(f"{json.dumps(name)}:{text_of(value)}" for name, value in node.items())
        return f"{{{inner}}}"
    if isinstance(node, list):
        return f"[{','.join(map(text_of, node))}]"
    return json.dumps(node)


def _changed(tree: Any, path: Path, damage: Put | Drop | Double) -> Any:
    """Return a copy with the damage done; the tree itself if there is no such place."""
    if not path:
        return damage.value if isinstance(damage, Put) else tree
    name, rest = path[0], path[1:]
    if isinstance(tree, Mapping) and isinstance(name, str):
        return _changed_member(tree, name, rest, damage)
    if isinstance(tree, list) and isinstance(name, int) and name < len(tree):
        if not rest and isinstance(damage, Drop):
            return [*tree[:name], *tree[name + 1 :]]
        return [*tree[:name], _changed(tree[name], rest, damage), *tree[name + 1 :]]
    return tree


def _changed_member(
    tree: Mapping[str, Any], name: str, rest: Path, damage: Put | Drop | Double
) -> Any:
    if rest:
        return {**tree, name: _changed(tree[name], rest, damage)} if name in tree else tree
    if isinstance(damage, Put):
        return {**tree, name: damage.value}
    if isinstance(damage, Drop):
        return {key: value for key, value in tree.items() if key != name}
    return Members((*tree.items(), (name, damage.value)))


def _encoded(text: str, encoding: str) -> bytes:
    if encoding == "spaces":
        return _spaced(text).encode("utf-8", "surrogatepass")
    if encoding == "escapes":
        return _escaped(text).encode()
    return text.encode(encoding, "replace")


def _spaced(text: str) -> str:
    return f" \r\n\t{text}\n "


def _escaped(text: str) -> str:
    """Return a JSON text whose characters inside strings are all escaped."""
    return _STRING.sub(lambda found: _CHARACTER.sub(_escape, found[0]), text)


def _escape(found: re.Match[str]) -> str:
    text = found[0]
    return text if len(text) > 1 or text == '"' or text > "\uffff" else f"\\u{ord(text):04x}"


def command_of(frames: Sequence[bytes]) -> str | None:
    """Return the endpoint that a body asks for, if it can be found out."""
    try:
        # A number may have more digits than Python reads as one.
        document = json.loads(frames[0], parse_int=float) if len(frames) == 1 else None
    except (ValueError, RecursionError):
        return None
    command = document.get("command") if isinstance(document, dict) else None
    return command if isinstance(command, str) else None
