"""The arguments of commands, checked before anything is done."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from wri_reference import _globs, _ids
from wri_reference._errors import RemoteProtocolError
from wri_reference._messages import quote
from wri_reference._workflow import Definition

LEVELS: Final = ("DEBUG", "INFO", "NORMAL", "WARNING", "ERROR", "CRITICAL")
MODES: Final = {
    "clean": "REQUEST(CLEAN)",
    "kill": "REQUEST(KILL)",
    "now": "REQUEST(NOW)",
    "nownow": "REQUEST(NOW-NOW)",
}
ALL: Final = "all"
REQUIRED: Final = "required"

_NEW = "new"
_NONE = "none"
_XTRIGGER = "xtrigger"


class Flows(NamedTuple):
    """Which flows a command is about; neither `new` nor `none` nor numbers: the active ones."""

    new: bool = False
    none: bool = False
    numbers: frozenset[int] = frozenset()


class Prerequisite(NamedTuple):
    """An output that a task is to be told of; all None: every one of them."""

    cycle: str | None = None
    task: str | None = None
    output: str | None = None


class Message(NamedTuple):
    """What a job has to say."""

    severity: str
    text: str


class JobId(NamedTuple):
    """A job within the workflow."""

    cycle: str
    task: str
    number: int


def flows(values: Sequence[Any] | None, *, wait: bool = False, existing: bool = False) -> Flows:
    """Return the argument `flow`; `all`, as old clients say it, means the active flows.

    Raises:
        RemoteProtocolError: it is neither `new`, `none` nor numbers, or they do not fit together.
    """
    texts = [str(value).strip() for value in values or ()]
    if texts in ([], [ALL]):
        return Flows()
    for special in (_NEW, _NONE):
        if special not in texts:
            continue
        if existing:
            raise RemoteProtocolError(f"flow: {special!r} does not fit here, numbers do")
        if len(texts) > 1:
            raise RemoteProtocolError(f"flow: {special!r} does not fit with others")
        if wait:
            raise RemoteProtocolError(f"flow: {special!r} does not fit with a wait for a flow")
        return Flows(new=special == _NEW, none=special == _NONE)
    for text in texts:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise RemoteProtocolError(f"flow: {quote(text)} is not a number, 'new' or 'none'")
    return Flows(numbers=frozenset(map(int, texts)))


def outputs(values: Sequence[Any] | None) -> list[str]:
    """Return the argument `outputs`; empty for those that are required.

    Raises:
        RemoteProtocolError: they cannot be set.
    """
    labels = [str(value).strip() for value in values or ()]
    if labels == [REQUIRED]:
        return []
    if REQUIRED in labels:
        raise RemoteProtocolError(f"outputs: {REQUIRED!r} does not fit with others")
    if "waiting" in labels:
        raise RemoteProtocolError("outputs: 'waiting' is none; trigger the task to run it again")
    return labels


def prerequisites(values: Sequence[Any] | None) -> list[Prerequisite]:
    """Return the argument `prerequisites`: `all`, or `cycle/task:output` with `succeeded` implied.

    Raises:
        RemoteProtocolError: one of them has another form.
    """
    found = []
    for value in values or ():
        text = str(value)
        if text == ALL:
            if len(values or ()) > 1:
                raise RemoteProtocolError(f"prerequisites: {ALL!r} does not fit with others")
            return [Prerequisite()]
        tokens = _ids.parse_relative(text)
        if tokens.task is None or tokens.job is not None or tokens.cycle_selector:
            raise RemoteProtocolError(f"{quote(text)} is not of the form cycle/task:output")
        output = tokens.task_selector or "succeeded"
        if tokens.cycle == _XTRIGGER and output != "succeeded":
            raise RemoteProtocolError(f"{quote(text)}: an xtrigger can only succeed")
        found.append(Prerequisite(tokens.cycle, tokens.task, output))
    return found


def is_xtrigger(wanted: Prerequisite) -> bool:
    """Tell whether a prerequisite is an xtrigger and no task."""
    return wanted.cycle == _XTRIGGER


def point(definition: Definition, text: Any) -> int:
    """Return which cycle point is meant, -1 for one before the first.

    A point between two of the workflow, or after the last, is the one before it.

    Raises:
        RemoteProtocolError: it is not a cycle point.
    """
    wanted = str(text)
    points = definition.cycle_points
    for index, one in enumerate(points):
        if _globs.same_point(one, wanted):
            return index
    order: Any = int if definition.is_integer else moment
    try:
        value = order(wanted)
    except (ValueError, RemoteProtocolError):
        raise RemoteProtocolError(f"{quote(wanted)} is not a cycle point") from None
    before: list[bool] = [order(one) <= value for one in points]
    return sum(before) - 1


def job(text: Any) -> JobId:
    """Return the argument `taskJob`.

    Raises:
        RemoteProtocolError: it is not of the form `cycle/task/job`.
    """
    tokens = _ids.parse_relative(str(text))
    if tokens.cycle is None or tokens.task is None or not (tokens.job or "").isdecimal():
        raise RemoteProtocolError(f"{quote(str(text))} is not of the form cycle/task/job")
    return JobId(tokens.cycle, tokens.task, int(tokens.job or ""))


def messages(values: Any) -> list[Message]:
    """Return the argument `messages` of a job.

    Raises:
        RemoteProtocolError: it is not a list of `[severity, text]`.
    """
    if not values or not isinstance(values, list):
        raise RemoteProtocolError("messages: there is none; give [[severity, text], …]")
    found = []
    for value in values:
        if (
            not isinstance(value, list | tuple)
            or len(value) != 2  # noqa: PLR2004
            or not all(isinstance(one, str) for one in value)
        ):
            raise RemoteProtocolError("messages: each is a list of severity and text")
        found.append(Message(value[0].upper(), value[1]))
    return found


def moment(text: Any) -> float:
    """Return seconds since the epoch; without a time zone UTC is meant.

    Raises:
        RemoteProtocolError: it is not a date-time of ISO 8601.
    """
    try:
        value = datetime.fromisoformat(str(text))
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RemoteProtocolError(f"{quote(str(text))} is not a date and time") from None


def mode(value: Any) -> str:
    """Return the reason for the stop that a mode is; none is `Clean`.

    Raises:
        RemoteProtocolError: there is no such mode.
    """
    if value is None:
        return MODES["clean"]
    text = str(value)
    if text in MODES.values():
        return text
    if text.lower() not in MODES:
        raise RemoteProtocolError(f"there is no mode {quote(text)}")
    return MODES[text.lower()]


def level(value: Any) -> str:
    """Return a level of verbosity.

    Raises:
        RemoteProtocolError: there is no such level.
    """
    text = str(value).upper()
    if text not in LEVELS:
        raise RemoteProtocolError(f"there is no level {quote(str(value))}")
    return text
