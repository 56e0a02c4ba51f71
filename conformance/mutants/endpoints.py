"""Faults of dispatch and of the endpoints (chapter 7)."""

import json
from typing import Any

from mutants.peer import Body, Message, Mutant, args, command, data, error, response
from mutants.registry import fault

LIST = "server/api/list::list::"


def _is_list(body: Body) -> bool:
    return command(body) == "api" and not args(body).get("endpoint")


def _listing(right: Message, change: Any) -> Message:
    return data(change(right["data"])) if isinstance(right.get("data"), list) else right


@response("no-api", [f"{LIST}*"])
def no_api(body: Body, right: Message) -> Message:
    """Does not offer api."""
    return error("there is no api") if command(body) == "api" else right


@response("unsorted", [f"{LIST}WRI-API-3"])
def unsorted(_body: Body, right: Message) -> Message:
    """Lists the endpoints in the wrong order."""
    return _listing(right, lambda names: names[::-1])


@response("lists-twice", [f"{LIST}WRI-API-1"])
def lists_twice(_body: Body, right: Message) -> Message:
    """Lists each endpoint twice."""
    return _listing(right, lambda names: sorted(names * 2))


@response("api-is-not-listed", [f"{LIST}WRI-API-1", f"{LIST}WRI-API-2", f"{LIST}WRI-ROLE-2"])
def api_is_not_listed(_body: Body, right: Message) -> Message:
    """Does not list api itself."""
    return _listing(right, lambda names: [name for name in names if name != "api"])


@response("ping-is-not-listed", ["server/ping/ping::list::WRI-ROLE-2"])
def ping_is_not_listed(_body: Body, right: Message) -> Message:
    """Does not list ping_workflow."""
    return _listing(right, lambda names: [name for name in names if name == "api"])


@response("lists-what-is-not-there", ["server/api/describe::all-listed::WRI-API-5"])
def lists_what_is_not_there(_body: Body, right: Message) -> Message:
    """Lists a method that is no endpoint."""
    return _listing(right, lambda names: sorted([*names, "stop"]))


@response("ping-is-missing", ["server/ping/ping::ping::*", "server/ping/ping::arguments::*"])
def ping_is_missing(body: Body, right: Message) -> Message:
    """Lists ping_workflow and does not offer it."""
    return error() if command(body) == "ping_workflow" else right


@response("ping-says-no", ["server/ping/ping::*::WRI-PING-*"])
def ping_says_no(body: Body, right: Message) -> Message:
    """Answers ping_workflow with false."""
    return data(False) if command(body) == "ping_workflow" else right


@response("ping-takes-nothing", ["server/ping/ping::arguments::WRI-PING-2"])
def ping_takes_nothing(body: Body, right: Message) -> Message:
    """Refuses ping_workflow with arguments."""
    return error() if command(body) == "ping_workflow" and args(body) else right


@response("null-for-description", ["server/api/describe::*"])
def null_for_description(body: Body, right: Message) -> Message:
    """Has no description of any endpoint."""
    return data(None) if args(body).get("endpoint") in {"api", "ping_workflow"} else right


@response("null-for-the-unknown", ["server/api/describe-unknown/*::description::WRI-API-*"])
def null_for_the_unknown(_body: Body, right: Message) -> Message:
    """Describes what is no endpoint with null."""
    return data(None) if "error" in right else right


@response("text-for-the-unknown", ["server/api/describe-unknown/*::description::WRI-API-6"])
def text_for_the_unknown(_body: Body, right: Message) -> Message:
    """Describes what is no endpoint with a text, as cylc-flow does."""
    return data("No method by name") if "error" in right else right


@response("lists-without-endpoint-only", ["server/api/no-endpoint/*::same::WRI-API-4"])
def lists_without_endpoint_only(body: Body, right: Message) -> Message:
    """Refuses an endpoint of null or of the empty string."""
    return error() if args(body).get("endpoint", "api") in {None, ""} else right


@response("api-is-a-number", ["server/api/no-endpoint/*::*"])
def api_is_a_number(body: Body, right: Message) -> Message:
    """Counts the endpoints instead of listing them, unless asked with an argument."""
    return data(2) if command(body) == "api" and not args(body) else right


@response("strict-arguments", ["server/api/further-arguments::*"])
def strict_arguments(body: Body, right: Message) -> Message:
    """Refuses arguments that api does not know."""
    return right if set(args(body)) <= {"endpoint"} else error()


@response("describes-anything", ["server/api/describe-wrong-type/*::refused::WRI-API-8"])
def describes_anything(_body: Body, right: Message) -> Message:
    """Describes endpoints of whatever type."""
    return data("Something.") if "error" in right else right


# -- what is no endpoint


def _unlisted(name: str, *steps: str) -> list[str]:
    return [f"server/dispatch/unlisted/{name}::{step}" for step in steps]


@fault(
    "dispatches-to-attributes",
    [*_unlisted("port", "refused::*"), *_unlisted("__dict__", "refused::*")],
)
class AttributeDispatch(Mutant):
    """Finds what is asked for among its own attributes."""

    foreseeable = False  # it would do what it finds

    def answer(self, body: Body) -> bytes:
        found = getattr(self, str(command(body)), None)
        if command(body) in self.endpoints or found is None:
            return super().answer(body)
        result = found(**args(body)) if callable(found) else found
        return json.dumps(data(str(result))).encode()


@response(
    "an-unlisted-call-is-carried-out",
    _unlisted("exit", "refused::*") + _unlisted("quit", "refused::*"),
)
def carried_out(body: Body, right: Message) -> Message:
    """Accepts exit and quit, without doing them."""
    return data(True) if command(body) in {"exit", "quit"} else right


@fault(
    "an-unlisted-call-has-an-effect",
    _unlisted("register_endpoints", "same-endpoints::WRI-END-2", "serves-on::WRI-LIM-1"),
)
class UnlistedEffect(Mutant):
    """Forgets its endpoints when asked for register_endpoints, which it refuses."""

    def answer(self, body: Body) -> bytes:
        answer = super().answer(body)
        if command(body) == "register_endpoints":
            self.endpoints = {}
        return answer
