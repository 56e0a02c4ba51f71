"""Where the schemas are, and the facts that were introspected."""

import json
from pathlib import Path
from typing import Any

from wri.data import root

SDL = root() / "schemas" / "graphql"
INTROSPECTED = Path(__file__).parent / "introspected"
RELEASES = ("8.0.4", "8.1.4", "8.2.7", "8.3.6", "8.4.4", "8.5.4", "8.6.5", "8.7.0")


def recorded_text(release: str) -> str:
    """Return what introspect.py printed of a release."""
    return (INTROSPECTED / f"{release}.json").read_text(encoding="utf-8")


def recorded(release: str) -> dict[str, Any]:
    """Return the facts that a release showed when it was introspected."""
    facts: dict[str, Any] = json.loads(recorded_text(release))
    return facts
