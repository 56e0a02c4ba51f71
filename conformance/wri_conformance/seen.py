"""What a step of a scenario observed."""

from typing import Any, Final

from attrs import define

NOTHING: Final = object()
"""Nothing was observed; `Seen.why` says what was missing."""


@define
class Seen:
    """The body, the message around it, or why there is neither.

    `shown` stands for a body in reports that is too large for them; `seconds` is what the
    bounds of the step are compared with.
    """

    body: Any = NOTHING
    message: Any = NOTHING
    why: str = ""
    sent: str = ""
    seconds: float | None = None
    shown: Any = None
    not_applicable: str = ""

    @property
    def overdue(self) -> bool:
        """Whether a process was given time to end, and has not: a busy machine is slow, too."""
        return isinstance(self.body, dict) and self.body.get("exited") is False
