"""Faults in what becomes of GraphQL documents, valid ones and others (chapters 7 and 13)."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from mutants.limits import MORE_THAN_A_BOUND
from mutants.peer import Body, DeadError, Message, Mutant, args, command, data, error, response
from mutants.registry import add, fault
from wri_reference._errors import RemoteProtocolError

GRAPHQL = "server/graphql"
DOCUMENT = f"{GRAPHQL}/document::"
SAME = f"{GRAPHQL}/same-as-protobuf::"
REFUSED = f"{GRAPHQL}/refused"
NOT_AN_IDENTIFIER = "server/queries/not-an-identifier"
LIMITS = "server/limits"
SCHEMA = f"{GRAPHQL}/schema::"
CONTROL_SCHEMA = "server/control/schema::"


def text(body: Body) -> str:
    """Return the document of a request; nothing if it has none."""
    found = args(body).get("request_string")
    return found if command(body) == "graphql" and isinstance(found, str) else ""


# -- refusing and accepting


class _Refuses(Mutant):
    """Refuses documents that match a pattern."""

    pattern = ""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        if isinstance(document, str) and re.search(self.pattern, document):
            raise RemoteProtocolError("this is not implemented")
        return super().carry_out(document, variables, operation)


REFUSES = {
    "no-names": ("named operations", r"query named", [f"{DOCUMENT}parts::*"]),
    "no-aliases": ("aliases", r"first: ", [f"{DOCUMENT}parts::*"]),
    "no-fragments": ("fragments", r"\.\.\.", [f"{DOCUMENT}parts::*", f"{DOCUMENT}typename::*"]),
    "no-inline-fragments": ("fragments without a name", r"\.\.\. on", [f"{DOCUMENT}typename::*"]),
    "no-directives": ("directives", "@", [f"{DOCUMENT}parts::*"]),
    "no-introspection": (
        "introspection",
        "__schema",
        [f"{SCHEMA}*", f"{CONTROL_SCHEMA}*"],
    ),
    "no-variables": (
        "documents with variables",
        r"\$id: ID!",
        ["server/queries/one/taskProxy::*"],
    ),
}

for _name, (_what, _pattern, _breaks) in REFUSES.items():
    add(_name, f"Refuses {_what}.", _breaks, type(_name, (_Refuses,), {"pattern": _pattern}))


@fault("needs-variables", [f"{DOCUMENT}no-variables-at-all::*"])
class NeedsVariables(Mutant):
    """Refuses a request without the argument variables."""

    def amend(self, body: Body, right: Message) -> Message:
        return error() if text(body) and "variables" not in args(body) else right


@fault("needs-an-object-of-variables", [f"{DOCUMENT}no-variables::*"])
class NeedsAnObject(Mutant):
    """Refuses variables of null."""

    def amend(self, body: Body, right: Message) -> Message:
        return error() if text(body) and args(body).get("variables", {}) is None else right


@fault("strict-variables", [f"{DOCUMENT}undeclared-variable::*"])
class StrictVariables(Mutant):
    """Refuses variables that the operation does not declare."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        for name in variables if isinstance(variables, dict) else ():
            if f"${name}" not in str(document):
                raise RemoteProtocolError("there is no such variable")
        return super().carry_out(document, variables, operation)


# -- data


@fault("whole-response", [f"{DOCUMENT}*"])
class WholeResponse(Mutant):
    """Sends the whole response of GraphQL, of which the data is a member."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        return {"data": super().carry_out(document, variables, operation)}


@fault("errors-beside-the-data", [f"{DOCUMENT}result::WRI-GQL-3", f"{DOCUMENT}parts::*"])
class ErrorsBesideTheData(Mutant):
    """Puts a member for errors beside the fields."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        return super().carry_out(document, variables, operation) | {"errors": None}


@fault("answers-more-than-asked", [f"{DOCUMENT}result::*"])
class AnswersMoreThanAsked(Mutant):
    """Shows the name of a workflow, whether asked for it or not."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        found = super().carry_out(document, variables, operation)
        for one in found.get("workflows", ()):
            one["name"] = "main"
        return found


@fault("calls-types-by-their-messages", [f"{DOCUMENT}typename::*"])
class CallsTypesByTheirMessages(Mutant):
    """Calls the type of an element by the name of its protobuf message."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        found = super().carry_out(document, variables, operation)
        for one in found.get("taskProxies", ()):
            if "__typename" in one:
                one["__typename"] = "PbTaskProxy"
        return found


class _OtherValue(Mutant):
    """Shows a field otherwise than the snapshot does."""

    kind = ""
    field = ""
    change: Callable[[Any], Any]

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        found = super().carry_out(document, variables, operation)
        for one in found.get(self.kind) or ():
            if self.field in one:
                one[self.field] = type(self).change(one[self.field])
        return found


OTHER: dict[str, tuple[str, str, str, Callable[[Any], Any]]] = {
    "last-second": ("workflow", "workflows", "lastUpdated", int),
    "held-is-forgotten": ("task-proxies", "taskProxies", "isHeld", lambda _: False),
    "families-wait": ("family-proxies", "familyProxies", "state", lambda _: "waiting"),
    "depth-from-one": ("tasks", "tasks", "depth", lambda right: right + 1),
    "short-family-names": ("families", "families", "name", lambda right: right[:2]),
    "no-messages": ("jobs", "jobs", "messages", lambda _: []),
    "relative-ends": ("edges", "edges", "source", lambda right: right.partition("//")[2]),
}

for _name, (_step, _kind, _field, _change) in OTHER.items():
    _members = {"kind": _kind, "field": _field, "change": staticmethod(_change)}
    add(
        _name,
        f"Shows {_field} of {_kind} in GraphQL otherwise than in protobuf.",
        [f"{SAME}{_step}::*"],
        type(_name, (_OtherValue,), _members),
    )


# -- errors


@response("first-error-only", [f"{GRAPHQL}/several-errors::message::WRI-GQL-7"])
def first_error_only(_body: Body, right: Message) -> Message:
    """Tells the first of several errors."""
    return error(right["error"]["message"].partition("; ")[0]) if "error" in right else right


@fault(
    "null-for-a-bad-document",
    [f"{REFUSED}/*::refused::WRI-GQL-{number}" for number in (4, 6, 8, 12, 15)]
    + [f"{GRAPHQL}/no-effect/*::refused::WRI-GQL-4"],
)
class NullForABadDocument(Mutant):
    """Answers null instead of an error to whatever it cannot carry out."""

    def amend(self, body: Body, right: Message) -> Message:
        return data(None) if command(body) == "graphql" and "error" in right else right


class _Accepts(Mutant):
    """Answers null instead of an error to documents that match a pattern."""

    pattern = ""

    def amend(self, body: Body, right: Message) -> Message:
        matches = re.search(self.pattern, json.dumps(args(body)))
        return data(None) if command(body) == "graphql" and matches and "error" in right else right


ACCEPTS = {
    "null-for-a-subscription": (
        "subscriptions",
        '"subscription ',
        ["subscription", "subscription-of-deltas"],
    ),
    "null-for-no-document": (
        "what has no document",
        r"^\{\"variables\": \{\}\}$",
        ["no-document"],
    ),
    "null-for-null": ("a document of null", '"request_string": null', ["document-is-null"]),
    "null-for-documents-in-objects": (
        "a document that is not a string",
        r'"request_string": [\[{3]',
        ["document-is-an-object", "document-is-an-array", "document-is-a-number"],
    ),
    "null-for-nothing-to-do": (
        "a document without operations",
        '"request_string": "(#|")',
        ["empty", "comment"],
    ),
    "null-for-unknown-fields": (
        "what the schema does not have",
        "nope",
        ["unknown-field", "unknown-argument", "unknown-fragment"],
    ),
    "null-for-a-circle": (
        "a fragment that contains itself",
        "fragment f",
        ["fragment-of-itself"],
    ),
    "null-for-no-selection": (
        "fields that do not fit the type",
        r"\{ workflows \}|id \{",
        ["no-subfields", "subfields-of-a-text"],
    ),
    "null-for-missing-arguments": (
        "a mandatory argument that is missing",
        r"\{ taskProxy \{",
        ["mandatory-argument"],
    ),
    "null-for-missing-variables": (
        "a mandatory variable that is missing",
        r"\$id: ID!",
        ["missing-variable", "null-variable"],
    ),
    "null-for-other-types": (
        "values of the wrong type",
        r'deep|900719|mindepth: ."|"variables": \[',
        ["variable-type", "variable-range", "argument-type", "variables-are-an-array"],
    ),
    "null-for-broken-syntax": (
        "what is no GraphQL",
        r'id \}"|select',
        ["unclosed", "no-graphql"],
    ),
}

for _name, (_what, _pattern, _cases) in ACCEPTS.items():
    add(
        _name,
        f"Answers null to {_what}.",
        [f"{REFUSED}/{case}::refused::*" for case in _cases],
        type(_name, (_Accepts,), {"pattern": _pattern}),
    )


@fault("data-of-the-others", [f"{REFUSED}/resolver::refused::WRI-GQL-6"])
class DataOfTheOthers(Mutant):
    """Answers with the data of the other fields if one has an error."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        try:
            return super().carry_out(document, variables, operation)
        except RemoteProtocolError:
            if "workflows { id } taskProxies" not in str(document):
                raise
            good = super().carry_out("{ workflows { id } }", {})
            return good | {"taskProxies": None}


@fault(
    "does-what-it-can",
    [
        f"{GRAPHQL}/no-effect/{case}::only-the-later::WRI-GQL-5"
        for case in ("unknown-field", "variable-without-value")
    ],
)
class DoesWhatItCan(Mutant):
    """Carries out the first mutation of a document that is not valid, and refuses it."""

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        try:
            return super().carry_out(document, variables, operation)
        except RemoteProtocolError:
            for first in re.findall(r"hold \(.*?\)", str(document))[:1]:
                super().carry_out(f"mutation {{ {first} {{ result }} }}", None)
            raise


# -- documents that are too much


class _Dies(Mutant):
    """Ends its request loop when a document comes that matches a pattern."""

    pattern = ""

    def answer(self, body: Body) -> bytes:
        if re.search(self.pattern, text(body)):
            raise DeadError
        return super().answer(body)


DIES = {
    "dies-of-a-subscription": (
        "a subscription",
        "^subscription",
        [f"{REFUSED}/subscription::*"],
    ),
    "dies-of-what-is-no-identifier": (
        "an identifier that is none",
        '"~ada',
        [f"{NOT_AN_IDENTIFIER}/absolute::*"],
    ),
    "dies-of-a-deep-document": (
        "a document that is nested deeply",
        r"(\{workflows|\[|\{keys:){1000}",
        [f"{LIMITS}/deep-document/{case}::*" for case in ("fields", "lists")],
    ),
}

for _name, (_what, _pattern, _breaks) in DIES.items():
    add(
        _name,
        f"Ends its request loop when it gets {_what}.",
        _breaks,
        type(_name, (_Dies,), {"pattern": _pattern}),
    )


@fault("garbles-a-deep-document", [f"{LIMITS}/deep-document/*::answered::WRI-LIM-14"])
class GarblesADeepDocument(Mutant):
    """Answers null, which is no response, to a document that is nested deeply."""

    def receiver(self, body: Body) -> bytes:
        return b"null" if "{workflows" * 1000 in text(body) else super().receiver(body)


@fault("ponders-over-large-documents", [f"{LIMITS}/large-document/*::others::WRI-LIM-15"])
class PondersOverLargeDocuments(Mutant):
    """Takes its time with whatever is long and no valid document."""

    def amend(self, body: Body, right: Message) -> Message:
        if len(text(body)) > 100_000 and "error" in right:  # noqa: PLR2004
            time.sleep(MORE_THAN_A_BOUND)
        return right


# -- the schema


class _Lacks(Mutant):
    """Does not describe a field of the schema, or an argument of one."""

    path: tuple[str, ...] = ()

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        found = super().carry_out(document, variables, operation)
        kinds = found.get("__schema", {}).get("types", ())
        *above, last = self.path
        rows = kinds
        for name, inside in zip(above, ("fields", "args"), strict=False):
            rows = next((row[inside] for row in rows if row["name"] == name), [])
        rows[:] = [row for row in rows if row["name"] != last]
        return found


LACKS = {
    "query-of-all-releases": (
        ("Queries", "nodesEdges"),
        [f"{SCHEMA}*::WRI-GQL-1", f"{SCHEMA}*::WRI-GQL-2"],
    ),
    "argument-of-all-releases": (
        ("Queries", "jobs", "exids"),
        [f"{SCHEMA}*::WRI-GQL-1", f"{SCHEMA}*::WRI-GQL-2"],
    ),
    "field-of-this-release": (("Job", "runtime"), [f"{SCHEMA}release::WRI-GQL-2"]),
    "mutation-of-all-releases": (
        ("Mutations", "hold"),
        [f"{CONTROL_SCHEMA}base::WRI-CTL-1", f"{CONTROL_SCHEMA}release::WRI-CTL-2"],
    ),
    "argument-of-this-release": (
        ("Mutations", "trigger", "onResume"),
        [f"{CONTROL_SCHEMA}release::WRI-CTL-2"],
    ),
}

for _name, (_path, _breaks) in LACKS.items():
    add(
        f"no-{_name}",
        f"Does not offer {'.'.join(_path)}.",
        _breaks,
        type(_name, (_Lacks,), {"path": _path}),
    )


@response("no-schema", [f"{SCHEMA}*", f"{CONTROL_SCHEMA}*"])
def no_schema(body: Body, right: Message) -> Message:
    """Answers introspection with null."""
    return data({"__schema": None}) if "__schema" in text(body) else right
