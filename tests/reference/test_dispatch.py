"""From the bytes of a request to the bytes of its response, without a socket (chapter 7)."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.reference import conftest
from wri.data import root
from wri_reference._dispatch import describe, dispatch, expose, exposed
from wri_reference._errors import RemoteProtocolError
from wri_reference.server import WorkflowRuntimeServer

_SCHEMAS = [
    json.loads(path.read_text("utf-8")) for path in sorted((root() / "schemas").glob("*.json"))
]
_REGISTRY: Registry[Any] = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in _SCHEMAS]
)
_VALIDATORS = {
    schema["$id"].rpartition("/")[2]: Draft202012Validator(schema, registry=_REGISTRY)
    for schema in _SCHEMAS
}


class Sample:
    """An object with endpoints of all kinds."""

    attribute = 3

    @expose
    def echo(self, value: Any) -> Any:
        """Return `value`."""
        return value

    @expose
    def optional(self, value: Any = "default") -> Any:
        return value

    @expose
    def unserialisable(self) -> object:
        return object()

    @expose
    def broken(self) -> None:
        raise ValueError("secret of /usr/lib/python3 at 0xdeadbeef")

    @expose
    def refuse(self) -> None:
        raise RemoteProtocolError("not today")

    @expose
    def recurse(self) -> Any:
        return self.recurse()

    def hidden(self) -> str:
        raise AssertionError("it was called")


ENDPOINTS = exposed(Sample())


def ask(command: Any, args: Any, **members: Any) -> Any:
    response = json.loads(
        dispatch(ENDPOINTS, [json.dumps({"command": command, "args": args} | members).encode()])
    )
    _VALIDATORS["response.json"].validate(response)
    return response


def message(command: Any, args: Any, **members: Any) -> str:
    response = ask(command, args, **members)
    assert set(response) == {"error", "cylc_version"}
    return str(response["error"]["message"])


def test_only_exposed_methods_are_endpoints() -> None:
    assert list(ENDPOINTS) == ["broken", "echo", "optional", "recurse", "refuse", "unserialisable"]


@pytest.mark.parametrize(
    "name",
    ["hidden", "attribute", "__class__", "__reduce__", "__init__", "ECHO", "echo ", "", "echo.x"],
)
def test_nothing_else_can_be_called(name: str) -> None:
    assert message(name, {}) == f"there is no endpoint '{name}'"


@pytest.mark.parametrize("meta", [{}, None, {"auth_user": "eve", "more": [1]}])
def test_an_endpoint_is_called(meta: Any) -> None:
    assert ask("echo", {"value": [1, None]}, meta=meta)["data"] == [1, None]


def test_arguments_that_the_endpoint_does_not_know_are_ignored() -> None:
    strange = {"self": 1, "meta": 2, "not an identifier": 3, "": 4, "cls": 5, "class": 6}
    assert ask("echo", {"value": 0, **strange})["data"] == 0
    assert ask("optional", strange)["data"] == "default"


def test_an_argument_that_is_missing_is_named() -> None:
    assert message("echo", {}) == "the endpoint 'echo' needs the argument 'value'"


def test_an_endpoint_can_refuse() -> None:
    assert message("refuse", {}) == "not today"


@pytest.mark.parametrize("name", ["broken", "recurse", "unserialisable"])
def test_a_failure_of_an_endpoint_is_answered_and_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "wri_reference"):
        text = message(name, {})
    assert name in text
    for inside in ("ValueError", "secret", "0x", "Traceback", "object", "/usr", "Sample"):
        assert inside not in text
    assert name in caplog.text


def test_a_long_name_is_not_repeated() -> None:
    text = message("x" * 1_000_000, {})
    assert text.startswith("there is no endpoint 'xxx")
    assert len(text) < 200


def test_a_lone_surrogate_is_not_sent_back() -> None:
    frame = dispatch(ENDPOINTS, [b'{"command": "\\ud800", "args": {}}'])
    assert json.loads(frame)["error"]["message"] == "there is no endpoint '\\ud800'"
    assert json.loads(dispatch(ENDPOINTS, [b'{"command":"echo","args":{"value":"\\ud800"}}']))[
        "error"
    ]


def test_an_endpoint_without_docstring_is_described() -> None:
    assert describe(ENDPOINTS["optional"]).strip()
    assert describe(ENDPOINTS["echo"]) == "Return `value`."


_NEAR_MISSES = st.dictionaries(
    st.sampled_from(["command", "args", "meta", "x"]),
    st.sampled_from(["api", "echo", "", None, 1, [], {}, {"self": 1}, {"endpoint": []}, True]),
).map(lambda message: json.dumps(message).encode())


@given(st.lists(st.binary() | _NEAR_MISSES, max_size=3))
def test_any_frames_get_exactly_one_well_formed_response(body: list[bytes]) -> None:
    response = json.loads(dispatch(ENDPOINTS, body).decode("utf-8"))
    _VALIDATORS["response.json"].validate(response)


@pytest.fixture
def server() -> WorkflowRuntimeServer:
    return WorkflowRuntimeServer("w")


def api(server: WorkflowRuntimeServer, **args: Any) -> Any:
    request = {"command": "api", "args": args}
    return json.loads(server.receiver([json.dumps(request).encode()]))


@pytest.mark.parametrize("args", [{}, {"endpoint": None}, {"endpoint": ""}, {"other": 1}])
def test_api_lists_the_endpoints(server: WorkflowRuntimeServer, args: dict[str, Any]) -> None:
    assert api(server, **args)["data"] == conftest.ENDPOINTS


def test_api_describes_an_endpoint(server: WorkflowRuntimeServer) -> None:
    assert "alive" in api(server, endpoint="ping_workflow")["data"]
    assert "no endpoint 'start'" in api(server, endpoint="start")["error"]["message"]


@pytest.mark.parametrize("endpoint", [0, False, 1, [], {}, ["api"], {"api": 1}, 1.5])
def test_api_refuses_what_is_no_name(server: WorkflowRuntimeServer, endpoint: Any) -> None:
    assert "'endpoint'" in api(server, endpoint=endpoint)["error"]["message"]


def test_a_subclass_adds_endpoints() -> None:
    class More(WorkflowRuntimeServer):
        @expose
        def twice(self, number: int) -> int:
            return 2 * number

    server = More("w")
    assert api(server)["data"] == [*conftest.ENDPOINTS, "twice"]
    reply = server.receiver([b'{"command": "twice", "args": {"number": 4}}'])
    assert json.loads(reply)["data"] == 8
