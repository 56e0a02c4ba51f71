"""What a person sees of a fuzz run: a line while it goes on, failures, and a summary."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from attrs import define, field

from wri_conformance.fuzzing.conversation import REQUIREMENTS
from wri_conformance.fuzzing.hunt import Failure, Hunt, Unreproduced
from wri_conformance.fuzzing.messages import Message
from wri_conformance.specification import Specification
from wri_conformance.trace import readable

_PLAIN_EVERY = 10.0  # seconds between two lines where one cannot be updated
_LONG = 200  # characters of a frame that are shown


def shown(message: Message) -> str:
    """Return the frames of a message for people, and its envelope if that is special."""
    text = " + ".join(readable(frame, _LONG) or '""' for frame in message.frames)
    if message.envelope == ("",):
        return text
    envelope = " + ".join(readable(part.encode(), _LONG) or '""' for part in message.envelope)
    return f"{text}  (before it: {envelope or 'no delimiter'})"


def _number(value: float) -> str:
    return f"{value:,.0f}"


@define
class Display:
    """Writes to a terminal, or to a file if it is none."""

    specification: Specification
    out: TextIO = field(factory=lambda: sys.stdout)
    _last: float = 0.0
    _width: int = 0

    @property
    def live(self) -> bool:
        """Whether a line can be updated."""
        return self.out.isatty() and os.environ.get("TERM") != "dumb"

    def _paint(self, text: str, colour: str) -> str:
        if not self.out.isatty() or "NO_COLOR" in os.environ:
            return text
        return f"\x1b[{colour}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """Write a line, in the place of that which is updated."""
        if self._width:
            self.out.write("\r" + " " * self._width + "\r")
            self._width = 0
        print(text, file=self.out, flush=True)

    def progress(self, hunt: Hunt, limit: float) -> None:
        """Say how far it has come."""
        text = (
            f"{hunt.seconds:.0f} of {limit:g} s, {counts(hunt)}, "
            f"{plural(len(hunt.failures), 'failure')}"
        )
        if hunt.chasing:
            text += f", looking into {hunt.chasing} more"
        if self.live:
            text = text[: shutil.get_terminal_size().columns - 1]
            self.out.write("\r" + text.ljust(self._width))
            self.out.flush()
            self._width = len(text)
        elif hunt.seconds - self._last >= _PLAIN_EVERY:
            self._last = hunt.seconds
            self.line(text)

    def failure(self, failure: Failure, path: Path) -> None:
        """Tell of a failure, when it is confirmed."""
        title = "; ".join(map(str, failure.traits)) or "a valid request"
        self.line(self._paint(f"✗ {title}", "31;1") + f"  (after {failure.seconds:g} s)")
        requirement = self.specification.requirements[REQUIREMENTS[failure.symptom.kind]]
        self.line(f"    {requirement.text} ({requirement.id})")
        self.line(f"    {failure.symptom.kind}: {failure.symptom.why}")
        for step in failure.steps:
            self.line(f"    sent      {shown(step.message)}")
        self.line(f"    scenario  {path}")

    def summary(
        self, hunt: Hunt, name: str, seed: int, paths: Sequence[Path], command: str, *, cut: bool
    ) -> None:
        """Say what came of it."""
        self.line()
        if cut:
            self.line(self._paint("interrupted", "33;1"))
        self.line(
            f"{name}, seed {seed}: {counts(hunt)} in {hunt.seconds:.0f} s, "
            f"{plural(hunt.restarts, 'restart')}"
        )
        for one in hunt.unreproduced:
            self.line(f"not reproduced, and so no failure: {_told(one)}")
        if hunt.abandoned:
            self.line(f"no time was left to look into {hunt.abandoned} more")
        if not hunt.failures and hunt.broken:
            return
        if not hunt.failures:
            self.line(self._paint("no failure was found", "32;1" if not cut else "33"))
            return
        found = f"{plural(len(hunt.failures), 'distinct failure')}"
        again = f", found again {hunt.again} times" if hunt.again else ""
        self.line(self._paint(found, "31;1") + again)
        for failure, path in zip(hunt.failures, paths, strict=True):
            title = "; ".join(map(str, failure.traits)) or "a valid request"
            self.line(f"  {failure.symptom.kind:<9} {title}")
            self.line(f"            {shown(failure.steps[-1].message)}")
            self.line(f"            {path}")
        self.line(f"play them:  {command}")


def _told(one: Unreproduced) -> str:
    return f"{one.symptom.kind} after {one.seconds:g} s: {one.symptom.why}; {shown(one.last)}"


def counts(hunt: Hunt) -> str:
    """Return the messages, and how many a second."""
    rate = hunt.messages / max(hunt.seconds, 1)
    return f"{_number(hunt.messages)} messages ({rate:.0f}/s)"


def plural(number: int, noun: str) -> str:
    """Return `no failures`, `1 failure`, `2 failures`."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
