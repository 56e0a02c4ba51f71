"""What is sent to find out how an implementation answers: tables of requests, nothing else."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from wri_conformance.diffing.asking import Body, encode

_API: Final = {"command": "api", "args": {}}


def _graphql(text: Any, variables: Any = None) -> Body:
    args = {"request_string": text, "variables": {} if variables is None else variables}
    return encode({"command": "graphql", "args": args})


REQUESTS: Final[Mapping[str, Body]] = {
    "api": encode(_API),
    "with meta": encode({**_API, "meta": {"prog": "wri", "host": "wri", "comms_method": "zmq"}}),
    "meta null": encode({**_API, "meta": None}),
    "meta text": encode({**_API, "meta": "wri"}),
    "other members": encode({**_API, "user": "nobody", "wri": 1}),
    "other arguments": encode({"command": "api", "args": {"wri": 1}}),
    "description": encode({"command": "api", "args": {"endpoint": "graphql"}}),
    "description of nothing": encode({"command": "api", "args": {"endpoint": "wri_none"}}),
    "description of a method": encode({"command": "api", "args": {"endpoint": "stop"}}),
    "ping": encode({"command": "ping_workflow", "args": {}}),
    "unknown command": encode({"command": "wri_none", "args": {}}),
    "command of other case": encode({"command": "API", "args": {}}),
    "no command": encode({"args": {}}),
    "no args": encode({"command": "api"}),
    "empty object": encode({}),
    "empty body": [b""],
    "not JSON": [b"{wri"],
    "behind the JSON": [b'{"command": "api", "args": {}} {}'],
    "NaN": [b'{"command": "api", "args": {"wri": NaN}}'],
    "byte order mark": [b'\xef\xbb\xbf{"command": "api", "args": {}}'],
    "args null": encode({"command": "api", "args": None}),
    "args array": encode({"command": "api", "args": []}),
    "args text": encode({"command": "api", "args": "wri"}),
    "exception in a method": encode({"command": "pb_data_elements", "args": {}}),
}
"""Requests that no release dies of."""

OPERATIONS: Final[Mapping[str, Body]] = {
    "query": _graphql("{workflows {id}}"),
    "named query": _graphql("query wri {workflows {id}}"),
    "several operations": _graphql("query a {workflows {id}} query b {workflows {id}}"),
    "syntax error": _graphql("{workflows {id}"),
    "empty document": _graphql(""),
    "no document": encode({"command": "graphql", "args": {}}),
    "document null": _graphql(None),
    "unknown field": _graphql("{workflows {wriNone}}"),
    "unknown argument": _graphql("{workflows(wriNone: 1) {id}}"),
    "several errors": _graphql("{workflows {wriNone, wriNeither}}"),
    "selection missing": _graphql("{workflows}"),
    "error in a field": _graphql('{taskProxies(ids: ["///"]) {id}}'),
    "unknown sort key": _graphql('{taskProxies(sort: {keys: ["wriNone"]}) {id}}'),
    "unknown element": _graphql('{taskProxy(id: "~wri/none//1/first") {id}}'),
    "variable missing": _graphql("query ($i: ID!) {taskProxy(id: $i) {id}}"),
    "variable of wrong type": _graphql(
        "query ($d: Int) {taskProxies(mindepth: $d) {id}}", {"d": "x"}
    ),
    "other variables": _graphql("{workflows {id}}", {"wri": 1}),
    "variables of wrong type": _graphql("{workflows {id}}", "wri"),
    "list null": _graphql("{taskProxies(ids: null) {id}}"),
    "subscription": _graphql("subscription {workflows {id}}"),
    "unknown mutation": _graphql("mutation {wriNone {result}}"),
    "mutation without workflows": _graphql("mutation {pause {result}}"),
}
"""Operations of GraphQL, most of which are wrong."""

ELEMENT_TYPES: Final = (
    *("edges", "families", "family_proxies", "jobs", "tasks", "task_proxies", "workflow"),
    *("all", "wri_none", "", None),
)
"""The values of `element_type` that are tried."""


@frozen
class Mutation:
    """A mutation of the workflow `changes`, whose arguments beside `workflows` are `args`.

    `good` tells whether it can be carried out; a wrong one has to be refused or to fail.
    """

    field: str
    args: str = ""
    good: bool = True
    workflows: str = '["*"]'

    @property
    def text(self) -> str:
        """The document."""
        rest = f", {self.args}" if self.args else ""
        return f"mutation {{{self.field}(workflows: {self.workflows}{rest}) {{result}}}}"


_JOB: Final = 'taskJob: "1/first/01"'
_MESSAGES: Final = 'messages: [["INFO", "wri"]]'
_TIME: Final = 'eventTime: "2020-01-01T00:00:00Z"'

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "pause": Mutation("pause"),
    "pause of no workflow": Mutation("pause", good=False, workflows='["wri-none"]'),
    "pause of a bad workflow": Mutation("pause", good=False, workflows='["///"]'),
    "setVerbosity": Mutation("setVerbosity", "level: INFO"),
    "setGraphWindowExtent": Mutation("setGraphWindowExtent", "nEdgeDistance: 1"),
    "setGraphWindowExtent -1": Mutation("setGraphWindowExtent", "nEdgeDistance: -1", good=False),
    "extTrigger": Mutation("extTrigger", 'id: "wri", message: "wri"'),
    "message": Mutation("message", f"{_JOB}, {_TIME}, {_MESSAGES}"),
    "message without eventTime": Mutation("message", f"{_JOB}, {_MESSAGES}"),
    "message without messages": Mutation("message", f"{_JOB}, {_TIME}", good=False),
    "broadcast": Mutation(
        "broadcast",
        'mode: Set, cyclePoints: ["1"], namespaces: ["first"], settings: [{script: "true"}]',
    ),
    "broadcast of nonsense": Mutation(
        "broadcast", 'mode: Set, settings: [{wri_none: "wri"}]', good=False
    ),
    "broadcast to nobody": Mutation(
        "broadcast", 'mode: Set, namespaces: ["wri_none"], settings: [{script: "true"}]', good=False
    ),
    "broadcast Clear": Mutation("broadcast", "mode: Clear"),
    "setHoldPoint": Mutation("setHoldPoint", 'point: "2"'),
    "setHoldPoint zz": Mutation("setHoldPoint", 'point: "zz"', good=False),
    "releaseHoldPoint": Mutation("releaseHoldPoint"),
    "hold": Mutation("hold", 'tasks: ["1/first"]'),
    "hold of nothing": Mutation("hold", "tasks: []", good=False),
    "hold of a bad identifier": Mutation("hold", 'tasks: ["///"]', good=False),
    "hold of a job": Mutation("hold", 'tasks: ["1/first/01"]', good=False),
    "hold of an unknown task": Mutation("hold", 'tasks: ["1/wri_none"]', good=False),
    "release": Mutation("release", 'tasks: ["1/first"]'),
    "poll": Mutation("poll", 'tasks: ["1/first"]'),
    "kill of an unknown task": Mutation("kill", 'tasks: ["1/wri_none"]', good=False),
    "remove of an unknown task": Mutation("remove", 'tasks: ["1/wri_none"]', good=False),
    "remove with a bad flow": Mutation("remove", 'tasks: ["1/wri_none"], flow: ["zz"]', good=False),
    "trigger of an unknown task": Mutation("trigger", 'tasks: ["1/wri_none"]', good=False),
    "trigger with a bad flow": Mutation("trigger", 'tasks: ["1/first"], flow: ["zz"]', good=False),
    "set of an unknown task": Mutation("set", 'tasks: ["1/wri_none"]', good=False),
    "set with both": Mutation(
        "set", 'tasks: ["1/first"], outputs: ["half"], prerequisites: ["1/bad"]', good=False
    ),
    "setOutputs of an unknown task": Mutation("setOutputs", 'tasks: ["1/wri_none"]', good=False),
    "stop at a bad cycle point": Mutation("stop", 'cyclePoint: "zz"', good=False),
    "stop after an unknown task": Mutation("stop", 'task: "1/wri_none"', good=False),
}
"""Mutations for a paused workflow, in this order; the ones that stay harmless if carried out."""

HIDDEN: Final[Mapping[str, Body]] = {
    "receiver": encode({"command": "receiver", "args": {"message": _API}}),
    **{
        name: encode({"command": name, "args": {}})
        for name in (
            *("register_endpoints", "configure_curve"),
            *("__str__", "__repr__", "__dir__", "__hash__", "__sizeof__", "__init_subclass__"),
            *("port", "stopped", "endpoints"),
        )
    },
}
"""Attributes of the servers of cylc-flow, and of any object in Python, that are no endpoints."""

HOSTILE: Final[Mapping[str, Body]] = {
    "body null": [b"null"],
    "body a number": [b"1"],
    "body a text": [b'"x"'],
    "body an array": [b"[]"],
    "body not UTF-8": [b"\xff\xfe{}"],
    "two frames": [b'{"command": "api", "args": {}}', b""],
    "command null": encode({"command": None, "args": {}}),
    "command a number": encode({"command": 1, "args": {}}),
    "command an array": encode({"command": [], "args": {}}),
    "args null with meta": encode({"command": "api", "args": None, "meta": {"prog": "wri"}}),
    "args an array with meta": encode({"command": "api", "args": [], "meta": {"prog": "wri"}}),
    "method stop": encode({"command": "stop", "args": {"reason": "wri"}}),
    "method publish_queued_items": encode({"command": "publish_queued_items", "args": {}}),
    "method operate": encode({"command": "operate", "args": {}}),
    "result not JSON": encode({"command": "__reduce__", "args": {}}),
}
"""Requests that some release dies of: each goes to a server that may die."""

SENT_ARGUMENTS: Final = ("message", "endpoint", "wri", "element_type", "reason")
"""The arguments that the requests above send; others that a server complains of are its own."""
