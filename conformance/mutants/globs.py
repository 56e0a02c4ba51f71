"""Faults of what the `tasks` of a command select (section 8.3).

Only `hold` selects wrongly: all scenarios release what they held, correctly, before they go on.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from mutants.commands import scheduler
from wri_reference import RemoteProtocolError, _globs
from wri_reference._globs import ActiveTask
from wri_reference._ids import Tokens
from wri_reference._pool import STATES, Node
from wri_reference._scheduler import Scheduler

GLOBS = "server/globs"
FEW = "WRI-GLOB-8"  # which every step has: it asks for all that is active, and for no more

_active = _globs._active  # noqa: SLF001 - what is replaced
_value = _globs._value  # noqa: SLF001
_match_active = _globs.match_active


def steps(scenario: str, requirement: str, *names: str) -> list[str]:
    """Return the checks of a requirement, and of GLOB-8, in the steps of a scenario."""
    return [
        f"{GLOBS}/{scenario}::{name}::WRI-{one}" for name in names for one in (requirement, FEW[4:])
    ]


def matching(name: str, target: str, breaks: list[str]) -> Callable[[Any], Any]:
    """Make a function a fault, which replaces one of `_globs` while `hold` is carried out."""

    def register(function: Any) -> Any:
        def hold(self: Scheduler, tasks: Sequence[Any]) -> None:
            Scheduler.hold(self, tasks)
            right = self._commands.pop()

            def wrong(now: float) -> None:
                with patch.object(_globs, target, function):
                    right(now)

            self._commands.append(wrong)

        members = {"hold": hold, "__doc__": function.__doc__}
        scheduler(name, breaks)(type(function.__name__, (Scheduler,), members))
        return function

    return register


# -- globs


@matching(
    "star-is-one-character",
    "fnmatchcase",
    [
        *steps("names", "GLOB-1", "all", "any-cycle", "one-character", "beginning-of-cycle"),
        *steps("cycles", "GLOB-2", "all", "star"),
    ],
)
def star_is_one_character(text: str, glob: str) -> bool:
    """Takes `*` for one character."""
    return fnmatchcase(text, glob if text in STATES else glob.replace("*", "?"))


@matching(
    "question-mark-is-any-text", "fnmatchcase", steps("names", "GLOB-1", "one-character", "inside")
)
def question_mark_is_any_text(text: str, glob: str) -> bool:
    """Takes `?` for any characters."""
    return fnmatchcase(text, glob.replace("?", "*"))


@matching("no-sets", "fnmatchcase", steps("names", "GLOB-1", "set", "range", "not-in-set"))
def no_sets(text: str, glob: str) -> bool:
    """Takes brackets for themselves."""
    return fnmatchcase(text, glob.replace("[", "[[]"))


@matching("sets-are-never-negated", "fnmatchcase", steps("names", "GLOB-1", "not-in-set"))
def sets_are_never_negated(text: str, glob: str) -> bool:
    """Takes the `!` of a set for a character of it."""
    return fnmatchcase(text, glob.replace("[!", "[0!"))


@matching(
    "globs-without-case",
    "fnmatchcase",
    [*steps("names", "GLOB-1", "other-case"), *steps("families", "GLOB-3", "other-case")],
)
def globs_without_case(text: str, glob: str) -> bool:
    """Makes no difference between upper and lower case."""
    return fnmatchcase(text.lower(), glob.lower())


@matching("globs-with-braces", "fnmatchcase", steps("names", "GLOB-1", "no-braces"))
def globs_with_braces(text: str, glob: str) -> bool:
    """Takes braces for a choice."""
    if glob.startswith("{"):
        return text in glob.strip("{}").split(",")
    return fnmatchcase(text, glob)


@matching("beginning-is-enough", "_at", steps("names", "GLOB-1", "one"))
def beginning_is_enough(point: str, text: str) -> bool:
    """Selects a cycle point that begins as the one that is meant."""
    return point.startswith(text) or fnmatchcase(point, text)


# -- cycle points


@matching(
    "points-are-texts",
    "same_point",
    [
        *steps("cycles", "GLOB-5", "value", "value-of-a-cycle"),
        *steps("families", "GLOB-5", "value"),
        f"{GLOBS}/families::value::WRI-GLOB-3",
        f"{GLOBS}/dates/without-minutes::held::WRI-GLOB-5",
    ],
)
def points_are_texts(point: str, text: str) -> bool:
    """Compares cycle points as texts."""
    return point == text


@matching("dates-have-no-zone", "_value", [f"{GLOBS}/dates/other-zone::held::WRI-GLOB-5"])
def dates_have_no_zone(point: str, text: str) -> int | datetime | None:
    """Ignores the time zone of a date."""
    return _value(point, text.partition("+")[0])


@matching(
    "nothing-without-a-task",
    "_active",
    [
        *steps("cycles", "GLOB-2", "all", "cycle", "slash", "set"),
        f"{GLOBS}/cycles::slash::WRI-ID-9",
        *steps("cycles", "GLOB-5", "value-of-a-cycle"),
    ],
)
def nothing_without_a_task(tokens: Tokens, pool: Sequence[ActiveTask]) -> list[int]:
    """Selects nothing by a cycle point alone."""
    return [] if tokens.task is None else _active(tokens, pool)


# -- families


@matching(
    "members-of-members-are-none",
    "_is_named",
    [
        *steps("families", "GLOB-3", "nested", "glob", "value"),
        f"{GLOBS}/families::value::WRI-GLOB-5",
    ],
)
def members_of_members_are_none(task: ActiveTask, glob: str) -> bool:
    """Takes only those for members of a family that it has itself."""
    families = tuple(task.families)
    return any(fnmatchcase(name, glob) for name in (task.name, "root", families[-1]))


@matching("root-is-unknown", "_is_named", steps("families", "GLOB-4", "root", "root-of-a-cycle"))
def root_is_unknown(task: ActiveTask, glob: str) -> bool:
    """Does not know the family of all."""
    families = set(task.families) - {"root"}
    return any(fnmatchcase(name, glob) for name in (task.name, *families))


@matching(
    "families-at-one-point",
    "_active",
    [
        *steps("families", "GLOB-3", "inner", "glob"),
        *steps("families", "GLOB-4", "root"),
    ],
)
def families_at_one_point(tokens: Tokens, pool: Sequence[ActiveTask]) -> list[int]:
    """Selects families at one cycle point only."""
    found = _active(tokens, pool)
    if tokens.cycle != "*":
        return found
    return [index for index in found if fnmatchcase(pool[index].name, tokens.task or "*")]


# -- selectors


@matching(
    "selectors-select-nothing",
    "_active",
    [
        *steps("states", "GLOB-6", "failed", "one", "running", "waiting", "of-a-cycle", "family"),
        f"{GLOBS}/states::of-a-cycle::WRI-GLOB-3",
        f"{GLOBS}/states::family::WRI-GLOB-3",
    ],
)
def selectors_select_nothing(tokens: Tokens, pool: Sequence[ActiveTask]) -> list[int]:
    """Selects nothing by a state."""
    return [] if tokens.task_selector else _active(tokens, pool)


@matching(
    "selectors-are-ignored",
    "_active",
    [
        *steps("states", "GLOB-6", "running", "of-a-cycle", "family", "other-state"),
        f"{GLOBS}/states::of-a-cycle::WRI-GLOB-3",
        f"{GLOBS}/states::family::WRI-GLOB-3",
    ],
)
def selectors_are_ignored(tokens: Tokens, pool: Sequence[ActiveTask]) -> list[int]:
    """Selects whatever the state."""
    return _active(tokens._replace(task_selector=None), pool)


# -- lists, and what is not active

Matched = tuple[list[Node], list[Tokens]]


@matching(
    "looks-at-the-first-item",
    "match_active",
    [
        *steps("lists", "GLOB-9", "several", "overlap"),
        *steps("lists", "GLOB-10", "nothing-in-it"),
    ],
)
def looks_at_the_first_item(ids: Sequence[Tokens], pool: Sequence[Node]) -> Matched:
    """Selects what the first item selects."""
    return _match_active(ids[:1], pool)


@matching("every-second-time", "match_active", steps("lists", "GLOB-9", "overlap"))
def every_second_time(ids: Sequence[Tokens], pool: Sequence[Node]) -> Matched:
    """Does not select what two items select."""
    found = [_match_active([tokens], pool)[0] for tokens in ids]
    return [node for node in pool if sum(node in nodes for nodes in found) == 1], []


@matching(
    "stops-where-nothing-is",
    "match_active",
    [
        *steps("lists", "GLOB-10", "nothing-in-it"),
        *steps("cycles", "GLOB-10", "no-such-cycle"),
    ],
)
def stops_where_nothing_is(ids: Sequence[Tokens], pool: Sequence[Node]) -> Matched:
    """Selects nothing by the items after one that selects nothing."""
    for place, tokens in enumerate(ids):
        if not _match_active([tokens], pool)[0]:
            return _match_active(ids[:place], pool)
    return _match_active(ids, pool)


@matching("knows-active-tasks-only", "exact", [f"{GLOBS}/inactive::*"])
def knows_active_tasks_only(_tokens: Tokens) -> None:
    """Selects active tasks only."""


@scheduler(
    "holds-what-follows",
    [
        f"{GLOBS}/lists::several::{FEW}",
        f"{GLOBS}/lists::overlap::{FEW}",
        f"{GLOBS}/lists::nothing-in-it::{FEW}",
    ],
)
class HoldsWhatFollows(Scheduler):
    """Holds what follows on a task as well."""

    def hold(self, tasks: Sequence[Any]) -> None:
        super().hold(tasks)
        super().hold(["1/late"])


@scheduler(
    "forgets-slashed-items",
    [
        *steps("cycles", "GLOB-2", "slash"),
        f"{GLOBS}/cycles::slash::WRI-ID-9",
        *steps("cycles", "ID-9", "slash-behind-the-task"),
    ],
)
class ForgetsSlashedItems(Scheduler):
    """Selects nothing by an item with a slash at its end."""

    def hold(self, tasks: Sequence[Any]) -> None:
        if known := [task for task in tasks if not str(task).endswith("/")]:
            super().hold(known)


# -- refused


def _good(tasks: Sequence[Any]) -> Collection[Any]:
    good = []
    for task in tasks:
        try:
            _globs.parse_tasks([task])
        except RemoteProtocolError:
            continue
        good.append(task)
    return good


@scheduler("accepts-no-tasks", [f"{GLOBS}/refused/empty-list::refused::WRI-ID-8"])
class AcceptsNoTasks(Scheduler):
    """Accepts a command for no tasks."""

    def hold(self, tasks: Sequence[Any]) -> None:
        if tasks:
            super().hold(tasks)


@scheduler(
    "accepts-the-good-ones",
    [
        f"{GLOBS}/refused/{case}::{check}"
        for case in ("absolute", "job")
        for check in ("refused::WRI-ID-7", "only-the-later::WRI-CTL-8")
    ],
)
class AcceptsTheGoodOnes(Scheduler):
    """Ignores the items that are none."""

    def hold(self, tasks: Sequence[Any]) -> None:
        super().hold(list(_good(tasks)))


@scheduler("refuses-and-holds", [f"{GLOBS}/refused/empty-text::only-the-later::WRI-CTL-8"])
class RefusesAndHolds(Scheduler):
    """Refuses a list, and does what can be done of it."""

    def hold(self, tasks: Sequence[Any]) -> None:
        super().hold(list(_good(tasks)))
        super().hold(tasks)


@scheduler("refuses-without-a-word", [f"{GLOBS}/refused/slashes::refused::WRI-CTL-6"])
class RefusesWithoutAWord(Scheduler):
    """Does not say why it refuses something."""

    def hold(self, tasks: Sequence[Any]) -> None:
        try:
            super().hold(tasks)
        except RemoteProtocolError:
            raise RemoteProtocolError(" ") from None
