"""The state of a workflow as flat facts, and what became different between two looks. Pure.

A fact is a name and a text: `1/foo held` is `true`, `workflow status` is `paused`.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

State = Mapping[str, str]
ABSENT = ""
"""What a fact is that is not there."""


@frozen
class Change:
    """A fact that became another one; `before` or `after` is empty if it is not there."""

    fact: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.fact}: {self.before or '(none)'} -> {self.after or '(none)'}"


def of_snapshot(snapshot: Any) -> dict[str, str]:
    """Return the facts that a `PbEntireWorkflow` holds, without those that change by themselves."""
    workflow = snapshot.workflow
    facts = {"workflow status": workflow.status}
    if workflow.HasField("n_edge_distance"):
        facts["workflow window"] = str(workflow.n_edge_distance)
    facts |= _broadcasts(workflow.broadcasts)
    for task in snapshot.tasks:
        facts[f"definition {task.name or task.id.rpartition('|')[2]}"] = "there"
    for proxy in snapshot.task_proxies:
        facts |= _proxy(proxy)
    for job in snapshot.jobs:
        facts[f"{relative(job.id)} job"] = job.state
    return facts


def relative(id_: str) -> str:
    """Return the part of an id behind the workflow."""
    return id_.partition("//")[2]


def _proxy(proxy: Any) -> dict[str, str]:
    name = relative(proxy.id)
    facts = {
        f"{name} state": proxy.state,
        f"{name} held": _yes(proxy.is_held),
        f"{name} queued": _yes(proxy.is_queued),
        f"{name} flows": flow_numbers(proxy.flow_nums),
        f"{name} submissions": str(proxy.job_submits),
    }
    for label, output in proxy.outputs.items():
        facts[f"{name} output {label}"] = _yes(output.satisfied)
    for number, prerequisite in enumerate(proxy.prerequisites, 1):
        facts[f"{name} prerequisite {number}"] = _yes(prerequisite.satisfied)
    for trigger in proxy.external_triggers.values():
        facts[f"{name} event"] = _yes(trigger.satisfied)
    return facts


def _yes(value: bool) -> str:
    return "true" if value else "false"


def flow_numbers(text: str) -> str:
    """Return flow numbers in order, whatever the sender's order is."""
    try:
        return json.dumps(sorted(json.loads(text or "[]")))
    except (TypeError, ValueError):
        return text


def _broadcasts(text: str) -> dict[str, str]:
    try:
        tree = json.loads(text or "{}")
    except ValueError:
        return {"broadcast": text}
    return {
        f"broadcast {point}/{namespace} {'/'.join(path)}": value
        for point, spaces in (tree.items() if isinstance(tree, dict) else ())
        for namespace, settings in spaces.items()
        for path, value in _leaves(settings)
    }


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, str(node)


def changes(before: State, after: State) -> list[Change]:
    """Return what is different, in the order of the names."""
    return [
        Change(name, before.get(name, ABSENT), after.get(name, ABSENT))
        for name in sorted(before.keys() | after.keys())
        if before.get(name, ABSENT) != after.get(name, ABSENT)
    ]


@frozen
class Expectation:
    """What has to become of facts, and what may change besides.

    `facts` maps names to what they have to be, where several are separated by `|` and an empty
    text stands for absence; `may` are shell patterns of names.
    """

    facts: Mapping[str, str]
    may: tuple[str, ...] = ()

    def missing(self, after: State) -> list[str]:
        """Return the facts that are not as they have to be."""
        return [
            f"{name} is {after.get(name, ABSENT) or '(none)'}, not {wanted or '(none)'}"
            for name, wanted in self.facts.items()
            if after.get(name, ABSENT) not in wanted.split("|")
        ]

    def others(self, found: Iterable[Change]) -> list[Change]:
        """Return the changes that are neither wanted nor allowed."""
        return [change for change in found if not self.covers(change.fact)]

    def covers(self, fact: str) -> bool:
        """Tell whether a fact is one that may change."""
        return fact in self.facts or any(fnmatch.fnmatchcase(fact, one) for one in self.may)

    def __str__(self) -> str:
        """Return it for people."""
        return ", ".join(f"{name}: {wanted or '(none)'}" for name, wanted in self.facts.items())
