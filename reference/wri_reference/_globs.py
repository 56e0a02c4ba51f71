"""Which elements identifiers mean: one set of rules for commands, another for queries.

A glob is that of a shell: `*`, `?`, `[…]` and `[!…]`, matching a whole part of an identifier,
with regard to case.
"""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol, TypeVar

from wri_reference import _ids
from wri_reference._errors import RemoteProtocolError
from wri_reference._ids import Tokens
from wri_reference._messages import quote

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DATE = re.compile(r"([0-9]{4})(-[0-9]{2})?|[0-9]{4}-?[0-9W][-0-9TZ:+]+")
_GLOB = re.compile(r"[*?\[\]]")


class ActiveTask(Protocol):
    """What a command can see of a task in the pool; `families` includes `root`."""

    @property
    def cycle(self) -> str:
        """The cycle point, as it is printed."""

    @property
    def name(self) -> str:
        """The name of the task."""

    @property
    def families(self) -> Collection[str]:
        """The names of all families that it inherits from."""

    @property
    def state(self) -> str:
        """The state, such as `waiting`."""


class Node(NamedTuple):
    """What a query can see of a task proxy, family proxy or job; `job` is its two digits."""

    cycle: str
    task: str
    job: str | None
    state: str


_Task = TypeVar("_Task", bound=ActiveTask)


# -- commands -----------------------------------------------------------------------------


def parse_tasks(ids: Sequence[Any]) -> list[Tokens]:
    """Return the identifiers in the argument `tasks` of a command, taken apart.

    Raises:
        RemoteProtocolError: there is none, or one of them is none within a workflow or means a
            job.
    """
    if not ids:
        raise RemoteProtocolError("no tasks are given")
    return [_parse_task(text) for text in ids]


def match_active(ids: Sequence[Tokens], pool: Sequence[_Task]) -> tuple[list[_Task], list[Tokens]]:
    """Return the tasks of the pool that are meant, and the identifiers that mean none of them.

    A cycle point alone means all tasks at it; with a selector, all tasks at each cycle point
    where at least one task is in that state. A name means the task or the members of the family.
    """
    chosen: set[int] = set()
    unmatched = []
    for tokens in ids:
        found = _active(tokens, pool)
        chosen.update(found)
        if not found:
            unmatched.append(tokens)
    return [pool[index] for index in sorted(chosen)], unmatched


def exact(tokens: Tokens) -> tuple[str, str] | None:
    """Return cycle point and name if only one task or family can be meant.

    Tasks that are not active are found in no other way.
    """
    if tokens.cycle is None or tokens.task is None:
        return None
    if tokens.cycle_selector or tokens.task_selector or _GLOB.search(tokens.cycle + tokens.task):
        return None
    return tokens.cycle, tokens.task


def same_point(point: str, text: str) -> bool:
    """Tell whether `text` is another way to write the cycle point `point`.

    Integers are equal by value, as are dates, which are in UTC unless they say otherwise.
    """
    value = _value(point, text)
    return point == text or (value is not None and value == _value(point, point))


# -- queries ------------------------------------------------------------------------------


def node_filter(ids: Sequence[Any], exids: Sequence[Any] = ()) -> Callable[[Node], bool]:
    """Return what tells whether a query for `ids` without `exids` finds a node.

    No ids at all mean all nodes. Cycle points are compared as texts, families are not expanded,
    and a selector, wherever it stands, is the state of the node itself.

    Raises:
        RemoteProtocolError: one of the ids is none within a workflow.
    """
    wanted, unwanted = ([_ids.parse_relative(_text(one)) for one in some] for some in (ids, exids))
    return lambda node: (
        (not wanted or any(_is_meant(node, tokens) for tokens in wanted))
        and (not any(_is_meant(node, tokens) for tokens in unwanted))
    )


def name_filter(ids: Sequence[Any], exids: Sequence[Any] = ()) -> Callable[[str], bool]:
    """Do what `node_filter` does, for definitions: all have bare names, the ids too."""
    wanted, unwanted = ([_text(one) for one in some] for some in (ids, exids))
    return lambda name: (
        (not wanted or any(fnmatchcase(name, glob) for glob in wanted))
        and (not any(fnmatchcase(name, glob) for glob in unwanted))
    )


def workflow_filter(
    ids: Sequence[Any], exids: Sequence[Any] = ()
) -> Callable[[str, str, str], bool]:
    """Return what tells whether the workflow `(owner, workflow, status)` is meant.

    Commands and queries agree on this. No ids at all mean all workflows; an id without a user
    or a workflow means all of them; what follows the workflow does not matter.

    Raises:
        RemoteProtocolError: one of the ids is none.
    """
    wanted, unwanted = ([_ids.parse(_text(one)) for one in some] for some in (ids, exids))

    def meant(owner: str, workflow: str, status: str) -> bool:
        found = _Workflow(owner, workflow, status)
        return (not wanted or any(found.matches(tokens) for tokens in wanted)) and (
            not any(found.matches(tokens) for tokens in unwanted)
        )

    return meant


class _Workflow(NamedTuple):
    owner: str
    workflow: str
    status: str

    def matches(self, tokens: Tokens) -> bool:
        return (
            fnmatchcase(self.owner, tokens.user or "*")
            and fnmatchcase(self.workflow, tokens.workflow or "*")
            and tokens.workflow_selector in {None, self.status}
        )


# -- inside -------------------------------------------------------------------------------


def _parse_task(value: Any) -> Tokens:
    text = _text(value)
    if text.startswith("/"):
        raise RemoteProtocolError(f"{quote(text)} is not of the form cycle/task")
    tokens = _ids.parse_relative(text)
    if tokens.job is not None:
        raise RemoteProtocolError(f"{quote(text)} is a job; this needs tasks")
    return tokens


def _active(tokens: Tokens, pool: Sequence[ActiveTask]) -> list[int]:
    cycle = tokens.cycle or "*"
    points = {point for point in {task.cycle for task in pool} if _at(point, cycle)}
    found = [
        index
        for index, task in enumerate(pool)
        if task.cycle in points and fnmatchcase(task.state, tokens.cycle_selector or "*")
    ]
    if tokens.task is None:
        cycles = {pool[index].cycle for index in found}
        return [index for index, task in enumerate(pool) if task.cycle in cycles]
    return [
        index
        for index in found
        if fnmatchcase(pool[index].state, tokens.task_selector or "*")
        and _is_named(pool[index], tokens.task)
    ]


def _is_named(task: ActiveTask, glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in (task.name, *task.families))


def _at(point: str, text: str) -> bool:
    """Tell whether a cycle point is meant; what can be read as a point is no glob."""
    if _value(point, text) is None:
        return fnmatchcase(point, text)
    return same_point(point, text)


def _value(point: str, text: str) -> int | datetime | None:
    """Return what `text` means where cycle points look like `point`."""
    if _INTEGER.fullmatch(point):
        return int(text) if _INTEGER.fullmatch(text) else None
    match = _DATE.fullmatch(text)
    if not match:
        return None
    if match[1]:
        text = f"{match[1]}{match[2] or '-01'}-01"
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _is_meant(node: Node, tokens: Tokens) -> bool:
    selector = tokens.cycle_selector or tokens.task_selector or tokens.job_selector
    return (
        fnmatchcase(node.cycle, tokens.cycle or "*")
        and fnmatchcase(node.task, tokens.task or "*")
        and (tokens.job is None or (node.job is not None and fnmatchcase(node.job, tokens.job)))
        and selector in {None, node.state}
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RemoteProtocolError("an identifier is a string")
    return value
