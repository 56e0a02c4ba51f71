"""A matrix as one page that works offline: a view of `interop.json`.

What every visitor sees is plain JSON in the page. What is behind the cells, a hundred times as
much, is packed, an operation at a time, and unpacked by the browser when a cell is opened.
"""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from wri_conformance.interop import ranges, reading
from wri_conformance.interop.verdicts import MISSING, QUIET, SYMBOLS, WORDS, Verdict

_LARGEST: Final = 8_000_000  # characters of everything packed
_FRAME: Final = 120  # of a frame, where the page would be too large
_EVENTS: Final = 4  # at the beginning and at the end of a trace, there

_TEMPLATE = Path(__file__).with_name("page.html")


@define
class _Texts:
    """Gives each text a number, and the same text the same number."""

    numbers: dict[str, int] = field(factory=dict)

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def render(document: Mapping[str, Any]) -> str:
    """Return the page for a valid document."""
    texts = _Texts()
    cells: dict[str, list[list[Any]]] = defaultdict(list)
    places = {operation["id"]: number for number, operation in enumerate(document["operations"])}
    clients = {one["name"]: number for number, one in enumerate(document["implementations"])}
    behind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    order = list(Verdict)
    for cell in document["cells"]:
        behind[cell["operation"]].append(cell)
        cells[f"{clients[cell['client']]},{clients[cell['server']]}"].append(
            [
                places[cell["operation"]],
                order.index(Verdict(cell["verdict"])),
                texts.number(cell["reason"]),
                texts.number(cell["told"]["text"]),
            ]
        )
    matrix = reading.matrix(document)
    shown = {
        "suite": document["suite"],
        "environment": document["environment"],
        "started": document["started"],
        "seconds": document["seconds"],
        "implementations": [
            {**one, "label": label}
            for one, label in zip(
                document["implementations"],
                ranges.labels(matrix.implementations).values(),
                strict=True,
            )
        ],
        "operations": document["operations"],
        "verdicts": [[one.value, SYMBOLS[one], WORDS[one], one in QUIET] for one in order],
        "missing": MISSING,
        "cells": cells,
        "statements": [
            {
                "verdict": order.index(one.verdict),
                "what": one.what,
                "where": one.where,
                "operations": [places[operation] for operation in one.operations],
                "pairs": [
                    [clients[client], clients[server]] for client, server in sorted(one.pairs)
                ],
                "reason": one.reason,
            }
            for one in ranges.statements(matrix)
        ],
        "texts": list(texts.numbers),
    }
    parts = [_packed(behind[identity]) for identity in places]
    if sum(map(len, parts)) > _LARGEST:
        parts = [_packed(list(map(_brief, behind[identity]))) for identity in places]
    packed = "\n".join(
        f'<script type="text/plain" id="packed{number}">{part}</script>'
        for number, part in enumerate(parts)
    )
    # What a peer sent must not end the script element, nor begin a comment in it.
    safe = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    before, _, after = _TEMPLATE.read_text(encoding="utf-8").partition("__DATA__")
    middle, _, end = after.partition("__PACKED__")
    return f"{before}{safe}{middle}{packed}{end}"


def _brief(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a cell with a shorter trace if nothing is wrong with it; the others are proof."""
    if Verdict(cell["verdict"]) not in QUIET:
        return cell
    trace = [
        {**event, "frames": [_cut(frame) for frame in event["frames"]]} for event in cell["trace"]
    ]
    if (more := len(trace) - 2 * _EVENTS) > 0:
        note = f"… {more} events are left out here; interop.json has them"
        gap = {**trace[_EVENTS], "direction": "·", "frames": [note]}
        trace = [*trace[:_EVENTS], gap, *trace[-_EVENTS:]]
    return {**cell, "trace": trace}


def _cut(frame: str) -> str:
    return frame if len(frame) <= _FRAME else f"{frame[:_FRAME]}… ({len(frame)} characters)"


def _packed(cells: list[Mapping[str, Any]]) -> str:
    """Return the details of the cells of an operation: JSON, gzip, base64."""
    texts = _Texts()
    number = texts.number
    found = {
        f"{cell['client']}\n{cell['server']}": [
            [cell["told"]["outcome"], cell["told"]["status"], number(cell["told"]["text"])],
            number(cell["expected"]),
            number(cell["found"]),
            [number(change) for change in cell["changes"]],
            cell["command"],
            cell["seconds"],
            cell["attempts"],
            [
                [event["t"], event["peer"], event["direction"], *map(number, event["frames"])]
                for event in cell["trace"]
            ],
        ]
        for cell in cells
    }
    document = {"texts": list(texts.numbers), "cells": found}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode("utf-8", "replace"), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode()
