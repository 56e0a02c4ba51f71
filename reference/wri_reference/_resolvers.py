"""What the fields of GraphQL queries mean: from a data store to values (chapter 7).

Elements stay protobuf messages until one of their fields is asked for. An argument that is null
counts as absent.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    get_named_type,
    is_list_type,
)

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _globs, _ids
from wri_reference._errors import RemoteProtocolError
from wri_reference._messages import quote
from wri_reference._store import DataStore

Resolver = Callable[..., Any]

MAX_STEPS: Final = 2_000_000
"""How many fields and comparisons one request may take: nobody else is answered meanwhile.

Enough for nearly twenty fields of each of 100,000 task proxies.
"""

TASK_STATES: Final = (
    "waiting",
    "expired",
    "preparing",
    "submit-failed",
    "submitted",
    "running",
    "failed",
    "succeeded",
)
"""All states of tasks; every total names each of them."""

ALL_CYCLES: Final = frozenset({"*", "all-cycle-points", "all-cycles"})
"""How broadcasts for all cycle points may be filed."""

_TOPIC_OF: Final = {
    "Edge": "edges",
    "Family": "families",
    "FamilyProxy": "family_proxies",
    "Job": "jobs",
    "Task": "tasks",
    "TaskProxy": "task_proxies",
}
_MESSAGE_OF: Final[dict[str, type[Any]]] = {
    "Condition": pb.PbCondition,
    "Edge": pb.PbEdge,
    "Edges": pb.PbEdges,
    "Family": pb.PbFamily,
    "FamilyProxy": pb.PbFamilyProxy,
    "Job": pb.PbJob,
    "LogRecord": pb.PbLogRecord,
    "NodeMeta": pb.PbMeta,
    "Output": pb.PbOutput,
    "PollTask": pb.PbPollTask,
    "Prerequisite": pb.PbPrerequisite,
    "Runtime": pb.PbRuntime,
    "Task": pb.PbTask,
    "TaskProxy": pb.PbTaskProxy,
    "TimeZone": pb.PbTimeZone,
    "Workflow": pb.PbWorkflow,
    "XTrigger": pb.PbTrigger,
}
_DEFINITIONS: Final = ("families", "tasks")
_NODE_TOPICS: Final = ("task_proxies", "family_proxies")


class StepsError(BaseException):
    """A request takes more than `MAX_STEPS`.

    It ends the whole execution: of an `Exception`, graphql-core would tell only when all other
    fields have been resolved as well.
    """


@dataclass
class Context:
    """What the resolvers of one request share.

    Attributes:
        store: what is asked.
        scheduler: what carries out mutations.
        steps: how many more the request may take.
    """

    store: DataStore
    scheduler: Any
    steps: int = field(default_factory=lambda: MAX_STEPS)

    def spend(self, steps: int) -> None:
        """Count work that is about to be done.

        Raises:
            StepsError: the request asks for too much.
        """
        self.steps -= steps
        if self.steps < 0:
            raise StepsError


Info = GraphQLResolveInfo[Context]


def attach(schema: GraphQLSchema) -> None:
    """Give each field of the queries, and of what they lead to, its resolver."""
    for kind, field_name, one in _fields(schema):
        special = _SPECIAL.get(f"{kind.name}.{field_name}")
        if special is not None:
            one.resolve = special
        elif kind is schema.query_type:
            one.resolve = _root(one)
        elif kind.name in _MESSAGE_OF:
            one.resolve = _member(_MESSAGE_OF[kind.name], field_name, one)


def type_name(value: Any, *_: Any) -> str:
    """Return which member of the union `Node` a value is."""
    return "TaskProxy" if isinstance(value, pb.PbTaskProxy) else "FamilyProxy"


def is_set(message: Message, field_name: str) -> bool:
    """Tell whether `message` has the member of a GraphQL field; true if it is none of its own."""
    field = message.DESCRIPTOR.fields_by_camelcase_name.get(field_name)
    if field is None:
        return True
    if field.has_presence:
        return message.HasField(field.name)
    return len(getattr(message, field.name)) > 0


def leads_to_elements(field_type: Any) -> bool:
    """Tell whether a type is that of elements with an id of their own, other than edges."""
    name = get_named_type(field_type).name
    return name == "Node" or (name in _TOPIC_OF and name != "Edge")


# -- building -----------------------------------------------------------------------------


def _fields(schema: GraphQLSchema) -> Iterator[tuple[GraphQLObjectType, str, GraphQLField]]:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                yield kind, name, field


def _root(field: GraphQLField) -> Resolver:
    topic = _TOPIC_OF[get_named_type(field.type).name]
    if not is_list_type(field.type):
        return lambda _, info, **args: info.context.store.elements[topic].get(args["id"])

    def elements(_: Any, info: Info, **args: Any) -> list[Any]:
        context = info.context
        if not _is_this(context.store, args.get("workflows"), args.get("exworkflows")):
            return []
        return _chosen(context, topic, _candidates(context.store, topic, args.get("ids")), args)

    return elements


def _member(message: type[Any], field_name: str, field: GraphQLField) -> Resolver:
    descriptor = message.DESCRIPTOR.fields_by_camelcase_name.get(field_name)
    if descriptor is None:
        empty: Any = [] if is_list_type(field.type) else None
        return lambda *_, **__: empty
    name = descriptor.name
    topic = _TOPIC_OF.get(get_named_type(field.type).name)
    if topic and is_list_type(field.type):
        return lambda source, info, **args: _chosen(
            info.context, topic, _by_id(info.context.store, topic, getattr(source, name)), args
        )
    if topic:
        return lambda source, info, **_: info.context.store.elements[topic].get(
            getattr(source, name)
        )
    if is_list_type(field.type):
        return lambda source, _info, **_: list(getattr(source, name))
    return lambda source, _info, **_: getattr(source, name)


# -- choosing elements --------------------------------------------------------------------


def _is_this(store: DataStore, ids: Any, exids: Any) -> bool:
    workflow = store.workflow
    return _globs.workflow_filter(ids or (), exids or ())(
        workflow.owner, workflow.name, workflow.status
    )


def _by_id(store: DataStore, topic: str, ids: Iterable[str]) -> Iterator[Any]:
    elements = store.elements[topic]
    return (elements[key] for key in dict.fromkeys(ids) if key in elements)


def _candidates(store: DataStore, topic: str, ids: list[Any] | None) -> Iterable[Any]:
    """Return the only elements that `ids` can mean, without looking at all if possible."""
    if topic != "edges" and ids and all(_is_plain(topic, one) for one in ids):
        return _by_id(store, topic, (_absolute(store.workflow.id, topic, one) for one in ids))
    return store.elements[topic].values()


def _is_plain(topic: str, text: Any) -> bool:
    levels = {"jobs": 3, "tasks": 1, "families": 1}.get(topic, 2)
    if not isinstance(text, str) or any(char in text for char in "*?[:"):
        return False
    parts = text.split("/")
    return len(parts) == levels and all(part and part == part.strip() for part in parts)


def _absolute(workflow: str, topic: str, text: str) -> str:
    if topic in _DEFINITIONS:
        return _ids.definition_id(workflow, text)
    return f"{workflow}//{text}"


def _chosen(
    context: Context, topic: str, candidates: Iterable[Any], args: dict[str, Any]
) -> list[Any]:
    """Return those of the elements that all arguments allow, in the order that they ask for."""
    elements = list(candidates)
    for test in _tests(topic, args):
        context.spend(
            len(elements) * (1 + len(args.get("ids") or ()) + len(args.get("exids") or ()))
        )
        elements = [element for element in elements if test(element)]
    return _sorted(elements, args)


def _tests(topic: str, args: dict[str, Any]) -> Iterator[Callable[[Any], bool]]:
    if topic == "edges":  # releases ignore all but `sort`
        return
    states, exstates = args.get("states"), args.get("exstates")
    if states:
        yield lambda element: element.state in states
    if exstates:
        yield lambda element: element.state not in exstates
    for flag in ("is_held", "is_queued", "is_runahead"):
        if args.get(flag) is not None:
            yield _has_flag(flag, args[flag])
    for member, name, sign in (
        ("depth", "mindepth", 1),
        ("depth", "maxdepth", -1),
        ("graph_depth", "graph_depth", -1),
    ):
        bound = args.get(name)
        if bound is not None and bound >= 0:
            yield _is_within(member, bound, sign)
    ids, exids = args.get("ids") or (), args.get("exids") or ()
    if ids or exids:
        yield _has_id(topic, ids, exids)


def _has_flag(flag: str, wanted: bool) -> Callable[[Any], bool]:
    return lambda element: getattr(element, flag) == wanted


def _is_within(field: str, bound: int, sign: int) -> Callable[[Any], bool]:
    return lambda element: sign * getattr(element, field) >= sign * bound


def _has_id(topic: str, ids: Any, exids: Any) -> Callable[[Any], bool]:
    if topic in _DEFINITIONS:
        is_named = _globs.name_filter(ids, exids)
        return lambda element: is_named(element.name)
    is_meant = _globs.node_filter(ids, exids)
    return lambda element: is_meant(_node(element))


def _node(element: Any) -> _globs.Node:
    cycle, task, *job = element.id.partition("//")[2].split("/")
    return _globs.Node(cycle, task, job[0] if job else None, element.state)


def _sorted(elements: list[Any], args: dict[str, Any]) -> list[Any]:
    """Sort elements of one type as the argument `sort` asks.

    Raises:
        RemoteProtocolError: it asks for no field, or for one by which nothing can be sorted.
    """
    sort = args.get("sort")
    if sort is None or not elements:
        return elements
    keys = sort.get("keys")
    keys = ["id"] if keys is None else keys
    if not keys:
        raise RemoteProtocolError("to sort takes at least one key")
    names = [_sort_field(elements[0], key) for key in keys]
    elements.sort(
        key=lambda element: tuple(getattr(element, name) for name in names),
        reverse=bool(sort.get("reverse")),
    )
    return elements


def _sort_field(element: Any, key: Any) -> str:
    fields = element.DESCRIPTOR
    field = fields.fields_by_camelcase_name.get(key) or fields.fields_by_name.get(key)
    if field is None or not isinstance(getattr(element, field.name), str | int | float):
        raise RemoteProtocolError(f"{quote(str(key))} is nothing to sort by")
    return str(field.name)


# -- fields that are more than a member of a message --------------------------------------


def _workflows(_: Any, info: Info, **args: Any) -> list[Any]:
    store = info.context.store
    return [store.workflow] if _is_this(store, args.get("ids"), args.get("exids")) else []


def _nodes_edges(_: Any, info: Info, **args: Any) -> dict[str, list[Any]]:
    """Return the chosen task proxies and what is within `distance` edges from them."""
    context = info.context
    store = context.store
    if not _is_this(store, args.get("workflows"), args.get("exworkflows")):
        return {"nodes": [], "edges": []}
    args |= {name: [_relative(one) for one in args.get(name) or ()] for name in ("ids", "exids")}
    candidates = _candidates(store, "task_proxies", args["ids"])
    nodes = {one.id: one for one in _chosen(context, "task_proxies", candidates, args)}
    edges: dict[str, Any] = {}
    frontier = list(nodes.values())
    for _ in range(1 if args.get("distance") is None else args["distance"]):
        keys = [key for node in frontier for key in node.edges if key not in edges]
        context.spend(len(keys) + len(frontier))
        found = {edge.id: edge for edge in _by_id(store, "edges", keys)}
        edges |= found
        ends = [end for edge in found.values() for end in (edge.source, edge.target)]
        frontier = [node for node in _by_id(store, "task_proxies", ends) if node.id not in nodes]
        if not frontier:
            break
        nodes |= {node.id: node for node in frontier}
    return {
        "nodes": _sorted(list(nodes.values()), args),
        "edges": _sorted(list(edges.values()), args),
    }


def _relative(value: Any) -> Any:
    """Return a node's id within its workflow: here ids may be absolute as well."""
    if not isinstance(value, str) or value.startswith("//"):
        return value
    if value.startswith("~") or "//" in value:
        _ids.parse(value)
        return value.partition("//")[2] or "*"
    return value


def _node_at(end: str) -> Resolver:
    def node(source: Any, info: Info, **_: Any) -> Any:
        elements = info.context.store.elements
        key = getattr(source, end)
        return next((elements[one][key] for one in _NODE_TOPICS if key in elements[one]), None)

    return node


def _condition_proxy(source: Any, info: Info, **_: Any) -> Any:
    store = info.context.store
    return store.elements["task_proxies"].get(f"{store.workflow.id}//{source.task_proxy}")


def _state_totals(source: Any, _: Info) -> dict[str, int]:
    return dict.fromkeys(TASK_STATES, 0) | dict(source.state_totals)


def _latest_state_tasks(source: Any, _: Info, **args: Any) -> dict[str, list[str]]:
    latest = source.latest_state_tasks
    states = TASK_STATES if args.get("states") is None else args["states"]
    return {state: list(latest[state].task_proxies) for state in states if state in latest}


def _json(name: str, empty: str) -> Resolver:
    return lambda source, _info: json.loads(getattr(source, name) or empty)


def _broadcasts(source: Any, info: Info, **args: Any) -> Any:
    broadcasts = json.loads(source.broadcasts or "{}")
    if not args.get("ids"):
        return broadcasts
    tasks = info.context.store.elements["tasks"].values()
    chosen: dict[str, dict[str, Any]] = {}
    for tokens in map(_ids.parse_relative, args["ids"]):
        is_named = _globs.name_filter([tokens.task or "*"])
        info.context.spend(len(tasks))
        names = {
            name
            for task in tasks
            if any(is_named(one) for one in task.namespace)
            for name in task.namespace
        }
        is_at = _globs.name_filter([tokens.cycle or "*"])
        for cycle, settings in broadcasts.items():
            if cycle in ALL_CYCLES or is_at(cycle):
                found = {name: settings[name] for name in settings if name in names}
                if found:
                    chosen.setdefault(cycle, {}).update(found)
    return chosen


def _mapping(name: str) -> Resolver:
    """Return the resolver of a map, shown as a list in the order of its keys in `sort_order`."""

    def values(source: Any, info: Info, **args: Any) -> list[Any]:
        mapping = getattr(source, name)
        order = [key for key in args.get("sort_order") or () if key in mapping]
        info.context.spend(len(order) + len(mapping))
        satisfied = args.get("satisfied")
        found = _sorted(
            [
                mapping[key]
                for key in dict.fromkeys([*order, *mapping])
                if satisfied is None or mapping[key].satisfied is satisfied
            ],
            args,
        )
        limit = args.get("limit") or 0
        return found[:limit] if limit > 0 else found

    return values


def _run_mode(source: Any, _: Info) -> str | None:
    mode = source.run_mode.capitalize()
    return mode if mode in {"Live", "Simulation", "Dummy", "Skip"} else None


_SPECIAL: Final[dict[str, Resolver]] = {
    "Queries.workflows": _workflows,
    "Queries.nodesEdges": _nodes_edges,
    "Workflow.nodesEdges": _nodes_edges,
    "Workflow.stateTotals": _state_totals,
    "Workflow.latestStateTasks": _latest_state_tasks,
    "Workflow.broadcasts": _broadcasts,
    "FamilyProxy.stateTotals": _state_totals,
    "Edge.sourceNode": _node_at("source"),
    "Edge.targetNode": _node_at("target"),
    "Condition.taskId": lambda source, _info: source.task_proxy,
    "Condition.taskProxy": _condition_proxy,
    "NodeMeta.userDefined": _json("user_defined", "{}"),
    "Runtime.directives": _json("directives", "[]"),
    "Runtime.environment": _json("environment", "[]"),
    "Runtime.outputs": _json("outputs", "[]"),
    "Runtime.runMode": _run_mode,
    "TaskProxy.extras": lambda _source, _info: {},
    "TaskProxy.outputs": _mapping("outputs"),
    "TaskProxy.externalTriggers": _mapping("external_triggers"),
    "TaskProxy.xtriggers": _mapping("xtriggers"),
}
