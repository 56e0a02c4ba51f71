"""Asks one server everything that does not kill it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import graphql
from attrs import define, field

from wri_conformance import decode, introspection
from wri_conformance.deltas import MESSAGES
from wri_conformance.diffing import probes, servers
from wri_conformance.diffing.asking import Asker, Body, describe, encode, injected
from wri_conformance.diffing.neutral import Neutral
from wri_conformance.diffing.target import Target
from wri_conformance.peers import Reply
from wri_conformance.runs import Run, StartError, Workshop

_SILENT: Final = 3  # requests without a reply, after which it is given up
_LONGEST: Final = 300  # characters of a text that are kept


@define
class Questions:
    """All questions to one server, one after the other."""

    target: Target
    workshop: Workshop
    say: Callable[[str], None]
    notes: list[str] = field(factory=list)
    _asker: Asker = field(init=False)
    _silent: int = 0  # requests in a row without a reply

    def observe(self) -> dict[str, Any]:
        """Return the parts of a profile that are answers.

        Raises:
            StartError: the server cannot be started, or answers nobody any more.
        """
        run: Run = servers.start(self.target, self.workshop)
        self._asker = Asker(run)
        try:
            found = self._observe()
            schema = self._schema()
        finally:
            self._asker.close()
            run.close()
        return {**Neutral.of(run)(found), "graphql": schema}

    def _observe(self) -> dict[str, Any]:
        self.say("requests")
        found: dict[str, Any] = {
            "endpoints": self._endpoints(),
            "requests": {name: self._shape(body) for name, body in probes.REQUESTS.items()},
            "operations": {name: self._shape(body) for name, body in probes.OPERATIONS.items()},
            "elements": {str(kind): self._elements(kind) for kind in probes.ELEMENT_TYPES},
        }
        self.say("mutations")
        found["mutations"] = {name: self._mutation(one) for name, one in probes.MUTATIONS.items()}
        found["hidden"] = {name: self._shape(body) for name, body in probes.HIDDEN.items()}
        messages = [str(one.get("message", "")) for one in found["hidden"].values()]
        found["injected"] = injected(messages, probes.SENT_ARGUMENTS)
        return found

    def _send(self, body: Body) -> Reply | None:
        reply = self._asker.send(body)
        self._silent = 0 if reply is not None else self._silent + 1
        if self._silent == _SILENT:
            run = self._asker.run
            why = run.ended() or f"it did not answer {_SILENT} requests in a row"
            raise StartError(f"{self.target.name} serves nobody any more: {why}", "")
        return reply

    def _shape(self, body: Body) -> dict[str, Any]:
        return describe(self._send(body))

    def _endpoints(self) -> list[str]:
        reply = self._send(encode({"command": "api", "args": {}}))
        try:
            data = None if reply is None else reply.json()["data"]
        except (ValueError, LookupError, TypeError):
            data = None
        return sorted(map(str, data)) if isinstance(data, list) else []

    def _elements(self, kind: Any) -> dict[str, Any]:
        """Return the shape of the answer to `pb_data_elements`, with the fields of the message."""
        reply = self._send(encode({"command": "pb_data_elements", "args": {"element_type": kind}}))
        shape = describe(reply)
        if reply is not None and shape["outcome"] == "bytes" and kind in MESSAGES and reply.body:
            try:
                message = decode.parse(MESSAGES[kind].DESCRIPTOR.name, reply.body)
            except decode.NotThatError as error:
                return {**shape, "wrong": str(error)}
            shape["fields"] = sorted(one.name for one, _ in message.ListFields())
        return shape

    def _schema(self) -> str | None:
        """Return the schema as SDL, without descriptions."""
        answer = self._asker.graphql(introspection.QUERY)
        try:
            schema = graphql.build_client_schema(answer["data"])
        except (graphql.GraphQLError, TypeError, LookupError, AttributeError, ValueError) as error:
            self.notes.append(f"graphql: the schema cannot be read: {str(error)[:_LONGEST]}")
            return None
        return graphql.print_schema(graphql.lexicographic_sort_schema(schema))

    def _mutation(self, one: probes.Mutation) -> dict[str, Any]:
        """Return how a mutation is answered: the shape, whether it is accepted, and the text."""
        args = {"request_string": one.text, "variables": {}}
        reply = self._send(encode({"command": "graphql", "args": args}))
        shape = describe(reply)
        if reply is None or shape["outcome"] != "data":
            return shape
        return {**shape, **_result(reply.json()["data"], one.field)}


def _result(data: Any, name: str) -> dict[str, Any]:
    """Return {members, accepted, text} or {members, response} of the first workflow in a result."""
    result = data.get(name, {}) if isinstance(data, Mapping) else {}
    items = result.get("result") if isinstance(result, Mapping) else None
    if not isinstance(items, list) or not items or not isinstance(items[0], Mapping):
        return {"result": "other"}
    response = items[0].get("response")
    found: dict[str, Any] = {"members": sorted(items[0])}
    if isinstance(response, list) and response and isinstance(response[0], bool):
        told = response[1] if len(response) > 1 else ""
        return {**found, "accepted": response[0], "text": str(told)[:_LONGEST]}
    return {**found, "response": json.dumps(response, sort_keys=True)[:_LONGEST]}
