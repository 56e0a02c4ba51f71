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
from typing import Any

from attrs import define, field

from wri_conformance.interop import ranges, reading
from wri_conformance.interop.verdicts import MISSING, QUIET, SYMBOLS, WORDS, Verdict

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
    packed = "\n".join(
        f'<script type="text/plain" id="packed{number}">{_packed(behind[identity])}</script>'
        for identity, number in places.items()
    )
    # What a peer sent must not end the script element, nor begin a comment in it.
    safe = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    before, _, after = _TEMPLATE.read_text(encoding="utf-8").partition("__DATA__")
    middle, _, end = after.partition("__PACKED__")
    return f"{before}{safe}{middle}{packed}{end}"


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
