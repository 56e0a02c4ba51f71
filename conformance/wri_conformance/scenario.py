"""Scenarios as values: loading, expansion over a matrix, and the checks that they declare."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import field, frozen

from wri.data import root
from wri_conformance import documents, expect, queries, schemas
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import Specification
from wri_conformance.specification import load as load_specification

ACTIONS = (
    "connect",
    "request",
    "send",
    "receive",
    "tcp",
    "control",
    "observe",
    "alive",
    "describe",
    "load",
    "flood",
    "put",
    "wait",
    "close",
    "graphql",
    "collect",
    "replay",
    "same",
    "inspect",
    "introspect",
    "ask",
    "script",
    "truth",
    "publish",
    "listen",
    "finish",
)
_ADAPTED = frozenset({"ask", "script", "truth", "publish", "listen", "finish"})
_BOTH = frozenset({"control", "observe", "put", "wait"})


@frozen
class Check:
    """One requirement, checked by one step of one scenario: the unit of every verdict."""

    scenario: str
    step: str
    requirement: str

    @property
    def id(self) -> str:
        """`scenario::step::requirement`, the same whatever the verdict."""
        return f"{self.scenario}::{self.step}::{self.requirement}"


@frozen
class Step:
    """One action of a scenario; `spec` is its YAML mapping with all variables replaced."""

    number: int
    action: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name that its checks carry, or what it is and where it stands."""
        return str(self.spec.get("step", f"{self.action}-{self.number}"))

    @property
    def peer(self) -> str:
        """The connection that it uses."""
        return str(self.spec.get("peer", "main"))

    @property
    def expectations(self) -> Mapping[str, Any]:
        """By requirement, the schema for what was observed."""
        return dict(self.spec.get("expect", {}))

    @property
    def message(self) -> Mapping[str, Any]:
        """By requirement, the schema for the message around the body."""
        return dict(self.spec.get("message", {}))


@frozen(slots=False)
class Scenario:
    """One case, ready to be played."""

    id: str
    title: str
    about: str
    role: str
    needs: tuple[str, ...]
    fixture: str
    workflow: str
    state: str
    server: str
    steps: tuple[Step, ...]
    path: Path = field(repr=False)

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """All that the scenario promises to decide, in order."""
        return tuple(
            Check(self.id, step.name, requirement)
            for step in self.steps
            for requirement in (*step.expectations, *step.message)
        )


def directory() -> Path:
    """Return the directory of the suite's own scenarios."""
    return root() / "conformance" / "scenarios"


def load_all(
    base: Path | None = None, specification: Specification | None = None
) -> tuple[Scenario, ...]:
    """Return every scenario below `base`, sorted by path, matrices expanded.

    Raises:
        Mistake: a file cannot be used; the first one is told.
    """
    base = base or directory()
    specification = specification or load_specification()
    return tuple(
        scenario
        for path in sorted(base.rglob("*.yaml"))
        for scenario in load(path, base, specification)
    )


def load(path: Path, base: Path, specification: Specification) -> Iterator[Scenario]:
    """Yield the scenarios of one file.

    Raises:
        Mistake: the file is not valid against `scenario.json`, cites a requirement or a
            capability that does not exist, or contradicts itself.
    """
    document = documents.read(path, "scenario.json")
    base_id = path.relative_to(base).with_suffix("").as_posix()
    _verify(document, path, specification)
    cases: Mapping[str, Any] = document.get("matrix") or {"": {}}
    for case, variables in cases.items():
        try:
            steps = expect.substitute(document["steps"], variables)
            _verify_substituted(path, document["steps"], steps, case)
            _verify_roles(path, steps, document["role"])
            _verify_steps(path, steps, _server(document), specification)
            title = expect.substitute(document["title"], variables)
        except KeyError as error:
            raise _mistake(
                path,
                f"the case {case or base_id!r} has no variable {error}",
                "define it in the matrix, for each case",
                ["matrix", case],
            ) from None
        yield Scenario(
            id=f"{base_id}/{case}" if case else base_id,
            title=title,
            about=document.get("about", ""),
            role=document["role"],
            needs=tuple(document["needs"]),
            fixture=document.get("fixture", "basic"),
            workflow=document.get("workflow", "main"),
            state=document.get("state", "paused"),
            server=_server(document),
            steps=tuple(
                Step(number, _action(step), step) for number, step in enumerate(steps, start=1)
            ),
            path=path,
        )


def _action(step: Mapping[str, Any]) -> str:
    return next(action for action in ACTIONS if action in step)


def _mistake(path: Path, message: str, fix: str, place: list[str | int]) -> Mistake:
    line = documents.line_of(path.read_text(encoding="utf-8"), place)
    return Mistake(message, fix, path, line)


def _verify(document: Mapping[str, Any], path: Path, specification: Specification) -> None:
    for capability in document["needs"]:
        if capability not in specification.capabilities:
            known = ", ".join(specification.capabilities)
            raise _mistake(
                path, f"there is no capability {capability!r}", f"use one of {known}", ["needs"]
            )
    fixture = document.get("fixture", "basic")
    if not (root() / "conformance" / "fixtures" / fixture).is_dir():
        raise _mistake(
            path, f"there is no fixture {fixture!r}", "see conformance/fixtures", ["fixture"]
        )


def _server(document: Mapping[str, Any]) -> str:
    default = "shared" if document["role"] in {"server", "publisher"} else "own"
    return str(document.get("server", default))


def _verify_roles(path: Path, steps: list[Any], role: str) -> None:
    adapted = role in {"client", "subscriber"}
    for number, step in enumerate(steps):
        action = _action(step)
        if action not in _BOTH and (action in _ADAPTED) != adapted:
            kind = _ADAPTED if adapted else set(ACTIONS) - _ADAPTED
            raise _mistake(
                path,
                f"{action} is no step of a scenario for a {role}",
                f"use one of {', '.join(name for name in ACTIONS if name in kind | _BOTH)}",
                ["steps", number],
            )
        if "upon" in step and not adapted:
            raise _mistake(
                path,
                f"nobody tells when a request has come to a {role}",
                "leave out upon:",
                ["steps", number, "upon"],
            )


def _verify_steps(path: Path, steps: list[Any], server: str, specification: Specification) -> None:
    saved = {"run": "value"}
    subscribers: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for number, step in enumerate(steps):
        place: list[str | int] = ["steps", number]
        _verify_expectations(path, step, place, seen, specification)
        _verify_query(path, step, place)
        _verify_messages(path, step, place)
        if server == "shared" and _disturbs(step):
            raise _mistake(
                path,
                "the step acts on a server that other scenarios share",
                "add server: own",
                place,
            )
        _verify_names(path, step, place, saved)
        peer = step.get("peer", "main")
        if isinstance(step.get("connect"), Mapping) and step["connect"].get("socket") == "SUB":
            subscribers.add(peer)
        if "collect" in step and peer not in subscribers:
            raise _mistake(
                path,
                f"{peer} is no subscriber before this step",
                "connect: it with socket: SUB in an earlier step",
                place,
            )
        if "save" in step:
            saved[step["save"]] = _kind(step)
    if not seen:
        raise _mistake(path, "the scenario checks nothing", "add expect: to a step", ["steps"])


def _disturbs(step: Mapping[str, Any]) -> bool:
    """Tell whether a step changes a server, so that it must not be a shared one."""
    if "graphql" in step and queries.read(step["graphql"]["query"]).mutates:
        return True
    return bool({"control", "put", "flood"} & set(step)) or "run" in step


def _kind(step: Mapping[str, Any]) -> str:
    if step.get("decode") == "PbEntireWorkflow":
        return "snapshot"
    return "stream" if "collect" in step else "value"


def _verify_expectations(
    path: Path,
    step: Mapping[str, Any],
    place: list[str | int],
    seen: set[tuple[str, str]],
    specification: Specification,
) -> None:
    for kind in ("expect", "message"):
        for requirement, schema in step.get(kind, {}).items():
            _verify_expectation(
                path, requirement, schema, [*place, kind, requirement], specification
            )
            if (step["step"], requirement) in seen:
                raise _mistake(
                    path,
                    f"{step['step']}::{requirement} is declared twice",
                    "give the steps different names",
                    place,
                )
            seen.add((step["step"], requirement))
    for message in expect.lint(step.get("require", True))[:1]:
        raise _mistake(path, message, "see JSON Schema 2020-12", [*place, "require"])


def _verify_query(path: Path, step: Mapping[str, Any], place: list[str | int]) -> None:
    if "graphql" not in step:
        return
    here = [*place, "graphql"]
    try:
        query = queries.read(step["graphql"]["query"])
    except ValueError as error:
        raise _mistake(
            path, str(error), "correct the query; send a wrong one with request:", [*here, "query"]
        ) from None
    unknown = step["graphql"].get("variables", {}).keys() - query.variables
    if unknown:
        raise _mistake(
            path,
            f"the query declares no variable ${min(unknown)}",
            "declare it after the name of the operation, or leave it out",
            [*here, "variables"],
        )


def _verify_messages(path: Path, step: Mapping[str, Any], place: list[str | int]) -> None:
    """Verify that what stands for messages of the data store can be made into them."""
    if not {"truth", "publish", "reply", "script"} & set(step):
        return
    from wri_conformance import truth  # noqa: PLC0415 - a tenth of a second that few need

    try:
        for kind, value in truth.messages_in(step):
            truth.message(kind, value)
    except ValueError as error:
        raise _mistake(path, str(error), "see proto/wri_proto/v1/data_store.proto", place) from None


def referred(step: Mapping[str, Any]) -> set[str]:
    """Return the names of the saved values that a step looks into."""
    same = step.get("same", {})
    sides = {same[side].split("/")[0] for side in ("left", "right") if side in same}
    return expect.references(step) | sides


def _verify_names(
    path: Path, step: Mapping[str, Any], place: list[str | int], saved: Mapping[str, str]
) -> None:
    """Verify that all that a step refers to was saved before it, and is of the right kind."""
    unknown = referred(step) - saved.keys()
    if unknown:
        raise _mistake(
            path,
            f"nothing is saved as {', '.join(sorted(unknown))} before this step",
            "add save: NAME to an earlier step",
            place,
        )
    replay = step.get("replay", {})
    snapshot = ("snapshot", "decode: PbEntireWorkflow and save: NAME")
    for names, (kind, how), where in (
        (replay.get("snapshot"), snapshot, ["replay", "snapshot"]),
        (replay.get("stream"), ("stream", "collect: and save: NAME"), ["replay", "stream"]),
        (replay.get("until"), snapshot, ["replay", "until"]),
        (step.get("inspect"), snapshot, ["inspect"]),
    ):
        for name in [names] if isinstance(names, str) else names or []:
            if saved.get(name) != kind:
                raise _mistake(
                    path,
                    f"no {kind} is saved as {name} before this step",
                    f"add a step with {how} before it",
                    [*place, *where],
                )


def _verify_substituted(path: Path, before: list[Any], after: list[Any], case: str) -> None:
    """The schema was applied to the variables' names; it holds for their values as well."""
    for number, (template, step) in enumerate(zip(before, after, strict=True)):
        if step == template:
            continue
        errors = schemas.problems("scenario.json#/$defs/step", step)
        if errors:
            raise _mistake(
                path,
                f"with the variables of the case {case!r}: {schemas.explain(errors)}",
                "correct the matrix, or the step that uses it",
                ["steps", number],
            )


def _verify_expectation(
    path: Path, requirement: str, schema: Any, place: list[str | int], spec: Specification
) -> None:
    if requirement not in spec.requirements:
        raise _mistake(path, f"there is no requirement {requirement}", "see `wri explain`", place)
    for message in expect.lint(schema)[:1]:
        raise _mistake(path, message, "see JSON Schema 2020-12", place)
