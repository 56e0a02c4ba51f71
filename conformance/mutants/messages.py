"""Faults in the responses, whatever was asked (chapters 4 to 6)."""

import json
import re

from mutants.peer import Body, Message, Mutant, command, data, error, parse, response
from mutants.registry import fault

NAME = "server/requests/exact-name"
ENCODING = "server/framing/encodings"


@response(
    "both-data-and-error",
    ["server/responses/success::response::WRI-RES-1", "server/responses/error::*::WRI-RES-1"],
)
def both(_body: Body, right: Message) -> Message:
    """Sends each response with both members, the one that does not apply as null."""
    return {"data": None, "error": None} | right


@response(
    "old-envelope",
    ["server/responses/success::response::WRI-RES-*"],
)
def old_envelope(_body: Body, right: Message) -> Message:
    """Wraps responses into an array, as schedulers before 8.0 did."""
    return [right]  # type: ignore[return-value]


@response("error-is-text", ["server/responses/error::response::WRI-RES-2"])
def error_is_text(_body: Body, right: Message) -> Message:
    """Makes the error a string."""
    return right | {"error": "it failed"} if "error" in right else right


@response("error-is-empty", ["server/responses/error::response::WRI-RES-2"])
def error_is_empty(_body: Body, right: Message) -> Message:
    """Sends errors whose message is empty."""
    return right | {"error": {"message": ""}} if "error" in right else right


@response(
    "no-version",
    [
        "server/responses/success::response::WRI-RES-3",
        "server/responses/success::response::WRI-RES-4",
        "server/responses/error::response::WRI-RES-3",
        "server/responses/error::response::WRI-RES-4",
    ],
)
def no_version(_body: Body, right: Message) -> Message:
    """Leaves out cylc_version."""
    return {name: value for name, value in right.items() if name != "cylc_version"}


@response("other-version", ["server/responses/*::response::WRI-RES-4"])
def other_version(_body: Body, right: Message) -> Message:
    """Answers with another version than the contact file has."""
    return right | {"cylc_version": "8.0.0"}


@response("shows-its-inside", ["server/responses/message-shows-no-internals/*::WRI-RES-6"])
def shows_its_inside(_body: Body, right: Message) -> Message:
    """Answers errors with a traceback."""
    trace = 'Traceback (most recent call last):\n  File "server.py", line 3, in receiver'
    return error(trace) if "error" in right else right


@response("bad-request", ["server/responses/message-names-the-cause/*::WRI-RES-7"])
def bad_request(_body: Body, right: Message) -> Message:
    """Answers each mistake with the same two words."""
    return error("bad request") if "error" in right else right


@response(
    "errors-as-data",
    [
        "server/errors/unknown-endpoint::refused::WRI-ERR-2",
        "server/errors/unknown-endpoint::with-args::WRI-ERR-2",
        "server/errors/unknown-endpoint::empty::WRI-ERR-2",
        "server/errors/unknown-endpoint::long::WRI-ERR-2",
        "server/responses/error::response::WRI-RES-1",
        "server/responses/error::response::WRI-RES-2",
        "server/requests/exact-name/*::refused::WRI-REQ-7",
        "server/framing/order::in-order::WRI-FRM-5",
        "server/responses/message-*::message::WRI-RES-*",
    ],
)
def errors_as_data(_body: Body, right: Message) -> Message:
    """Reports errors as successful results."""
    return data(right["error"]["message"]) if "error" in right else right


@response(
    "nothing-but-null",
    [
        "server/api/list::list::WRI-API-*",
        "server/api/list::list::WRI-ROLE-2",
        "server/ping/ping::ping::WRI-PING-1",
        "server/ping/ping::list::WRI-ROLE-2",
        "server/ping/ping::arguments::WRI-PING-2",
        "server/limits/large-request::*::WRI-LIM-6",
        "server/requests/unknown-members::*",
    ],
)
def nothing_but_null(_body: Body, _right: Message) -> Message:
    """Answers everything with null."""
    return data(None)


# -- how requests are understood


@response("needs-meta", ["server/requests/meta/absent::*", "server/requests/meta/null::*"])
def needs_meta(body: Body, right: Message) -> Message:
    """Refuses requests without meta."""
    return right if parse(body).get("meta") else error("who are you?")


@response("strict-request", ["server/requests/unknown-members::request::WRI-REQ-4"])
def strict_request(body: Body, right: Message) -> Message:
    """Refuses members of a request that it does not know."""
    return right if set(parse(body)) <= {"command", "args", "meta"} else error()


@response("strict-meta", ["server/requests/unknown-members::meta::WRI-REQ-5"])
def strict_meta(body: Body, right: Message) -> Message:
    """Refuses members of meta that it does not know."""
    return right if set(parse(body).get("meta") or {}) <= {"prog", "host"} else error()


@fault(
    "any-case",
    ["server/requests/exact-name/upper-case::*", "server/requests/exact-name/capital::*"],
)
class AnyCase(Mutant):
    """Takes upper case for lower case in the name of an endpoint."""

    def answer(self, body: Body) -> bytes:
        return super().answer([re.sub(rb'"command": "\w+"', lambda m: m[0].lower(), body[0])])


@fault(
    "strips-names",
    ["server/requests/exact-name/space-*::*", "server/requests/exact-name/newline::*"],
)
class StripsNames(Mutant):
    """Strips white space from the name of an endpoint."""

    def answer(self, body: Body) -> bytes:
        asked = command(body)
        if isinstance(asked, str) and asked != asked.strip():
            body = [json.dumps(parse(body) | {"command": asked.strip()}).encode()]
        return super().answer(body)


@response(
    "canonical-json",
    [f"{ENCODING}/whitespace::*", f"{ENCODING}/escaped::*"],
)
def canonical_json(body: Body, right: Message) -> Message:
    """Refuses each request that is not written as Python writes it."""
    same = json.dumps(parse(body)).encode() == body[0]
    return right if same or "error" in right else error("write it properly")


@response("only-ascii", [f"{ENCODING}/raw::*"])
def only_ascii(body: Body, right: Message) -> Message:
    """Refuses characters beyond ASCII."""
    return right if body[0].isascii() else error("speak American")
