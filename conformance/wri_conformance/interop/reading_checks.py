"""Whether what a client hands on is what the scheduler has. Pure."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from wri_conformance.decode import MESSAGES
from wri_conformance.interop.operations import Answer, Check, Truth
from wri_conformance.interop.state import of_snapshot, relative

ENDPOINTS: Final = ("api", "graphql", "pb_data_elements", "pb_entire_workflow")
_SHOWN: Final = 3  # things that are named


def _lacks(what: str, names: Iterable[str]) -> str:
    missing = sorted(names)
    if not missing:
        return ""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return f"{what}: {', '.join(missing[:_SHOWN])}{more}"


def endpoints(answer: Answer, _: Truth) -> str:
    """Check the list of `api`, as data or as text."""
    data = answer.data if answer.data is not None else _json(answer.text)
    if not isinstance(data, list):
        return "it is no list of endpoints"
    return _lacks("the list lacks", set(ENDPOINTS) - set(map(str, data)))


def described(answer: Answer, _: Truth) -> str:
    """Check the description of an endpoint."""
    return "" if isinstance(answer.data, str) and "No method" not in answer.data else "none came"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _root(data: Any, root: str) -> Any:
    return data.get(root) if isinstance(data, dict) else None


def elements(root: str, source: str) -> Check:
    """Return a check that a list of elements, or one, has the ids and values of the snapshot.

    `source` is the field of the snapshot. Compared are id, state, status, name and isHeld, where
    they were asked for.
    """

    def check(answer: Answer, truth: Truth) -> str:
        found = _root(answer.data, root)
        if isinstance(found, dict):
            found = [found]
            single = True
        else:
            single = False
        if not isinstance(found, list):
            return f"it has no {root}"
        held = getattr(truth.snapshot, source)
        wanted = {one.id: one for one in ([held] if source == "workflow" else held)}
        got = {str(one.get("id")): one for one in found if isinstance(one, dict)}
        if not single and (wrong := _lacks(f"{root} lacks", wanted.keys() - got.keys())):
            return wrong
        if not got or (
            wrong := _lacks(f"{root} has what there is not", got.keys() - wanted.keys())
        ):
            return wrong or f"{root} is empty"
        for id_, one in got.items():
            for key, attribute in (
                ("state", "state"),
                ("status", "status"),
                ("name", "name"),
                ("isHeld", "is_held"),
            ):
                if key in one and one[key] != getattr(wanted[id_], attribute):
                    return (
                        f"{key} of {id_} is {one[key]!r}, not {getattr(wanted[id_], attribute)!r}"
                    )
        return ""

    return check


def nodes_and_edges(answer: Answer, truth: Truth) -> str:
    """Check nodesEdges."""
    found = _root(answer.data, "nodesEdges")
    if not isinstance(found, dict):
        return "it has no nodesEdges"
    nodes = {one["id"] for one in found.get("nodes") or []}
    edges = {one["id"] for one in found.get("edges") or []}
    return _lacks("nodes lack", {one.id for one in truth.snapshot.task_proxies} - nodes) or _lacks(
        "edges lack", {one.id for one in truth.snapshot.edges} - edges
    )


def _message(name: str, answer: Answer) -> Any:
    if answer.body is None:
        return "it is no protobuf"
    if not answer.parsed:
        return "the client's own messages find nothing in it"
    message = MESSAGES[name]()
    try:
        # What the client's messages understood, written by them again.
        message.ParseFromString(answer.body if answer.again is None else answer.again)
    except DecodeError:
        return f"it is no {name}"
    return message


def snapshot(answer: Answer, truth: Truth) -> str:
    """Check the bytes of pb_entire_workflow, as the client's own messages understand them."""
    message = _message("PbEntireWorkflow", answer)
    if isinstance(message, str):
        return message
    mine, theirs = of_snapshot(message), of_snapshot(truth.snapshot)
    differs = [name for name in theirs if mine.get(name) != theirs[name]]
    return _lacks("it differs from what the suite got in", differs)


def element_type(name: str, message_name: str, source: str) -> Check:
    """Return a check of the bytes of pb_data_elements of a type."""

    def check(answer: Answer, truth: Truth) -> str:
        message = _message(message_name, answer)
        if isinstance(message, str):
            return message
        held = getattr(truth.snapshot, source)
        if source == "workflow":
            same = message.added.id == held.id and message.added.status == held.status
            return "" if same else f"{name} is of another workflow or status"
        got = {one.id for one in message.added}
        return _lacks(f"{name} lacks", {one.id for one in held} - got)

    return check


def snapshot_json(answer: Answer, truth: Truth) -> str:
    """Check what the command line prints of pb_entire_workflow."""
    data = _json(answer.text)
    if data is None:
        return "it prints no JSON"
    message: Any = MESSAGES["PbEntireWorkflow"]()
    try:
        json_format.ParseDict(data, message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        return f"it prints something else: {error}"
    got = {one.id: one.state for one in message.task_proxies}
    wanted = {one.id: one.state for one in truth.snapshot.task_proxies}
    return _lacks(
        "task proxies lack or misstate", {i for i, s in wanted.items() if got.get(i) != s}
    )


def proxies_json(answer: Answer, truth: Truth) -> str:
    """Check what the command line prints of a query for task proxies."""
    data = _json(answer.text)
    if isinstance(data, list):  # what is printed of several workflows
        data = data[0] if data else None
    return elements("taskProxies", "task_proxies")(Answer(data=data), truth)


def mentions(*texts: str) -> Check:
    """Return a check that a text has all of some; `{version}`, `{w}` and `{id}` are filled in."""

    def check(answer: Answer, truth: Truth) -> str:
        words = [
            one.format(version=truth.version, w=truth.place.workflow, id=truth.place.id)
            for one in texts
        ]
        return _lacks("the output lacks", {word for word in words if word not in answer.text})

    return check


def title(answer: Answer, truth: Truth) -> str:
    """Check that the title of the workflow is printed."""
    return mentions(truth.snapshot.workflow.meta.title or "title")(answer, truth)


def active(truth: Truth) -> dict[str, str]:
    """Return the states of the tasks that are active, by cycle/name, as far as that is visible."""
    by_database = {n.removesuffix(" pool") for n in truth.facts if n.endswith(" pool")}
    return {
        relative(one.id): one.state
        for one in truth.snapshot.task_proxies
        if (relative(one.id) in by_database)
        or (not by_database and one.HasField("graph_depth") and one.graph_depth == 0)
    }


def tasks_with_states(answer: Answer, truth: Truth) -> str:
    """Check that each active task stands in a line with its state."""
    lines = answer.text.splitlines()
    missing = []
    for name, state in active(truth).items():
        cycle, _, task = name.partition("/")
        forms = (rf"\b{cycle}/{task}:{state}\b", rf"^{task}, {cycle}, {state}\b")
        if not any(re.search(form, line) for form in forms for line in lines):
            missing.append(f"{name} {state}")
    return _lacks("the output lacks", missing)


def tasks_on_screen(answer: Answer, truth: Truth) -> str:
    """Check that a full-screen program shows the workflow and its active tasks."""
    text = answer.text
    if truth.place.workflow not in text:
        return "the workflow is not on the screen"
    names = {name.partition("/")[2] for name in active(truth)}
    return _lacks("the screen lacks", {name for name in names if name not in text})


def show_json(name: str, *labels: str) -> Check:
    """Return a check of `cylc show --json` of a task: its outputs."""

    def check(answer: Answer, truth: Truth) -> str:
        if _json(answer.text) is None:
            return "it prints no JSON"
        return mentions(name, *labels)(answer, truth)

    return check


def published(answer: Answer, truth: Truth) -> str:
    """Check that a publication was printed."""
    return "" if truth.place.workflow in answer.text else "no publication was printed"
