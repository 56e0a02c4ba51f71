"""The verdict about one operation of one client with one server. Pure."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

from wri_conformance.interop.state import Change
from wri_conformance.interop.verdicts import Verdict


class Outcome(StrEnum):
    """What the client said of an operation."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASH = "crash"


@frozen
class Told:
    """What the user of the client was told; `status` is of a command."""

    outcome: Outcome
    text: str = ""
    status: int | None = None


@frozen
class Judgement:
    """A verdict and, in one sentence, why."""

    verdict: Verdict
    reason: str


_TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
_CRASHED = re.compile(r"^Traceback \(most recent call last\)", re.MULTILINE)
"""A traceback of the client's own; one inside of a message is what an old server said."""

_INTERNAL = re.compile(
    r"^\s*(Attribute|Type|Key|Index|Name|UnboundLocal|Assertion|Recursion)Error\b", re.MULTILINE
)
"""Exceptions of programs that went wrong; no user can know what they mean."""

_SLOW: Final = 0.8  # seconds; a reply takes 0.2, and the least patient client waits for 1
_TIMEOUT = re.compile(r"\bClientTimeout\b|Timeout waiting for server response")


def told_by_command(status: int, text: str, *, ended: bool = True) -> Told:
    """Return what a command told that ended with a status, or did not end in time."""
    if not ended:
        return Told(Outcome.TIMEOUT, text, None)
    if status == 0:
        return Told(Outcome.SUCCESS, text, status)
    if status < 0 or _CRASHED.search(text):
        return Told(Outcome.CRASH, text, status)
    return Told(Outcome.TIMEOUT if _TIMEOUT.search(text) else Outcome.ERROR, text, status)


def of_change(
    told: Told, missing: Sequence[str], found: Sequence[Change], others: Sequence[Change]
) -> Judgement:
    """Judge an operation that is to change something.

    Args:
        told: what the client said.
        missing: what did not come about.
        found: every change that there was.
        others: those of them that the operation does not explain.
    """
    words = said(told)
    if told.outcome is Outcome.SUCCESS:
        if not missing and not others:
            return Judgement(Verdict.OK, "what was promised has come about, and nothing else")
        if not found:
            return Judgement(Verdict.SILENTLY_IGNORED, f"{words} and nothing changed")
        what = missing[0] if missing else f"{others[0]} besides"
        return Judgement(Verdict.SILENTLY_DIFFERENT, f"{words}, but {what}")
    if found:
        return Judgement(Verdict.FAILED, f"{words}, though something changed: {found[0]}")
    return _refusal(told, "and nothing changed")


def of_read(told: Told, wrong: str, found: Sequence[Change]) -> Judgement:
    """Judge an operation that is to tell something; `wrong` is what is wrong with its answer."""
    words = said(told)
    if found and told.outcome is Outcome.SUCCESS:
        return Judgement(Verdict.SILENTLY_DIFFERENT, f"{words}, but something changed: {found[0]}")
    if told.outcome is Outcome.SUCCESS:
        if not wrong:
            return Judgement(Verdict.OK, "the answer is what the scheduler has")
        return Judgement(Verdict.SILENTLY_DIFFERENT, f"{words}, but {wrong}")
    return Judgement(Verdict.FAILED, f"{words}, though the scheduler has what was asked for")


def _refusal(told: Told, and_what: str) -> Judgement:
    words = said(told)
    if told.outcome is not Outcome.ERROR:
        return Judgement(Verdict.FAILED, f"{words} {and_what}")
    if _TRACEBACK.search(told.text):
        return Judgement(Verdict.FAILED, f"{words} with a traceback {and_what}")
    if not told.text.strip():
        return Judgement(Verdict.FAILED, f"{words} without a word {and_what}")
    if found := _INTERNAL.search(told.text):
        return Judgement(Verdict.FAILED, f"{words} with an internal {found[1]}Error {and_what}")
    return Judgement(Verdict.REFUSED, f"{words} {and_what}")


def too_slow(told: Told, slowest: float) -> str:
    """Return why it cannot be told whether a client gave up too early or this machine is slow.

    `slowest` are the seconds that a reply took, which came. Nothing if there is no such doubt.
    """
    gave_up = told.outcome is Outcome.TIMEOUT or _TIMEOUT.search(told.text) is not None
    if gave_up and slowest > _SLOW:
        return f"the client gave up, but a reply came, after {slowest:.1f} s: this machine is slow"
    return ""


def said(told: Told) -> str:
    """Return in words what was told."""
    if told.outcome is Outcome.TIMEOUT:
        return "it timed out"
    if told.outcome is Outcome.CRASH:
        return "it crashed"
    if told.status is not None:
        return f"exit status {told.status}"
    return "success was told" if told.outcome is Outcome.SUCCESS else "an error was told"
