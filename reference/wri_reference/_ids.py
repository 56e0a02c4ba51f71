"""Identifiers: built from their parts and taken apart again, without looking anything up."""

from typing import NamedTuple

from wri_reference._errors import RemoteProtocolError
from wri_reference._messages import quote

_LEVELS = 3  # cycle point, task, job


class Tokens(NamedTuple):
    """The parts of an identifier; those that it does not have are None.

    Nothing is looked up or expanded: a glob is a text like any other, and `01` is not `1`.
    """

    user: str | None = None
    workflow: str | None = None
    workflow_selector: str | None = None
    cycle: str | None = None
    cycle_selector: str | None = None
    task: str | None = None
    task_selector: str | None = None
    job: str | None = None
    job_selector: str | None = None


def workflow_id(owner: str, workflow: str) -> str:
    """Return `~owner/workflow`."""
    return f"~{owner}/{workflow}"


def proxy_id(workflow: str, cycle: str, name: str) -> str:
    """Return the id of a task or family at a cycle point; `workflow` is the workflow's id."""
    return f"{workflow}//{cycle}/{name}"


def job_id(workflow: str, cycle: str, name: str, submit_num: int) -> str:
    """Return the id of one submission of a task proxy."""
    return f"{workflow}//{cycle}/{name}/{submit_num:02}"


def definition_id(workflow: str, name: str) -> str:
    """Return the id of the definition of a task or family."""
    return f"{workflow}//$namespace|{name}"


def edge_id(workflow: str, source: str, target: str) -> str:
    """Return the id of an edge between two task proxies, each given as `cycle/task`."""
    return f"{workflow}//$edge|{source}|{target}"


def parse(text: str) -> Tokens:
    """Take apart an identifier in which a workflow comes first: `~user/workflow//cycle/task`.

    Without a workflow it begins with `//`.

    Raises:
        RemoteProtocolError: `text` is not an identifier.
    """
    head, slashes, tail = text.removesuffix("\n").partition("//")
    if slashes and not head:
        return _relative(text, tail)
    user, workflow = None, head
    if head.startswith("~"):
        user, _, workflow = head.removeprefix("~").partition("/")
        user = _plain(text, user, "~:")
    if not workflow:
        if slashes or user is None:
            raise _refused(text)
        return Tokens(user=user)
    name, selector = _selected(text, workflow)
    for part in name.split("/"):
        _plain(text, part, "~:")
    tokens = _relative(text, tail) if tail else Tokens()
    return tokens._replace(user=user, workflow=name, workflow_selector=selector)


def parse_relative(text: str) -> Tokens:
    """Take apart an identifier within a workflow: `cycle/task/job`, also with `//` before it.

    Raises:
        RemoteProtocolError: `text` is not an identifier.
    """
    return _relative(text, text.removesuffix("\n").removeprefix("//"))


def _relative(text: str, tail: str) -> Tokens:
    parts = tail.split("/")
    if not parts[-1] and 1 < len(parts) <= _LEVELS:
        parts.pop()
    if len(parts) > _LEVELS:
        raise _refused(text)
    cycle, colon, cycle_selector = parts[0].rpartition(":")
    if not colon or not cycle_selector:  # a date may hold colons, and end in one
        cycle, cycle_selector = parts[0], ""
    cycle = _plain(text, cycle, "~")
    if cycle.startswith(":"):
        raise _refused(text)
    task, task_selector = _selected(text, parts[1]) if len(parts) > 1 else (None, None)
    job, job_selector = _selected(text, parts[2]) if len(parts) == _LEVELS else (None, None)
    return Tokens(
        cycle=cycle,
        cycle_selector=cycle_selector.strip() or None,
        task=task,
        task_selector=task_selector,
        job=job,
        job_selector=job_selector,
    )


def _selected(text: str, part: str) -> tuple[str, str | None]:
    name, colon, selector = part.partition(":")
    return _plain(text, name, ""), _plain(text, selector, ":/") if colon else None


def _plain(text: str, part: str, forbidden: str) -> str:
    if not part.strip() or any(char in part for char in f"\n{forbidden}"):
        raise _refused(text)
    return part.strip()


def _refused(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{quote(text)} is not an identifier")
