"""What a user can get wrong, as one message that names the place and the fix."""

from pathlib import Path

from attrs import frozen


@frozen
class Mistake(Exception):  # noqa: N818 - it is the user's, not the program's
    """A file or an argument that cannot be used as it is.

    `str()` gives `place: message` and, on a second line, the fix. Ends a run with status 4.
    """

    message: str
    fix: str
    path: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return one or two lines for the terminal."""
        place = "" if self.path is None else f"{self.path}:"
        if self.line is not None:
            place += f"{self.line}:"
        return f"{place} {self.message}".strip() + (f"\n  fix: {self.fix}" if self.fix else "")
