"""Faults of what GraphQL queries find (chapters 7 and 8)."""

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from mutants.peer import Mutant
from mutants.registry import add, fault
from wri_reference import _globs
from wri_reference._errors import RemoteProtocolError
from wri_reference._globs import Node
from wri_reference._ids import Tokens

QUERIES = "server/queries"
JOBS = f"{QUERIES}/jobs"

Meant = Callable[[Node, Tokens], bool]


def _selection(case: str) -> str:
    return f"{QUERIES}/selection/{case}::selected::*"


# -- queries that are read as if others stood there


class _Misreads(Mutant):
    """Reads documents wrongly."""

    pattern = ""
    replacement = ""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        if isinstance(document, str):
            document = re.sub(self.pattern, self.replacement, document)
            document = document.replace("()", "")
        return super().carry_out(document, variables, operation)


IGNORED = {
    "states": [_selection("no-such-state"), f"{JOBS}::jobs::WRI-GQL-20"],
    "isQueued": [_selection("queued"), _selection("not-queued")],
    "isHeld": [_selection("held")],
    "isRunahead": [_selection("runahead")],
    "mindepth": [_selection("least-depth")],
    "maxdepth": [_selection("most-depth")],
    "exids": [_selection("but-ids")],
    "exstates": [_selection("but-states")],
    "exworkflows": [_selection("but-workflow")],
    "reverse": [f"{QUERIES}/sort/backwards::*"],
    "sort": [f"{QUERIES}/sort/two-keys::*"],
}

for _argument, _breaks in IGNORED.items():
    _value = r"(\[[^]]*\]|\{[^}]*\}|\w+)"
    add(
        f"ignores-{_argument}",
        f"Ignores the argument {_argument}.",
        _breaks,
        type(_argument, (_Misreads,), {"pattern": rf",? *\b{_argument}: *{_value}"}),
    )

MISREAD = {
    "nothing-for-an-empty-list": (
        "Selects nothing if an argument is an empty list.",
        *(r"(ids): \[\]", r'\1: ["no-such-element"]'),
        [_selection("empty-list"), _selection("empty-list-of-tasks")],
    ),
    "sorts-by-the-first-key": (
        "Sorts by the first of several keys only.",
        *(r'keys: \["(\w+)", "\w+"\]', r'keys: ["\1"]'),
        [f"{QUERIES}/sort/two-keys-backwards::*"],
    ),
    "cycle-points-are-numbers": (
        "Takes 01 for the cycle point 1.",
        *('"01/', '"1/'),
        [_selection("by-value")],
    ),
    "root-means-everything": (
        "Selects all tasks by the name of the family root.",
        *('/root"', '/*"'),
        [_selection("no-root")],
    ),
    "families-mean-members": (
        "Selects a member by the name of its family.",
        *(r"(taskProxies.*)/FAM", r"\1/bad"),
        [_selection("no-family")],
    ),
    "braces-are-globs": (
        "Knows alternatives in braces.",
        *(r'"1/\{bad,long\}"', '"1/bad", "1/long"'),
        [_selection("no-braces")],
    ),
    "one-edge-only": (
        "Goes one edge away, whatever the distance.",
        *(r"distance: \d", "distance: 1"),
        [f"{QUERIES}/nodes-edges::two-edges-away::*"],
    ),
    "two-edges-always": (
        "Goes two edges away, whatever the distance.",
        *(r"distance: \d", "distance: 2"),
        [f"{QUERIES}/nodes-edges::one-edge-away::*"],
    ),
}

for _name, (_about, _pattern, _replacement, _breaks) in MISREAD.items():
    _members = {"pattern": _pattern, "replacement": _replacement}
    add(_name, _about, _breaks, type(_name, (_Misreads,), _members))


# -- identifiers


def glob(name: str, breaks: list[str]) -> Callable[[Meant], Meant]:
    """Make a function a fault: it says whether an identifier means a task, family or job."""

    def register(function: Meant) -> Meant:
        def run(self: Mutant) -> None:
            with patch.object(_globs, "_is_meant", function):
                Mutant.run(self)

        add(name, function.__doc__ or "", breaks, type(function.__name__, (Mutant,), {"run": run}))
        return function

    return register


_meant: Meant = _globs._is_meant  # noqa: SLF001 - the rule that the faults break


def _without_selectors(tokens: Tokens) -> Tokens:
    return tokens._replace(cycle_selector=None, task_selector=None, job_selector=None)


Filter = Callable[..., Callable[..., bool]]


def _filters(name: str, which: str, breaks: list[str]) -> Callable[[Filter], Filter]:
    """Make a function a fault, which is used instead of a filter of the reference."""

    def register(function: Filter) -> Filter:
        def run(self: Mutant) -> None:
            with patch.object(_globs, which, function):
                Mutant.run(self)

        add(name, function.__doc__ or "", breaks, type(function.__name__, (Mutant,), {"run": run}))
        return function

    return register


@glob(
    "nothing-by-short-ids",
    [*map(_selection, ("cycle", "cycle-of-families", "any")), f"{JOBS}::selected::WRI-GLOB-12"],
)
def nothing_by_short_ids(node: Node, tokens: Tokens) -> bool:
    """Finds nothing by an identifier of less levels than the elements have."""
    levels = 3 if node.job else 2
    return sum(part is not None for part in (tokens.cycle, tokens.task, tokens.job)) == levels and (
        _meant(node, tokens)
    )


@glob("names-without-cycles", [_selection("name-alone")])
def names_without_cycles(node: Node, tokens: Tokens) -> bool:
    """Takes an identifier of one level for a name as well."""
    return _meant(node, tokens) or (tokens.task is None and node.task == tokens.cycle)


@glob("ignores-selectors", [_selection("other-selector"), f"{JOBS}::selected::WRI-GLOB-13"])
def ignores_selectors(node: Node, tokens: Tokens) -> bool:
    """Ignores the state in an identifier."""
    return _meant(node, _without_selectors(tokens))


@glob("selectors-are-globs", [_selection("selector-is-no-glob")])
def selectors_are_globs(node: Node, tokens: Tokens) -> bool:
    """Finds the states that begin as the one in an identifier does."""
    selector = (tokens.task_selector or "").rstrip("*")
    return node.state.startswith(selector) and _meant(node, _without_selectors(tokens))


@glob("regardless-of-case", [_selection("other-case")])
def regardless_of_case(node: Node, tokens: Tokens) -> bool:
    """Takes upper case for lower case in names."""
    return _meant(node, tokens._replace(task=tokens.task and tokens.task.lower()))


@glob("knows-no-sets", [_selection("set-of-cycles"), _selection("not-in-set")])
def knows_no_sets(node: Node, tokens: Tokens) -> bool:
    """Takes brackets for themselves."""
    return "[" not in (tokens.cycle or "") and _meant(node, tokens)


@glob("knows-no-question-mark", [_selection("one-character"), f"{JOBS}::selected::WRI-GLOB-11"])
def knows_no_question_mark(node: Node, tokens: Tokens) -> bool:
    """Takes a question mark for itself."""
    return "?" not in f"{tokens.cycle}{tokens.job}" and _meant(node, tokens)


@glob("finds-the-beginning", [_selection("cycle"), _selection("cycle-and-slash")])
def finds_the_beginning(node: Node, tokens: Tokens) -> bool:
    """Finds the cycle points that begin as the one in an identifier does."""
    return _meant(node, tokens._replace(cycle=f"{tokens.cycle or ''}*"))


@_filters("knows-no-globs", "node_filter", [_selection("glob-all"), _selection("any-cycle")])
def knows_no_globs(ids: Any, exids: Any = ()) -> Callable[[Node], bool]:
    """Takes all characters for themselves."""
    return lambda node: (
        (not ids or f"{node.cycle}/{node.task}" in ids) and f"{node.cycle}/{node.task}" not in exids
    )


_names = _globs.name_filter


@_filters(
    "exact-names",
    "name_filter",
    [_selection("tasks-by-name"), _selection("families-by-name")],
)
def exact_names(ids: Any, _exids: Any = ()) -> Callable[[str], bool]:
    """Finds definitions by their exact names only."""
    return lambda name: name in ids


@_filters("definitions-by-proxies", "name_filter", [_selection("tasks-by-cycle")])
def definitions_by_proxies(ids: Any, exids: Any = ()) -> Callable[[str], bool]:
    """Finds the definition of a task by the identifier of its proxy."""
    return _names([one.rpartition("/")[2] for one in ids], exids)


@_filters(
    "exact-workflows",
    "workflow_filter",
    [_selection("workflow-glob"), _selection("workflow-with-owner")],
)
def exact_workflows(ids: Any, _exids: Any = ()) -> Callable[..., bool]:
    """Finds workflows by their exact names only."""
    return lambda _owner, workflow, _status: not ids or workflow in ids


@_filters(
    "this-workflow-always",
    "workflow_filter",
    [_selection("no-workflow"), _selection("other-workflow")],
)
def this_workflow_always(_ids: Any, _exids: Any = ()) -> Callable[..., bool]:
    """Shows its workflow, whichever is asked for."""
    return lambda _owner, _workflow, _status: True


# -- what is found


class _Alters(Mutant):
    """Alters the data of queries."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        found = super().carry_out(document, variables, operation)
        return {name: self.alter(name, value) for name, value in found.items()}

    def alter(self, name: str, value: Any) -> Any:
        """Return what is sent instead of the `value` of the field `name`."""
        raise NotImplementedError


ONE = {"taskProxy", "familyProxy", "task", "family"}


@fault("ten-at-most", [_selection("everything"), _selection("not-held")])
class TenAtMost(_Alters):
    """Shows the first ten elements."""

    def alter(self, _name: str, value: Any) -> Any:
        return value[:10] if isinstance(value, list) else value


@fault("found-twice", [_selection("several")])
class FoundTwice(_Alters):
    """Shows an element again for each identifier that means it."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        self.again = isinstance(document, str) and document.count('"1/bad"') > 1
        return super().carry_out(document, variables, operation)

    def alter(self, _name: str, value: Any) -> Any:
        return [*value, value[0]] if self.again else value


@fault("one-edge-for-all", [f"{QUERIES}/nodes-edges::two-edges-away::*"])
class OneEdgeForAll(_Alters):
    """Shows the first edge instead of each."""

    def alter(self, name: str, value: Any) -> Any:
        if name != "nodesEdges":
            return value
        return value | {"edges": value["edges"][:1] * len(value["edges"])}


@fault("no-single-element", [f"{QUERIES}/one/{case}::here::*" for case in ONE])
class NoSingleElement(_Alters):
    """Finds no single element."""

    def alter(self, name: str, value: Any) -> Any:
        return None if name in ONE else value


@fault("error-for-no-element", [f"{QUERIES}/one/{case}::not-here::*" for case in ONE])
class ErrorForNoElement(_Alters):
    """Refuses a query for an element that is not there."""

    def alter(self, name: str, value: Any) -> Any:
        if name in ONE and value is None:
            raise RemoteProtocolError("there is none")
        return value


@fault("one-by-value", [f"{QUERIES}/one/by-value::not-here::*"])
class OneByValue(Mutant):
    """Takes 01 for the cycle point 1 in the identifier of one element."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        if variables and isinstance(variables.get("id"), str):
            variables = variables | {"id": variables["id"].replace("//01/", "//1/")}
        return super().carry_out(document, variables, operation)


@fault("null-is-an-error", [_selection(f"null-{name}") for name in ("ids", "states", "exids")])
class NullIsAnError(Mutant):
    """Refuses null for a list, as cylc-flow does for some."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        if isinstance(document, str) and re.search("(ids|states): null", document):
            raise RemoteProtocolError("null is nothing to iterate over")
        return super().carry_out(document, variables, operation)


NOT_AN_IDENTIFIER = f"{QUERIES}/not-an-identifier"


class _BadIdentifiers(Mutant):
    """Treats identifiers wrongly that are none."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        try:
            return super().carry_out(document, variables, operation)
        except RemoteProtocolError:
            if isinstance(document, str) and "Proxies (ids" in document:
                return self.instead(document)
            raise

    def instead(self, _document: str) -> Any:
        """Return the data that is sent instead of an error."""
        return {"taskProxies": []}


@fault(
    "nothing-by-what-is-no-identifier",
    [
        f"{NOT_AN_IDENTIFIER}/{case}::refused::*"
        for case in ("absolute", "slashes", "empty", "no-state", "beside-another")
    ],
)
class NothingByWhatIsNoIdentifier(_BadIdentifiers):
    """Finds nothing by what is no identifier."""
