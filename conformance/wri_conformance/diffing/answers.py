"""Compares how two implementations answered the same requests. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from wri_conformance.diffing.changes import (
    NEW_CLIENTS,
    OLD_CLIENTS,
    SERVERS,
    Change,
    Level,
)

Shapes = Mapping[str, Mapping[str, Any]]

GOOD: Final = frozenset(
    {
        *("api", "with meta", "meta null", "other members", "other arguments", "description"),
        *("query", "named query", "unknown element", "other variables"),
        *(
            f"pb_data_elements {name}"
            for name in (
                *("edges", "families", "family_proxies", "jobs", "tasks", "task_proxies"),
                "workflow",
            )
        ),
    }
)
"""The requests that have to succeed."""

_SHOWN: Final = 3  # places that a sentence names
_ENVELOPE: Final = "envelope"


@frozen
class _Facet:
    """One difference, wherever it is seen: what is the same for all its places."""

    kind: str
    level: Level
    sides: tuple[str, ...]
    before: Any
    after: Any
    requirement: str
    sentence: str  # {where} stands for the places


def gathered(area: str, noun: str, facets: Iterator[tuple[str, _Facet]]) -> Iterator[Change]:
    """Yield one change for each difference, with all the places where it is."""
    places: dict[str, tuple[_Facet, list[str]]] = {}
    for place, facet in facets:
        key = repr((facet.kind, facet.level, facet.sides, facet.before, facet.after))
        places.setdefault(key, (facet, []))[1].append(place)
    for facet, where in places.values():
        yield Change(
            area,
            facet.kind,
            ", ".join(where),
            facet.level,
            facet.sides,
            facet.sentence.replace("{where}", _where(noun, where)),
            facet.before,
            facet.after,
            facet.requirement,
        )


def _where(noun: str, places: Collection[str]) -> str:
    named = ", ".join(f"“{place}”" for place in list(places)[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{noun} {named}{more}"


def _pairs(
    before: Shapes, after: Shapes
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for name in before:
        if name in after:
            yield name, before[name], after[name]


def requests(before: Shapes, after: Shapes, area: str = _ENVELOPE) -> Iterator[Change]:
    """Yield what differs between answers to requests, operations or element types."""
    pairs = list(_pairs(before, after))
    yield from gathered(area, "The answer to", _facets(pairs))
    yield from _texts(area, [(name, a.get("message"), b.get("message")) for name, a, b in pairs])


def _facets(
    pairs: Collection[tuple[str, Mapping[str, Any], Mapping[str, Any]]],
) -> Iterator[tuple[str, _Facet]]:
    for name, a, b in pairs:
        if told := _outcome(name, a, b):
            yield name, told
            continue
        if a.get("at") != b.get("at"):
            # Both are data, and only one of them is an error in truth.
            yield name, (_error_place(a, b) if "at" in a and "at" in b else _plain(name, a, b))
            continue
        yield from ((name, one) for one in _members("keys", "", a, b))
        yield from ((name, one) for one in _members("error_keys", "error.", a, b))
        if a.get("data") != b.get("data"):
            yield (
                name,
                _Facet(
                    "data",
                    Level.RISKY,
                    (OLD_CLIENTS, NEW_CLIENTS),
                    a.get("data"),
                    b.get("data"),
                    "WRI-CLI-1",
                    f"{{where}}: {a.get('data')} became {b.get('data')}.",
                ),
            )
        if a.get("fields") != b.get("fields"):
            yield (
                name,
                _Facet(
                    "fields",
                    Level.RISKY,
                    (OLD_CLIENTS, NEW_CLIENTS),
                    a.get("fields"),
                    b.get("fields"),
                    "WRI-DATA-12",
                    f"{{where}} has the fields {_list(b.get('fields'))} instead of "
                    f"{_list(a.get('fields'))}.",
                ),
            )


def _list(values: Any) -> str:
    return ", ".join(map(str, values or ())) or "none"


def _what(shape: Mapping[str, Any]) -> str:
    """Return what came in words: `an error in data[].error`."""
    outcome = shape["outcome"]
    if outcome == "data" and "at" in shape:
        return f"data with an error inside ({', '.join(shape['at'])})"
    if outcome == "bytes":
        return "no bytes at all" if shape.get("empty") else "bytes"
    words = {"silence": "no reply", "neither": "neither data nor error", "both": "data and error"}
    if outcome == "data":
        return f"data ({shape.get('data')})" if shape.get("data") == "object of null" else "data"
    return words.get(outcome, str(outcome))


def _outcome(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> _Facet | None:
    was, is_now = a["outcome"], b["outcome"]
    if was == is_now and a.get("empty") == b.get("empty"):
        return None
    if {was, is_now} == {"data", "error"} and ("at" in a and "at" in b):
        return _error_place(a, b)
    return _plain(name, a, b)


def _plain(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> _Facet:
    was, is_now = a["outcome"], b["outcome"]
    good = name in GOOD
    level = Level.RISKY
    sides: tuple[str, ...] = (OLD_CLIENTS, NEW_CLIENTS)
    if is_now == "silence" or (good and is_now not in {"data", "bytes"}):
        level, sides = Level.BREAKING, (OLD_CLIENTS,)
    elif was == "silence" or (good and was not in {"data", "bytes"}):
        level, sides = Level.BREAKING, (NEW_CLIENTS,)
    requirement = "WRI-FRM-4" if "silence" in {was, is_now} else "WRI-RES-1"
    before, after = _what(a), _what(b)
    return _Facet(
        "outcome",
        level,
        sides,
        before,
        after,
        requirement,
        f"{{where}} was {before} and is {after}.",
    )


def _error_place(a: Mapping[str, Any], b: Mapping[str, Any]) -> _Facet:
    before, after = (", ".join(one.get("at", ())) for one in (a, b))
    return _Facet(
        "error-place",
        Level.BREAKING,
        (OLD_CLIENTS, NEW_CLIENTS),
        before,
        after,
        "WRI-VER-2",
        f"{{where}} has its error in `{after}`; it was in `{before}`, where nobody sees it now.",
    )


def _members(
    name: str, prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]
) -> Iterator[_Facet]:
    old, new = set(a.get(name, ())), set(b.get(name, ()))
    if not old or not new:
        return
    for member in sorted(new - old - {"data", "error"}):
        yield _Facet(
            "member-added",
            Level.RISKY,
            (NEW_CLIENTS,),
            None,
            prefix + member,
            "WRI-CLI-6",
            f"{{where}} has the member `{prefix}{member}`, which was not there.",
        )
    for member in sorted(old - new - {"data", "error"}):
        harmless = member == "traceback"
        yield _Facet(
            "member-removed",
            Level.SAFE if harmless else Level.BREAKING,
            (OLD_CLIENTS,),
            prefix + member,
            None,
            "WRI-RES-6" if harmless else "WRI-RES-3",
            f"{{where}} has no member `{prefix}{member}` any more.",
        )


def _texts(area: str, messages: Collection[tuple[str, Any, Any]]) -> Iterator[Change]:
    """Yield one change for all the texts of errors that differ."""
    others = [(n, a, b) for n, a, b in messages if a is not None and b is not None and a != b]
    if not others:
        return
    name, before, after = others[0]
    first = f": “{name}” said {_short(before)} and says {_short(after)}"
    yield Change(
        area,
        "texts",
        ", ".join(n for n, *_ in others),
        Level.SAFE,
        (OLD_CLIENTS, NEW_CLIENTS),
        f"{len(others)} error text{'' if len(others) == 1 else 's'} changed{first}.",
        {n: a for n, a, _ in others},
        {n: b for n, _, b in others},
        "WRI-RES-8",
    )


def _short(text: Any) -> str:
    words = " ".join(str(text).split())
    return f"“{words if len(words) <= 70 else words[:69] + '…'}”"  # noqa: PLR2004


def hidden(before: Shapes, after: Shapes) -> Iterator[Change]:
    """Yield which names that are no endpoints can be called, and could not, or the other way."""

    def facets() -> Iterator[tuple[str, _Facet]]:
        for name, a, b in _pairs(before, after):
            was, is_now = (one["outcome"] in {"data", "bytes"} for one in (a, b))
            if is_now and not was:
                yield (
                    name,
                    _Facet(
                        "hidden-method",
                        Level.RISKY,
                        (SERVERS,),
                        "refused",
                        "carried out",
                        "WRI-END-1",
                        "Every client can call {where}, though `api` does not list it.",
                    ),
                )
            elif was and not is_now:
                yield (
                    name,
                    _Facet(
                        "hidden-method",
                        Level.SAFE,
                        (SERVERS,),
                        "carried out",
                        "refused",
                        "WRI-END-1",
                        "Nobody can call {where} any more.",
                    ),
                )

    yield from gathered("robustness", "the method", facets())


def injected(before: Collection[str], after: Collection[str]) -> Iterator[Change]:
    """Yield which arguments a server adds of itself, and did not, or does not any more."""
    for name in sorted(set(before) - set(after)):
        yield Change(
            "envelope",
            "argument-injected",
            name,
            Level.RISKY,
            (SERVERS,),
            f"The server does not add the argument `{name}` to requests any more: what it kept "
            "from being called can be called.",
            name,
            None,
            "WRI-END-1",
        )
    for name in sorted(set(after) - set(before)):
        yield Change(
            "envelope",
            "argument-injected",
            name,
            Level.RISKY,
            (SERVERS,),
            f"The server adds the argument `{name}` to requests.",
            None,
            name,
            "WRI-END-1",
        )


def hostile(before: Shapes, after: Shapes) -> Iterator[Change]:
    """Yield of which requests a server dies, and did not, or the other way."""

    def facets() -> Iterator[tuple[str, _Facet]]:
        for name, a, b in _pairs(before, after):
            if a["serves"] and not b["serves"]:
                yield (
                    name,
                    _Facet(
                        "dies",
                        Level.BREAKING,
                        (SERVERS,),
                        f"serves ({_what(a)})",
                        "dies",
                        "WRI-LIM-1",
                        "A server serves nobody any more after {where}.",
                    ),
                )
            elif b["serves"] and not a["serves"]:
                yield (
                    name,
                    _Facet(
                        "dies",
                        Level.SAFE,
                        (SERVERS,),
                        "dies",
                        f"serves ({_what(b)})",
                        "WRI-LIM-1",
                        "A server serves on after {where}.",
                    ),
                )

    yield from gathered("robustness", "a request with", facets())


def mutations(
    before: Shapes,
    after: Shapes,
    good: Callable[[str], bool],
) -> Iterator[Change]:
    """Yield how mutations are answered otherwise.

    `good` tells whether a mutation can be carried out.
    """
    pairs = list(_pairs(before, after))
    yield from gathered("mutations", "The mutation", _mutation_facets(pairs, good))
    messages = [
        (n, a.get("message", a.get("text")), b.get("message", b.get("text")))
        for n, a, b in pairs
        if a["outcome"] == b["outcome"]
        and a.get("accepted") == b.get("accepted")
        and _form(a) == _form(b)
    ]
    yield from _texts("mutations", messages)


def _form(shape: Mapping[str, Any]) -> str:
    text = shape.get("text")
    return "nothing" if text is None else "a UUID" if text == "<uuid>" else "a text"


def _verdict(shape: Mapping[str, Any]) -> str:
    if shape["outcome"] != "data":
        return "an error"
    if shape.get("accepted") is False:
        return "refused"
    if "at" in shape:
        return "an error inside data"
    return "accepted" if shape.get("accepted") else "answered"


_BAD: Final = frozenset({"an error", "an error inside data", "no reply", "refused"})


def _mutation_facets(
    pairs: Collection[tuple[str, Mapping[str, Any], Mapping[str, Any]]],
    good: Callable[[str], bool],
) -> Iterator[tuple[str, _Facet]]:
    for name, a, b in pairs:
        was, is_now = _verdict(a), _verdict(b)
        if {was, is_now} == {"an error inside data", "an error"}:
            continue  # which is so for all errors
        if was != is_now:
            yield name, _answered(was, is_now, good=good(name))
        elif _form(a) != _form(b):
            yield (
                name,
                _Facet(
                    "mutation-text",
                    Level.RISKY,
                    (OLD_CLIENTS, NEW_CLIENTS),
                    _form(a),
                    _form(b),
                    "WRI-CTL-5",
                    f"{{where}} is answered with {_form(b)}, which was {_form(a)} "
                    f"({_short(a.get('text'))}).",
                ),
            )
        elif a.get("members") != b.get("members") or a.get("response") != b.get("response"):
            old, new = (one.get("response", _list(one.get("members"))) for one in (a, b))
            yield (
                name,
                _Facet(
                    "mutation-result",
                    Level.RISKY,
                    (OLD_CLIENTS, NEW_CLIENTS),
                    old,
                    new,
                    "WRI-CTL-3",
                    f"{{where}} has the result {_short(new)} instead of {_short(old)}.",
                ),
            )


def _answered(was: str, is_now: str, *, good: bool) -> _Facet:
    tell = f"{{where}} was {was} and is {is_now}."
    level = Level.RISKY
    sides: tuple[str, ...] = (OLD_CLIENTS, NEW_CLIENTS)
    requirement = "WRI-CTL-5" if good else "WRI-CTL-8"
    if good and is_now in _BAD:
        level, sides = Level.BREAKING, (OLD_CLIENTS,)
    elif good and was in _BAD:
        level, sides = Level.BREAKING, (NEW_CLIENTS,)
        tell = f"{{where}} is {is_now}; A answers it with {was}."
    elif not good and was not in _BAD and is_now in _BAD:
        tell = f"{{where}}, which cannot be carried out, is {is_now} at once; it was {was}."
    return _Facet("mutation-answer", level, sides, was, is_now, requirement, tell)
