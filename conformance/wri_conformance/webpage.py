"""A report as one page that works offline: a view of `results.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict

from wri_conformance.specification import Specification

_TEMPLATE = Path(__file__).with_name("report.html")


def render(document: Mapping[str, Any], specification: Specification) -> str:
    """Return the page for a document that `results.json` describes."""
    cited = {
        result["requirement"]
        for scenario in document["scenarios"]
        for result in scenario["results"]
    }
    requirements = {
        identity: asdict(specification.requirements[identity])
        for identity in sorted(cited & set(specification.requirements))
    }
    text = json.dumps(
        {"results": document, "requirements": requirements}, ensure_ascii=False, default=str
    )
    # What a server sent must not end the script element, nor begin a comment in it.
    safe = text.replace("<", "\\u003c")
    return _TEMPLATE.read_text(encoding="utf-8").replace("__DATA__", safe, 1)
