"""Says about many pairs of clients and servers in few words which they are: `≥ 8.3 → ≤ 8.2`."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen
from packaging.version import Version

from wri_conformance.interop.reading import Cell, Implementation, Matrix, Operation, Role
from wri_conformance.interop.verdicts import QUIET, WORDS, Verdict

Pairs = frozenset[tuple[str, str]]
_NAMED: Final = 6  # operations that are named one by one
_LONGEST: Final = 240  # characters of a reason
_REASONS: Final = 2  # that are given for one sentence
_KINDS: Final = {"cli": "cylc", "api": "endpoint", "stream": "stream"}
_ALL: Final = {
    "cylc": "all of cylc",
    "endpoint": "all endpoints",
    "query": "all queries",
    "mutation": "all mutations",
}


@frozen
class Statement:
    """One sentence on what does not work: between which clients and servers, and how.

    `reason` is the most common one, or the two most common ones.
    """

    verdict: Verdict
    what: str
    operations: tuple[str, ...]
    where: str
    pairs: Pairs
    reason: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.what}: {self.where}: {WORDS[self.verdict]}"


def where(pairs: Pairs, matrix: Matrix, ignored: Collection[str] = ()) -> str:
    """Return which pairs these are, such as `clients ≥ 8.3 → servers ≤ 8.2`.

    `ignored` are clients about which nothing is said, so that a range may go across them.
    """
    places = {one.name: place for place, one in enumerate(matrix.implementations)}

    def told(role: Role, names: frozenset[str], ignored: Collection[str]) -> str:
        tried = {one.name for one in matrix.tried(role)} | names
        order = [one for one in matrix.implementations if one.name in tried]
        return _counted(role, describe(names, order, ignored))

    parts = [
        (
            min(places[name] for name in clients),
            f"{told('client', clients, ignored)} → {told('server', servers, ())}",
        )
        for clients, servers in blocks(pairs)
    ]
    return "; ".join(text for _, text in sorted(parts))


def _counted(noun: str, which: str) -> str:
    if which == "all":
        return f"all {noun}s"
    many = which[0] in "≥≤" or "–" in which or "," in which
    return f"{noun}{'s' if many else ''} {which}"


def labels(implementations: Iterable[Implementation]) -> dict[str, str]:
    """Return by its name what each is called in little space: its minor version if that is enough.

    `8.5` for a release, `8.8*` for a checkout, and the name where that would be ambiguous.
    """
    every = list(implementations)
    short = {}
    for one in every:
        release = one.release
        mark = "*" if one.kind == "checkout" else ""
        short[one.name] = one.name if release is None else f"{release.major}.{release.minor}{mark}"
    counts = Counter(short.values())
    return {name: text if counts[text] == 1 else name for name, text in short.items()}


def describe(
    names: Collection[str], order: Sequence[Implementation], ignored: Collection[str] = ()
) -> str:
    """Return which of the implementations in `order` some are, such as `8.0–8.2, 8.5, reference`.

    Releases are in ranges, from the oldest; `ignored` are those that may lie within a range without
    being among `names`.
    """
    if set(names) >= {one.name for one in order}:
        return "all"
    short = labels(order)
    released = [one for one in order if one.release]
    line = [one.name for one in sorted(released, key=lambda one: one.release or Version("0"))]
    parts = []
    run: list[str] = []
    for name in [*line, ""]:
        if name in names:
            run.append(name)
        elif run and (not name or name not in ignored):
            parts.append(_range(run, line, short))
            run = []
    parts += [short[one.name] for one in order if one.release is None and one.name in names]
    return ", ".join(parts)


def _range(run: Sequence[str], line: Sequence[str], short: Mapping[str, str]) -> str:
    first, last = run[0], run[-1]
    if first == last:
        return short[first]
    if last == line[-1] and first != line[0]:
        return f"≥ {short[first]}"
    if first == line[0] and last != line[-1]:
        return f"≤ {short[last]}"
    return f"{short[first]}–{short[last]}"


def blocks(pairs: Pairs) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return sets of clients and sets of servers whose products are `pairs`, without overlap.

    Clients with the same servers go together, or servers with the same clients, whichever takes
    fewer of them.
    """
    servers, clients = defaultdict(set), defaultdict(set)
    for client, server in pairs:
        servers[client].add(server)
        clients[server].add(client)
    rows: dict[frozenset[str], set[str]] = defaultdict(set)
    columns: dict[frozenset[str], set[str]] = defaultdict(set)
    for client, those in servers.items():
        rows[frozenset(those)].add(client)
    for server, those in clients.items():
        columns[frozenset(those)].add(server)
    if len(columns) < len(rows):
        return [(those, frozenset(together)) for those, together in columns.items()]
    return [(frozenset(together), those) for those, together in rows.items()]


def statements(
    matrix: Matrix, cells: Mapping[tuple[str, str, str], Cell] | None = None
) -> list[Statement]:
    """Return what does not work, the worst first, merged over pairs and operations.

    Only of `cells`, if they are given; ranges are those of the whole matrix nevertheless.
    """
    found: dict[tuple[Verdict, str], set[tuple[str, str]]] = defaultdict(set)
    reasons: dict[tuple[Verdict, str], Counter[str]] = defaultdict(Counter)
    lacking: dict[str, set[str]] = defaultdict(set)
    has: dict[str, set[str]] = defaultdict(set)
    for cell in matrix.cells.values():
        absent = cell.verdict is Verdict.NOT_APPLICABLE
        (lacking if absent else has)[cell.operation].add(cell.client)
    for cell in (matrix.cells if cells is None else cells).values():
        if cell.verdict not in QUIET:
            key = (cell.verdict, cell.operation)
            found[key].add((cell.client, cell.server))
            reasons[key][_brief(cell.reason)] += 1
    together: dict[tuple[Verdict, Pairs, frozenset[str]], list[str]] = defaultdict(list)
    for operation in matrix.operations:
        without = frozenset(lacking[operation.id] - has[operation.id])
        for verdict in Verdict:
            if those := found.get((verdict, operation.id)):
                together[verdict, frozenset(those), without].append(operation.id)
    result = []
    for (verdict, pairs, without), operations in together.items():
        counts = sum((reasons[verdict, operation] for operation in operations), Counter[str]())
        why = _different(reason for reason, _ in counts.most_common())
        result.append(
            Statement(
                verdict,
                called(operations, matrix.operations),
                tuple(operations),
                where(pairs, matrix, without),
                pairs,
                "; or: ".join(why[:_REASONS]) + (" …" if len(why) > _REASONS else ""),
            )
        )
    ranks = {verdict: rank for rank, verdict in enumerate(Verdict)}
    places = {operation.id: place for place, operation in enumerate(matrix.operations)}
    result.sort(key=lambda one: (ranks[one.verdict], places[one.operations[0]], -len(one.pairs)))
    return result


def _brief(reason: str) -> str:
    first = next(iter(reason.strip().splitlines()), "")
    return first if len(first) <= _LONGEST else first[: _LONGEST - 1] + "…"


def _different(reasons: Iterable[str]) -> list[str]:
    """Return those that differ in more than numbers, such as that of a workflow or a port."""
    return list({re.sub(r"\d+", "0", one): one for one in reversed(list(reasons))}.values())[::-1]


def called(chosen: Collection[str], every: Sequence[Operation]) -> str:
    """Return what a person calls some operations: `cylc hold, set (out, pre), all queries`."""
    kinds: dict[str, dict[str, list[Operation]]] = defaultdict(lambda: defaultdict(list))
    for operation in every:
        kinds[_kind(operation)][operation.group].append(operation)
    texts = []
    for kind, groups in kinds.items():
        count = sum(one.id in chosen for members in groups.values() for one in members)
        if count > 1 and count == sum(map(len, groups.values())) and len(groups) > 1:
            texts.append(_ALL.get(kind, f"all of {kind}"))
            continue
        parts = []
        for group, members in groups.items():
            mine = [one for one in members if one.id in chosen]
            if not mine:
                continue
            tails = [_tail(one) for one in mine[:_NAMED]]
            more = f" and {len(mine) - len(tails)} more" if len(mine) > len(tails) else ""
            some = len(mine) < len(members)
            parts.append(f"{group} ({', '.join(tails)}{more})" if some else group)
        if parts:
            texts.append(f"{kind} {', '.join(parts)}")
    return ", ".join(texts)


def _kind(operation: Operation) -> str:
    if operation.surface == "graphql":
        return "mutation" if operation.id.split("/")[1] == "mutation" else "query"
    return _KINDS.get(operation.surface, operation.surface)


def _tail(operation: Operation) -> str:
    """Return what tells an operation from others of its group; `plain` without anything more."""
    parts = operation.id.split("/")
    group = parts.index(operation.group) if operation.group in parts else 0
    return "/".join(parts[group + 1 :]) or "plain"
