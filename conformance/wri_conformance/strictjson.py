"""Reads JSON that somebody else has written: strictly, and not more than can be handled. Pure."""

import json
from collections.abc import Callable
from typing import Any, Final

MOST_VALUES: Final = 1_000_000
"""How many values a document may have; a response to a scenario has some thousands."""

DEEPEST: Final = 250
"""How deep it may be nested; a correct request is nested 100 levels deep at most (WRI-LIM-6)."""

Pairs = Callable[[list[tuple[str, Any]]], dict[str, Any]]


def loads(data: bytes, pairs: Pairs | None = None) -> Any:
    """Return the value that `data` is; `pairs` makes an object of its members.

    Raises:
        ValueError: it is not UTF-8, not JSON, or has constants that JSON does not have; or it has
            too many values, or is nested too deeply, for the suite to handle.
    """
    text = data.decode()
    begun = data.count(b"[") + data.count(b"{")
    if begun + data.count(b",") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values, which the suite does not read")
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


_TOO_DEEP: Final = f"it is nested more than {DEEPEST} levels deep, which the suite does not read"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
