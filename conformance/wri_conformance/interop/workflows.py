"""The workflows that operations act on, in both forms in which the suite writes them. Pure."""

from collections.abc import Sequence
from typing import Any

import yaml
from attrs import field, frozen


@frozen
class Task:
    """A task of a workflow.

    `kind`: `waiting` is active and waits for an event outside, `gated` comes after one that never
    runs, `running` starts at once and takes an hour, `quick` runs for `seconds`, `job` has a real
    job of some minutes, where there are real jobs, `after` comes after another.
    `child`: a waiting task comes after it, called `…_child`.
    """

    name: str
    kind: str = "waiting"
    output: str = ""
    child: bool = False
    cycles: bool = False
    after: str = ""
    seconds: int = 1
    title: str = ""
    event: str = field()

    @event.default
    def _event(self) -> str:
        return f"event {self.name}"


@frozen
class Workflow:
    """Tasks at cycle points 1 to `last`."""

    tasks: tuple[Task, ...]
    last: int = 3

    def cylc(self, more: Sequence[str] = ()) -> str:
        """Return it as flow.cylc; `more` are names of further tasks."""
        events = [f'{t.name}("{t.event}")' for t in self.tasks if t.kind == "waiting"]
        events += [f'{t.name}_child("event {t.name}_child")' for t in self.tasks if t.child]
        once = [_line(t) for t in self.tasks if not t.cycles] + list(more)
        each = [_line(t) for t in self.tasks if t.cycles]
        lines = [
            "[meta]",
            "    title = A title of it",
            "[scheduler]",
            "    allow implicit tasks = True",
            "    [[events]]",
            "        stall timeout = PT1H",
            "[scheduling]",
            "    cycling mode = integer",
            "    initial cycle point = 1",
            f"    final cycle point = {self.last}",
            "    runahead limit = P5",
            *(
                ["    [[special tasks]]", f"        external-trigger = {', '.join(events)}"]
                if events
                else []
            ),
            "    [[graph]]",
            '        R1 = """',
            *(f"            {line}" for line in once),
            '        """',
            *(
                ['        P1 = """', *(f"            {line}" for line in each), '        """']
                if each
                else []
            ),
            "[runtime]",
            "    [[root]]",
            "        [[[simulation]]]",
            "            default run length = PT1H",
        ]
        for task in self.tasks:
            lines.append(f"    [[{task.name}]]")
            if task.kind == "quick":
                lines += [
                    "        [[[simulation]]]",
                    f"            default run length = PT{task.seconds}S",
                ]
            if task.kind == "job":
                lines.append("        script = sleep 200")
            if task.title:
                lines += ["        [[[meta]]]", f"            title = {task.title}"]
            if task.output:
                lines += [
                    "        [[[outputs]]]",
                    f"            {task.output} = message {task.output}",
                ]
            if task.child:
                lines.append(f"    [[{task.name}_child]]")
        lines += [f"    [[{name}]]" for name in more]
        return "\n".join(lines) + "\n"

    def plain(self, more: Sequence[str] = ()) -> str:
        """Return it as workflow.yaml."""
        tasks: dict[str, dict[str, Any]] = {}
        graph: list[dict[str, Any]] = []
        points = [str(number) for number in range(1, self.last + 1)]
        for task in self.tasks:
            body: dict[str, Any] = {"seconds": task.seconds if task.kind == "quick" else 3600}
            if task.kind == "waiting":
                body["external_trigger"] = task.event
            if task.title:
                body["title"] = task.title
            if task.output:
                body["outputs"] = {task.output: f"message {task.output}"}
            tasks[task.name] = body
            before = "gate" if task.kind == "gated" else task.after
            graph.append({"before": before, "after": task.name} if before else {"after": task.name})
            if task.child:
                tasks[f"{task.name}_child"] = {
                    "seconds": 3600,
                    "external_trigger": f"event {task.name}_child",
                }
                graph.append({"before": task.name, "after": f"{task.name}_child"})
        for name in more:
            tasks[name] = {}
            graph.append({"after": name})
        document = {"cycle_points": points, "tasks": tasks, "graph": graph}
        return yaml.safe_dump(document, sort_keys=False)


def _line(task: Task) -> str:
    head = task.name
    if task.kind == "gated":
        head = f"gate => {task.name}"
    elif task.after:
        head = f"{task.after} => {task.name}"
    optional = f"\n            {task.name}:{task.output}?" if task.output else ""
    return (
        head + (f"\n            {task.name} => {task.name}_child" if task.child else "") + optional
    )
