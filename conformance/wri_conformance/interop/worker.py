"""A process that plays one pair: `python -m wri_conformance.interop.worker`.

It reads one JSON object from standard input, {"client", "server", "operations", "scale", "result",
"keep"}, and writes the cells into the file `result`, besides those that are in it if they are to be
kept. Each pair has a process of its own, so that one does not slow another down, and can be ended
whenever that is wanted.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wri_conformance.interop import catalogue, subjects
from wri_conformance.interop.pairs import Pair
from wri_conformance.interop.subjects import Subject
from wri_conformance.privacy import Redaction
from wri_conformance.runs import Workshop


def redact(node: Any, directory: Path) -> Any:
    """Return what is told of a pair without its homes, nor anything of the user."""
    homes = re.compile(re.escape(str(directory)) + r"(/[^/\s\"'\\]+)?")
    redaction = Redaction()

    def told(one: Any) -> Any:
        if isinstance(one, str):
            return redaction(homes.sub("<home>", one))
        if isinstance(one, Mapping):
            return {key: told(value) for key, value in one.items()}
        return [told(item) for item in one] if isinstance(one, list) else one

    told_keys = {"reason", "told", "found", "changes", "command", "trace"}
    return [
        {key: told(value) if key in told_keys else value for key, value in cell.items()}
        for cell in node
    ]


def play(task: Mapping[str, Any], client: Subject, server: Subject) -> list[dict[str, Any]]:
    """Return the cells of a pair, as JSON, without identities."""
    known = {one.id: one for one in catalogue.operations()}
    wanted = [known[id_] for id_ in task["operations"]]
    workshop = Workshop(scale=task["scale"])
    try:

        def say(text: str) -> None:
            print(f"{client.name} → {server.name} {text}", file=sys.stderr, flush=True)

        pair = Pair(client, server, workshop, task["scale"], say)
        cells = [cell.to_json(client.name, server.name) for cell in pair.play(wanted)]
        found: list[dict[str, Any]] = redact(cells, workshop.directory)
        return found
    finally:
        workshop.close()


def _end_with_parent() -> None:
    """End when the process that wants to know ends; the guard ends what was started."""
    sys.stdin.read()
    os._exit(1)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    began = time.monotonic()
    client, server = subjects.restore(task["client"]), subjects.restore(task["server"])
    cells = play(task, client, server)
    place = Path(task["result"])
    seconds = time.monotonic() - began
    if task["keep"]:
        before = json.loads(place.read_text(encoding="utf-8"))
        new = {cell["operation"] for cell in cells}
        cells += [cell for cell in before["cells"] if cell["operation"] not in new]
        seconds += before["seconds"]
    document = {
        "client": client.to_json(),
        "server": server.to_json(),
        "seconds": round(seconds, 3),
        "cells": cells,
    }
    part = place.with_suffix(".part")
    part.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    part.replace(place)


if __name__ == "__main__":
    _main()
