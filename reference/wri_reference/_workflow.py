"""The workflow of the simulated scheduler: what stands in `workflow.yaml`, read and checked.

With all keys that there are:

    cycle_points: ["1", "2", "3"]   # in order; numbers, or dates such as 20300101T0000Z
    runahead: 5                     # cycle points that may run at the same time; 5 by default
    families:                       # optional; root is there anyway
      FAM: {}                       # parent: root by default
      SUB: {parent: FAM}
    tasks:
      foo: {}                       # parent root, outcome succeeded, seconds 1
      bad: {outcome: failed}        # or submit-failed
      m1: {parent: SUB, seconds: 5, title: "…", description: "…", outputs: {extra: a message}}
      ext: {external_trigger: a message}    # runs after this event
    graph:                          # every task stands in at least one line
      - {after: foo}                # runs at each cycle point
      - {before: [foo, bad], after: m1}     # for both; lists are possible in `after` as well
      - {before: bad, output: failed, after: ext}   # any output, or finished for either end
      - {before: foo, cycle: -1, after: foo}        # of the previous cycle point
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

import yaml

ROOT: Final = "root"
OUTPUTS: Final = ("expired", "submitted", "submit-failed", "started", "succeeded", "failed")
"""The outputs of every task; their messages are the same words."""

RUNAHEAD: Final = 5
"""How many cycle points may run at the same time if the workflow does not say it."""

OUTCOMES: Final = ("succeeded", "failed", "submit-failed")
_FINISHED = "finished"  # not an output: either of two

_NAME = re.compile(r"\w[\w\-+%@]*")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DATE = "%Y%m%dT%H%MZ"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DefinitionError(Exception):
    """A workflow cannot be used as it is written.

    `str()` gives `file:line: what is wrong` and, on a second line, the fix.
    """

    def __init__(self, place: str, message: str, fix: str) -> None:
        super().__init__(f"{place}: {message}\n  fix: {fix}")


class Dependency(NamedTuple):
    """What a task waits for: one of `outputs` of `task`, `offset` cycle points away.

    An offset of -1 is the previous cycle point of the workflow.
    """

    task: str
    offset: int
    outputs: tuple[str, ...]


class Child(NamedTuple):
    """A task that waits for an output; its cycle point is `offset` after that of the output."""

    task: str
    offset: int


@dataclass(frozen=True)
class Task:
    """A task as defined.

    Attributes:
        namespace: the names from `root` down to the task itself.
        outcome: how its jobs end, one of `OUTCOMES`.
        seconds: how long its jobs run.
        outputs: the messages of its own outputs, by label; each job sends them.
        external_trigger: the message without which it does not run, if any.
        dependencies: all of them have to be satisfied before it runs.
        children: who waits for which of its outputs, by label.
    """

    name: str
    namespace: tuple[str, ...]
    outcome: str = "succeeded"
    seconds: float = 1.0
    title: str = ""
    description: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    external_trigger: str | None = None
    dependencies: tuple[Dependency, ...] = ()
    children: Mapping[str, tuple[Child, ...]] = field(default_factory=dict)

    def is_complete(self, done: Iterable[str]) -> bool:
        """Tell whether a task that ended with these outputs has done all it was expected to.

        Expected is success with all those of its own outputs that somebody waits for; any
        other end only if somebody waits for that one.
        """
        have = set(done)
        if "succeeded" in have:
            return all(label in have for label in self._required)
        return any(label in have for label in self._handled)

    def has_output(self, label: str) -> bool:
        """Tell whether a task has an output of this name."""
        return label in OUTPUTS or label in self.outputs

    @property
    def required(self) -> list[str]:
        """Return the outputs of a task that succeeds as expected."""
        return [*self._required, "succeeded"]

    @property
    def completion(self) -> str:
        """Return what `is_complete` expects, as an expression over outputs."""
        wanted = " and ".join([*self._required, "succeeded"])
        ways = [f"({wanted})" if self._required else wanted, *self._handled]
        return " or ".join(ways)

    @property
    def _required(self) -> list[str]:
        return [label for label in self.outputs if label in self.children]

    @property
    def _handled(self) -> list[str]:
        return [label for label in ("failed", "submit-failed", "expired") if label in self.children]


@dataclass(frozen=True)
class Family:
    """A family as defined; `namespace` has the names from `root` down to the family itself."""

    name: str
    namespace: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A workflow: its cycle points in order, its tasks and families by name, as written.

    `families` always holds `root`. `runahead` is how many cycle points, from the oldest active
    one on, may run at the same time.
    """

    cycle_points: tuple[str, ...]
    tasks: Mapping[str, Task]
    families: Mapping[str, Family]
    runahead: int = RUNAHEAD

    @property
    def is_integer(self) -> bool:
        """Tell whether the cycle points are numbers."""
        return _INTEGER.fullmatch(self.cycle_points[0]) is not None

    def point(self, index: int) -> str:
        """Return the cycle point at `index`, which may lie before the first or after the last."""
        points = self.cycle_points
        if 0 <= index < len(points):
            return points[index]
        near, steps = (points[0], index) if index < 0 else (points[-1], index - len(points) + 1)
        if self.is_integer:
            step = int(points[1]) - int(points[0]) if len(points) > 1 else 1
            return str(int(near) + steps * step)
        moments = [datetime.strptime(point, _DATE) for point in (*points[:2], near)]  # noqa: DTZ007
        return (moments[2] + steps * (moments[1] - moments[0])).strftime(_DATE)


def read(path: Path) -> Definition:
    """Read the file `path`.

    Raises:
        DefinitionError: it cannot be read, or what `parse` raises.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DefinitionError(str(path), "there is no such file", "check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        fix = "make it a readable UTF-8 text file"
        raise DefinitionError(str(path), f"cannot be read: {error}", fix) from None
    return parse(text, str(path))


def parse(text: str, name: str = "workflow.yaml") -> Definition:
    """Read a workflow from YAML; `name` is what mistakes call the file.

    Raises:
        DefinitionError: it is not YAML, or not a workflow.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = name if mark is None else f"{name}:{mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        fix = "mend the YAML at this place, or just before it"
        raise DefinitionError(place, f"is not valid YAML: {problem}", fix) from None
    return _Reader(name).definition(node)


def synthetic(tasks: int) -> Definition:
    """Return a workflow of `tasks` independent tasks at one cycle point, in families of 1000."""
    made: dict[str, Task] = {}
    families = {ROOT: Family(ROOT, (ROOT,))}
    for number in range(tasks):
        family = f"F{number // 1000:03}"
        families.setdefault(family, Family(family, (ROOT, family)))
        name = f"t{number:06}"
        made[name] = Task(name, (ROOT, family, name))
    return Definition(("1",), made, families)


class _Line(NamedTuple):
    """One line of the graph: `after` waits for `outputs` of each of `before`."""

    before: list[tuple[str, yaml.Node]]
    after: list[tuple[str, yaml.Node]]
    output: str
    offset: int
    node: yaml.Node


class _Reader:
    """From the nodes of the YAML, which know their lines, to the definition."""

    def __init__(self, name: str) -> None:
        self.name = name

    def definition(self, node: yaml.Node | None) -> Definition:
        if node is None:
            raise DefinitionError(
                self.name, "is empty", "write cycle_points, tasks and graph, as the fixtures do"
            )
        top = self.mapping(node, ("cycle_points", "runahead", "families", "tasks", "graph"))
        for key in ("cycle_points", "tasks", "graph"):
            if key not in top:
                self.fail(node, f"there is no '{key}'", f"add the key '{key}'")
        points = self.points(top["cycle_points"])
        families = self.families(top.get("families"))
        tasks = self.tasks(top["tasks"], families)
        lines = [self.line(item) for item in self.sequence(top["graph"])]
        return Definition(
            points,
            MappingProxyType(self.linked(tasks, lines, top)),
            MappingProxyType(families),
            self.runahead(top),
        )

    # what the file says

    def runahead(self, top: Mapping[str, yaml.Node]) -> int:
        text = self.optional(top, "runahead")
        if text is None:
            return RUNAHEAD
        if not _INTEGER.fullmatch(text) or int(text) < 1:
            self.fail(top["runahead"], f"'{text}' is no number of cycle points", "write 1 or more")
        return int(text)

    def points(self, node: yaml.Node) -> tuple[str, ...]:
        points: list[str] = []
        integer: bool | None = None
        last: Any = None
        for item in self.sequence(node):
            text = self.text(item)
            number = _INTEGER.fullmatch(text) is not None
            value: Any = int(text) if number else self.date(item, text)
            if integer not in {None, number}:
                self.fail(item, "numbers and dates are mixed", "use one kind of cycle point")
            if last is not None and value <= last:
                self.fail(item, f"'{text}' is not after '{points[-1]}'", "list them in order")
            integer, last = number, value
            points.append(text)
        if not points:
            self.fail(node, "there is no cycle point", 'write at least one, as in ["1"]')
        return tuple(points)

    def date(self, node: yaml.Node, text: str) -> datetime:
        try:
            return datetime.strptime(text, _DATE)  # noqa: DTZ007
        except ValueError:
            self.fail(
                node,
                f"'{text}' is not a cycle point",
                "write a number, or a date such as 20300101T0000Z",
            )

    def families(self, node: yaml.Node | None) -> dict[str, Family]:
        parents: dict[str, tuple[str, yaml.Node]] = {}
        for key, value in self.items(node) if node is not None else ():
            name = self.identifier(key)
            if name == ROOT:
                self.fail(key, "'root' is there anyway", "remove it")
            fields = self.mapping(value, ("parent",))
            parents[name] = (self.optional(fields, "parent") or ROOT, fields.get("parent", key))
        families = {ROOT: Family(ROOT, (ROOT,))}
        for name in parents:
            line = [name]
            while line[-1] != ROOT:
                parent, where = parents[line[-1]]
                if parent != ROOT and parent not in parents:
                    self.unknown(where, "family", parent, [ROOT, *parents])
                if parent in line:
                    self.fail(where, f"the family '{parent}' is its own ancestor", "break the loop")
                line.append(parent)
            families[name] = Family(name, tuple(reversed(line)))
        return families

    def tasks(self, node: yaml.Node, families: Mapping[str, Family]) -> dict[str, dict[str, Any]]:
        tasks: dict[str, dict[str, Any]] = {}
        for key, value in self.items(node):
            name = self.identifier(key)
            if name in families:
                self.fail(key, f"'{name}' is a family", "give the task another name")
            fields = self.mapping(
                value,
                (
                    "parent",
                    "outcome",
                    "seconds",
                    "title",
                    "description",
                    "outputs",
                    "external_trigger",
                ),
            )
            parent = self.optional(fields, "parent") or ROOT
            if parent not in families:
                self.unknown(fields["parent"], "family", parent, families)
            outcome = self.optional(fields, "outcome") or OUTCOMES[0]
            if outcome not in OUTCOMES:
                self.unknown(fields["outcome"], "outcome", outcome, OUTCOMES)
            tasks[name] = {
                "name": name,
                "namespace": (*families[parent].namespace, name),
                "outcome": outcome,
                "seconds": self.seconds(fields),
                "title": self.optional(fields, "title") or "",
                "description": self.optional(fields, "description") or "",
                "outputs": self.outputs(fields.get("outputs")),
                "external_trigger": self.optional(fields, "external_trigger"),
            }
        if not tasks:
            self.fail(node, "there is no task", "define at least one, as in 'foo: {}'")
        return tasks

    def seconds(self, fields: Mapping[str, yaml.Node]) -> float:
        text = self.optional(fields, "seconds")
        if text is None:
            return 1.0
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            self.fail(fields["seconds"], f"'{text}' is no duration", "write seconds, 0 or more")
        return seconds

    def outputs(self, node: yaml.Node | None) -> Mapping[str, str]:
        outputs: dict[str, str] = {}
        for key, value in self.items(node) if node is not None else ():
            label, message = self.identifier(key), self.text(value)
            if label in {*OUTPUTS, _FINISHED}:
                self.fail(key, f"every task has the output '{label}'", "use another label")
            if message in outputs.values() or message in OUTPUTS:
                self.fail(value, f"another output has the message '{message}'", "use another one")
            outputs[label] = message
        return MappingProxyType(outputs)

    def line(self, node: yaml.Node) -> _Line:
        fields = self.mapping(node, ("before", "after", "output", "cycle"))
        if "after" not in fields:
            self.fail(node, "the line has no 'after'", "name the task that runs, in 'after'")
        for key in ("output", "cycle"):
            if key in fields and "before" not in fields:
                self.fail(fields[key], f"'{key}' without 'before'", "name the task in 'before'")
        offset = self.optional(fields, "cycle") or "0"
        if not _INTEGER.fullmatch(offset):
            self.fail(fields["cycle"], f"'{offset}' is not a whole number", "write -1, for example")
        return _Line(
            self.names(fields["before"]) if "before" in fields else [],
            self.names(fields["after"]),
            self.optional(fields, "output") or "succeeded",
            int(offset),
            node,
        )

    # what it means together

    def linked(
        self,
        tasks: Mapping[str, dict[str, Any]],
        lines: Sequence[_Line],
        top: Mapping[str, yaml.Node],
    ) -> dict[str, Task]:
        dependencies: dict[str, list[Dependency]] = {name: [] for name in tasks}
        children: dict[str, dict[str, list[Child]]] = {name: {} for name in tasks}
        seen: set[str] = set()
        for line in lines:
            for name, node in (*line.before, *line.after):
                if name not in tasks:
                    self.unknown(node, "task", name, tasks)
                seen.add(name)
            for before, node in line.before:
                labels = self.labels(line, tasks[before], node)
                for after, _ in line.after:
                    dependency = Dependency(before, line.offset, labels)
                    if dependency in dependencies[after]:
                        continue
                    dependencies[after].append(dependency)
                    for label in labels:
                        waiting = children[before].setdefault(label, [])
                        if Child(after, -line.offset) not in waiting:
                            waiting.append(Child(after, -line.offset))
        self.check_used(tasks, seen, top["tasks"])
        self.check_loops(dependencies, lines)
        return {
            name: Task(
                **fields,
                dependencies=tuple(dependencies[name]),
                children=MappingProxyType({k: tuple(v) for k, v in children[name].items()}),
            )
            for name, fields in tasks.items()
        }

    def labels(self, line: _Line, task: Mapping[str, Any], node: yaml.Node) -> tuple[str, ...]:
        if line.output == _FINISHED:
            return ("failed", "succeeded")
        known = (*OUTPUTS, _FINISHED, *task["outputs"])
        if line.output not in known:
            self.unknown(node, f"output of '{task['name']}'", line.output, known)
        return (line.output,)

    def check_used(self, tasks: Iterable[str], seen: set[str], node: yaml.Node) -> None:
        for name, (key, _) in zip(tasks, self.items(node), strict=True):
            if name not in seen:
                self.fail(
                    key, f"'{name}' is not in the graph", f"add the line {{after: {name}}} to it"
                )

    def check_loops(
        self, dependencies: Mapping[str, list[Dependency]], lines: Sequence[_Line]
    ) -> None:
        """Refuse tasks that wait for themselves at one cycle point: they would never run."""
        waits = {
            name: {item.task for item in items if item.offset == 0}
            for name, items in dependencies.items()
        }
        while free := [name for name, wanted in waits.items() if not wanted & waits.keys()]:
            for name in free:
                del waits[name]
        for line in lines:
            if line.offset == 0 and any(name in waits for name, _ in line.before):
                looped = sorted(name for name, _ in line.after if name in waits)
                if looped:
                    self.fail(
                        line.node,
                        f"'{looped[0]}' waits for itself by way of other tasks",
                        "take one line out of the circle",
                    )

    # the nodes of YAML

    def fail(self, node: yaml.Node, message: str, fix: str) -> NoReturn:
        raise DefinitionError(f"{self.name}:{node.start_mark.line + 1}", message, fix)

    def unknown(self, node: yaml.Node, kind: str, name: str, known: Iterable[str]) -> NoReturn:
        names = list(known)
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")  # noqa: PLR2004
        self.fail(node, f"there is no {kind} '{name}'", f"use one of {shown}")

    def items(self, node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, "this is not a mapping", "write 'name: {…}' lines")
        seen: set[str] = set()
        for key, value in node.value:
            name = self.text(key)
            if name in seen:
                self.fail(key, f"the key '{name}' stands here a second time", "remove one")
            seen.add(name)
            yield key, value

    def mapping(self, node: yaml.Node, known: Sequence[str]) -> dict[str, yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in self.items(node):
            if key.value not in known:
                self.unknown(key, "key", key.value, known)
            found[key.value] = value
        return found

    def sequence(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, "this is not a list", "write [a, b], or lines that begin with '- '")
        return list(node.value)

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.fail(node, "this is not a text", "write a word, in quotes if it is unusual")
        return str(node.value)

    def optional(self, fields: Mapping[str, yaml.Node], key: str) -> str | None:
        return self.text(fields[key]) if key in fields else None

    def identifier(self, node: yaml.Node) -> str:
        name = self.text(node)
        if not _NAME.fullmatch(name):
            self.fail(node, f"'{name}' is not a name", "use letters, digits and _ - + % @")
        return name

    def names(self, node: yaml.Node) -> list[tuple[str, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            nodes = self.sequence(node)
            if not nodes:
                self.fail(node, "no task is named", "name at least one")
            return [(self.text(item), item) for item in nodes]
        return [(self.text(node), node)]
