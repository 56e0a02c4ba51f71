"""Decides whether a policy is kept, from a matrix. Pure: no file, no clock."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import define, field, frozen
from packaging.version import Version

from wri_conformance.interop.reading import Cell, Implementation, Matrix, Operation
from wri_conformance.interop.verdicts import SILENT, Verdict
from wri_conformance.manifest import wildcard
from wri_conformance.policy.promises import Excuse, Policy, Promise, Range, matches
from wri_conformance.verdict import Exit

Key = tuple[str, str, str]
"""Client, server and operation."""

_ELSEWHERE: Final = "said not to apply here, though the client has it elsewhere"


@define
class Outcome:
    """What became of one promise. Each judged cell is in one of the mappings."""

    promise: Promise
    kept: dict[Key, Cell] = field(factory=dict)
    allowed: dict[Key, Cell] = field(factory=dict)  # not ok, and accepted
    excused: dict[Key, Cell] = field(factory=dict)
    broken: dict[Key, Cell] = field(factory=dict)
    undecided: dict[Key, Cell] = field(factory=dict)

    @property
    def judged(self) -> int:
        """How many cells count."""
        return sum(map(len, (self.kept, self.allowed, self.excused, self.broken, self.undecided)))


@frozen
class Judgement:
    """Whether a policy is kept, and everything that a person needs to know about it.

    `lacking` says in words what there is no evidence for; `untried` are promised pairs that are not
    in the matrix at all, `missing` promised cells of pairs that are; `outside` are silent failures
    where nothing is promised; `excuses` has the cells of each exception that was needed.
    """

    outcomes: tuple[Outcome, ...]
    lacking: tuple[str, ...]
    untried: frozenset[tuple[str, str]]
    missing: frozenset[Key]
    stale: tuple[str, ...]
    excuses: Mapping[int, tuple[Excuse, int]]
    expired: Mapping[int, tuple[Excuse, int]]
    outside: tuple[Cell, ...]
    unjudged: tuple[str, ...]
    pairs: int

    @property
    def judged(self) -> int:
        """How many cells count, each once."""
        return len(self._keys("kept", "allowed", "excused", "broken", "undecided"))

    @property
    def broken(self) -> frozenset[Key]:
        """The cells that break a promise."""
        return self._keys("broken")

    @property
    def undecided(self) -> frozenset[Key]:
        """The cells that are promised and inconclusive."""
        return self._keys("undecided")

    def _keys(self, *names: str) -> frozenset[Key]:
        return frozenset(
            key for one in self.outcomes for name in names for key in getattr(one, name)
        )

    @property
    def exit(self) -> Exit:
        """The exit status: to have judged nothing is never a success."""
        if not self.judged:
            return Exit.NOTHING
        wrong = (
            self.broken,
            self.undecided,
            self.lacking,
            self.untried,
            self.missing,
            self.stale,
        )
        return Exit.NOT_CONFORMANT if any(wrong) else Exit.CONFORMANT


def judge(policy: Policy, matrix: Matrix, today: dt.date, only: Sequence[str] = ()) -> Judgement:
    """Return whether a policy is kept.

    `only` takes the place of the policy's own, if there is any in it; `today` is what exceptions
    expire by.
    """
    return _Judge(policy, matrix, today, tuple(only) or policy.only).judgement()


@define
class _Judge:
    policy: Policy
    matrix: Matrix
    today: dt.date
    only: tuple[str, ...]
    by_name: Mapping[str, Implementation] = field(init=False)
    pairs: frozenset[tuple[str, str]] = field(init=False)
    lacking: list[str] = field(factory=list)
    promised: set[tuple[str, str]] = field(factory=set)
    untried: set[tuple[str, str]] = field(factory=set)
    missing: set[Key] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.by_name = {one.name: one for one in self.matrix.implementations}
        self.pairs = self.matrix.pairs

    def judgement(self) -> Judgement:
        has = {
            (cell.client, cell.operation)
            for cell in self.matrix.cells.values()
            if cell.verdict is not Verdict.NOT_APPLICABLE
        }
        self._verify_only()
        outcomes = tuple(self._outcome(promise, has) for promise in self.policy.promises)
        self._verify_releases()
        self._verify_pairs()
        excuses, expired = self._excuse(outcomes)
        covered = {key for one in outcomes for key in self._keys(one)}
        outside = tuple(
            cell
            for key, cell in self.matrix.cells.items()
            if cell.verdict in SILENT and key not in covered and self._chosen(*self._two(key))
        )
        return Judgement(
            outcomes,
            tuple(dict.fromkeys(self.lacking)),
            frozenset(self.untried),
            frozenset(self.missing),
            tuple(self._stale(outcomes)),
            excuses,
            expired,
            outside,
            tuple(one.name for one in self.matrix.implementations if not self.policy.version(one)),
            len(self.promised),
        )

    @staticmethod
    def _keys(one: Outcome) -> Iterable[Key]:
        return (*one.kept, *one.allowed, *one.excused, *one.broken, *one.undecided)

    def _two(self, key: Key) -> tuple[Implementation, Implementation]:
        return self.by_name[key[0]], self.by_name[key[1]]

    def _chosen(self, client: Implementation, server: Implementation) -> bool:
        return not self.only or any(
            matches(self.only, name) for one in (client, server) for name in (one.name, one.kind)
        )

    def _reached(self, promise: Promise, client: Implementation, server: Implementation) -> bool:
        """Tell whether a promise is about a pair, and the pair is to be judged."""
        mine, other = self.policy.version(client), self.policy.version(server)
        return (
            promise.reaches(mine, other)
            and promise.clients.has(client, mine)
            and promise.servers.has(server, other)
            and self._chosen(client, server)
        )

    def _outcome(self, promise: Promise, has: set[tuple[str, str]]) -> Outcome:
        outcome = Outcome(promise)
        operations = [one for one in self.matrix.operations if promise.is_about(one)]
        self._verify_patterns(promise)
        for client in self.matrix.of("client"):
            for server in self.matrix.of("server"):
                if not self._reached(promise, client, server):
                    continue
                pair = (client.name, server.name)
                self.promised.add(pair)
                if pair not in self.pairs:
                    self.untried.add(pair)
                    continue
                for operation in operations:
                    self._decide(outcome, (*pair, operation.id), has)
        if not outcome.judged:
            self.lacking.append(f"nothing of the promise {promise.name!r} could be judged")
        return outcome

    def _decide(self, outcome: Outcome, key: Key, has: set[tuple[str, str]]) -> None:
        cell = self.matrix.cells.get(key)
        client, _, operation = key
        if cell is None:
            self.missing.add(key)
        elif cell.verdict is Verdict.NOT_APPLICABLE:
            if (client, operation) in has:
                outcome.undecided[key] = Cell(*key, Verdict.INCONCLUSIVE, _ELSEWHERE)
        elif cell.verdict is Verdict.INCONCLUSIVE:
            outcome.undecided[key] = cell
        elif not outcome.promise.accepts(cell.verdict, operation):
            outcome.broken[key] = cell
        else:
            (outcome.kept if cell.verdict is Verdict.OK else outcome.allowed)[key] = cell

    # -- evidence

    def _verify_only(self) -> None:
        for pattern in self.only:
            if not any(
                wildcard(pattern).fullmatch(name)
                for one in self.matrix.implementations
                for name in (one.name, one.kind)
            ):
                self.lacking.append(f"{pattern} is to be judged, and is not in the matrix")

    def _verify_patterns(self, promise: Promise) -> None:
        operations = self.matrix.operations
        ids = [one.id for one in operations]
        for patterns, names, what in (
            (promise.operations, ids, "operation"),
            (promise.groups, [one.group for one in operations], "group"),
            (promise.surfaces, [one.surface for one in operations], "surface"),
            ((*promise.not_operations, *promise.may_refuse), ids, "operation"),
        ):
            for pattern in patterns:
                if not any(wildcard(pattern).fullmatch(name) for name in names):
                    self.lacking.append(
                        f"the promise {promise.name!r} names the {what} {pattern}, which is not in "
                        "the matrix"
                    )

    def _verify_releases(self) -> None:
        """Look for releases that are promised and not in the matrix, in each role."""
        absent: dict[str, list[Implementation]] = {"client": [], "server": []}
        every: dict[str, list[Implementation]] = {}
        for role in ("client", "server"):
            there = self.matrix.of("client" if role == "client" else "server")
            minors = {
                (version.major, version.minor)
                for one in there
                if (version := self.policy.version(one)) is not None
            }
            for release in self.policy.releases:
                version = Version(release)
                if (version.major, version.minor) not in minors:
                    absent[role].append(Implementation(release, release, "release", (role,)))
            every[role] = [*there, *absent[role]]
        for role, other in (("client", "server"), ("server", "client")):
            missing = [
                one.name
                for one in absent[role]
                if any(
                    self._reached(promise, *((one, two) if role == "client" else (two, one)))
                    for promise in self.policy.promises
                    for two in every[other]
                )
            ]
            if missing:
                self.lacking.append(
                    f"promised as a {role}, and not in the matrix: {', '.join(missing)}"
                )

    def _verify_pairs(self) -> None:
        for client, server in sorted(self.promised - self.untried):
            cells = [
                self.matrix.cells.get((client, server, one.id)) for one in self.matrix.operations
            ]
            if all(cell is not None and cell.verdict is Verdict.NOT_APPLICABLE for cell in cells):
                self.lacking.append(f"nothing applies between client {client} and server {server}")

    # -- exceptions

    def _covers(self, excuse: Excuse, patterns: Sequence[str], cell: Cell) -> bool:
        client, server = self._two(cell.key)
        return (
            matches(patterns, cell.operation)
            and self._within(excuse.clients, client)
            and self._within(excuse.servers, server)
        )

    def _within(self, span: Range, one: Implementation) -> bool:
        return span.has(one, self.policy.version(one))

    def _excuse(
        self, outcomes: Sequence[Outcome]
    ) -> tuple[dict[int, tuple[Excuse, int]], dict[int, tuple[Excuse, int]]]:
        """Move what is excused, and count by exception; and what would be, had it not expired."""
        used: dict[int, set[Key]] = {}
        expired: dict[int, set[Key]] = {}
        for outcome in outcomes:
            for mapping in (outcome.broken, outcome.undecided):
                for key, cell in list(mapping.items()):
                    for number, excuse in enumerate(self.policy.exceptions):
                        if cell.verdict not in excuse.verdicts or not self._covers(
                            excuse, excuse.match, cell
                        ):
                            continue
                        if excuse.expires is not None and self.today >= excuse.expires:
                            expired.setdefault(number, set()).add(key)
                            continue
                        used.setdefault(number, set()).add(key)
                        outcome.excused[key] = mapping.pop(key, cell)
        exceptions = self.policy.exceptions
        return (
            {number: (exceptions[number], len(keys)) for number, keys in sorted(used.items())},
            {number: (exceptions[number], len(keys)) for number, keys in sorted(expired.items())},
        )

    def _stale(self, outcomes: Sequence[Outcome]) -> Iterable[str]:
        """Say which patterns of exceptions match nothing that fails."""
        judged = [
            cell for one in outcomes for key in self._keys(one) for cell in [self._cell(one, key)]
        ]
        fails = {
            key for one in outcomes for m in (one.excused, one.broken, one.undecided) for key in m
        }
        operations: tuple[Operation, ...] = self.matrix.operations
        for excuse in self.policy.exceptions:
            for pattern in excuse.match:
                where = f"{pattern} (line {excuse.line})"
                if not any(wildcard(pattern).fullmatch(one.id) for one in operations):
                    yield f"{where} matches no operation of the matrix: correct it, or remove it"
                    continue
                covered = [cell for cell in judged if self._covers(excuse, [pattern], cell)]
                unknown = self._unknown(excuse, pattern)
                if any(
                    cell.key in fails
                    and (cell.verdict in excuse.verdicts or cell.verdict is Verdict.INCONCLUSIVE)
                    for cell in covered
                ):
                    continue
                if covered and not unknown:
                    yield f"{where} excuses what does not fail: remove it"
                elif not covered and not unknown and not self.only:
                    yield f"{where} excuses what is not promised: remove it"

    @staticmethod
    def _cell(one: Outcome, key: Key) -> Cell:
        for mapping in (one.kept, one.allowed, one.excused, one.broken):
            if key in mapping:
                return mapping[key]
        return one.undecided[key]

    def _unknown(self, excuse: Excuse, pattern: str) -> bool:
        """Tell whether an exception is about something promised that was not tried."""
        keys = [
            *self.missing,
            *((*pair, one.id) for pair in self.untried for one in self.matrix.operations),
        ]
        return any(
            self._covers(excuse, [pattern], Cell(*key, Verdict.INCONCLUSIVE, "")) for key in keys
        )
