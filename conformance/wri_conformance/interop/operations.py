"""What an operation of a client is. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from wri_conformance.interop.state import Expectation
from wri_conformance.interop.workflows import Task

CLI: Final = "cli"
GRAPHQL: Final = "graphql"
API: Final = "api"
STREAM: Final = "stream"

ANY_FLOW: Final = "[2]|[3]|[4]|[5]|[6]|[7]|[8]|[9]"
"""What flow numbers are that did not exist before."""


@frozen
class Place:
    """Where an operation is carried out: what stands for `{…}` in it."""

    workflow: str
    id: str
    """`~user/workflow`, as the scheduler says it."""
    log: str = ""
    clock: str = ""


@frozen
class Command:
    """A command of the command line; `{w}` stands for the workflow."""

    arguments: tuple[str, ...]
    stdin: str = ""
    seconds: float = 25.0
    terminal: bool = False
    """Whether it is a program with a full screen, which ends when q is pressed."""
    older: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """How releases up to a minor one spell it, oldest first."""

    def words(self, minor: int | None) -> tuple[str, ...]:
        """Return the arguments as the release 8.`minor` takes them."""
        for until, arguments in self.older:
            if minor is not None and minor <= until:
                return arguments
        return self.arguments


@frozen
class Request:
    """A request to an endpoint; `message` names what bytes are."""

    command: str
    args: Mapping[str, Any] = field(factory=dict)
    message: str = ""


@frozen
class Mutation:
    """A mutation in the client's own words."""

    name: str
    given: Mapping[str, Any] = field(factory=dict)


@frozen
class Follow:
    """A subscription, from before the run to its end."""


@frozen
class Answer:
    """What a client handed on: text of a command, or data or bytes of a request."""

    text: str = ""
    data: Any = None
    body: bytes | None = None
    parsed: bool = True
    again: bytes | None = None
    """The bytes as the client's own messages write them again."""


@frozen
class Truth:
    """What the suite itself sees of the scheduler: facts, and the snapshot that they come from."""

    facts: Mapping[str, str]
    snapshot: Any
    place: Place
    version: str = ""


Check = Callable[[Answer, Truth], str]
"""Returns what is wrong with an answer; nothing if it is right."""

Setup = tuple[str, Mapping[str, Any]]
"""A mutation that the suite itself sends, in the words of every release."""


@frozen
class Operation:
    """Something that a client can do with a scheduler.

    `stage`: `read` changes nothing, `write` acts on tasks of its own, several at once; `alone` may
    be noticed by others, and they come in the order of the catalogue; `last` as well, after all of
    those. The others have schedulers of their own: `fresh`; `stop` ends it; `run` follows a
    workflow to its end; `listen` waits for a publication, or draws a screen; `live` has real jobs.
    `since` and `until` are minor releases of clients that have it.
    """

    id: str
    title: str
    effect: str
    act: Command | Request | Mutation | Follow
    stage: str
    tasks: tuple[Task, ...] = ()
    expect: Expectation | None = None
    check: Check | None = None
    before: tuple[Setup, ...] = ()
    """What the suite does to make it possible."""
    ready: Expectation | None = None
    """How the state has to be before it."""
    midway: Expectation | None = None
    """How the state has to be until `then`."""
    then: tuple[Setup, ...] = ()
    """What the suite does to let the effect come about."""
    during: tuple[Setup, ...] = ()
    """What the suite does while the client listens."""
    after: tuple[Setup, ...] = ()
    """What the suite does to undo it."""
    since: int = 0
    until: int = 99
    edit: Sequence[str] = ()
    """Names of tasks that are in the source of the workflow from now on."""
    source: bool = False
    """Whether they are put into the source directory of the client only."""
    needs: tuple[str, ...] = ()
    """Facts that have to be visible; without them nobody can tell."""

    @property
    def surface(self) -> str:
        """Where a user meets it."""
        return self.id.partition("/")[0]

    @property
    def group(self) -> str:
        """What it is about."""
        parts = self.id.split("/")
        return parts[2] if parts[1] == "mutation" else parts[1]

    def why_not(self, minor: int | None, *, command_line: bool) -> str:
        """Return why a client of this release cannot do it; nothing if it can.

        `minor` is None for a client that is no release of cylc-flow.
        """
        if isinstance(self.act, Command):
            if not command_line or minor is None:
                return "this client has no command line"
            if not self.since <= minor <= self.until:
                return f"the command line of 8.{minor} has no such command"
        elif minor is not None and not self.since <= minor <= self.until:
            return f"8.{minor} has no such operation"
        elif minor is None and isinstance(self.act, Mutation) and (self.until < 99 or self.since):  # noqa: PLR2004
            return "not every release has this mutation, and this client is made for all"
        return ""
