"""Requests and responses, byte by byte (chapters 4 to 6)."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_reference._errors import LocalProtocolError, RemoteProtocolError
from wri_reference._messages import (
    MAX_REQUEST,
    Data,
    Error,
    Request,
    decode_arguments,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    quote,
)

BAD_REQUESTS = {
    "no frame": ([], "one frame"),
    "two frames": ([b"{}", b""], "one frame; 2 came"),
    "empty": ([b""], "not JSON"),
    "NUL": ([b"\0"], "not JSON"),
    "not UTF-8": ([b'{"command": "\xff"}'], "not UTF-8, from byte 13"),
    "UTF-16": (['{"command": "api", "args": {}}'.encode("utf-16")], "not UTF-8"),
    "surrogate in UTF-8": ([b'{"command": "\xed\xa0\x80", "args": {}}'], "not UTF-8"),
    "byte order mark": ([b'\xef\xbb\xbf{"command": "api", "args": {}}'], "byte order mark"),
    "trailing": ([b'{"command": "api", "args": {}} x'], "not JSON"),
    "single quotes": ([b"{'command': 'api'}"], "not JSON"),
    "NaN": ([b'{"command": "api", "args": {"x": NaN}}'], "NaN"),
    "Infinity": ([b'{"command": "api", "args": {"x": Infinity}}'], "Infinity"),
    "-Infinity": ([b'{"command": "api", "args": {"x": -Infinity}}'], "-Infinity"),
    "null": ([b"null"], "object; null came"),
    "true": ([b"true"], "object; a boolean came"),
    "number": ([b"1"], "object; a number came"),
    "string": ([b'"api"'], "object; a string came"),
    "array": ([b'[{"command": "api", "args": {}}]'], "object; an array came"),
    "no command": ([b'{"args": {}}'], "no member 'command'"),
    "no args": ([b'{"command": "api"}'], "no member 'args'"),
    "command null": ([b'{"command": null, "args": {}}'], "'command' is a string; null came"),
    "command array": ([b'{"command": [], "args": {}}'], "'command' is a string; an array came"),
    "command object": ([b'{"command": {}, "args": {}}'], "'command' is a string; an object"),
    "args null": ([b'{"command": "api", "args": null}'], "'args' is an object; null came"),
    "args array": ([b'{"command": "api", "args": [], "meta": {}}'], "'args' is an object"),
    "meta": ([b'{"command": "api", "args": {}, "meta": 3}'], "'meta' is an object; a number"),
    "meta array": ([b'{"command": "api", "args": {}, "meta": []}'], "'meta' is an object"),
    "deep": ([b'{"command": "api", "args": ' + b"[" * 100_000], "nested too deeply"),
    "too long": ([b" " * (MAX_REQUEST + 1)], f"takes up to {MAX_REQUEST}"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_body_that_is_not_a_request_is_the_fault_of_the_sender(case: str) -> None:
    body, complaint = BAD_REQUESTS[case]
    with pytest.raises(RemoteProtocolError) as raised:
        decode_request(body)
    assert complaint in str(raised.value)
    assert str(raised.value).startswith(("the request ", "the body ", "the member ", "a request "))


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ('{"command": "api", "args": {}}', Request("api", {}, {})),
        ('{"args":{},"command":"api"}', Request("api", {}, {})),
        (' \t\r\n{"command" : "api" , "args" : { } }\n', Request("api", {}, {})),
        (
            '{"\\u0063ommand": "\\u0061pi", "args": {"x": "é\\u00e9"}}',
            Request("api", {"x": "éé"}, {}),
        ),
        ('{"command": "api", "args": {}, "meta": null}', Request("api", {}, {})),
        (
            '{"command": "api", "args": {}, "meta": {"x": 1}, "user": 2}',
            Request("api", {}, {"x": 1}),
        ),
        ('{"command": "", "args": {"": [], "self": 1}}', Request("", {"": [], "self": 1}, {})),
        ('{"command": "\\ud800", "args": {}}', Request("\ud800", {}, {})),
    ],
)
def test_every_encoding_of_a_request_is_understood(text: str, request_: Request) -> None:
    assert decode_request([text.encode()]) == request_


def test_a_long_number_does_not_keep_a_request_from_being_carried_out() -> None:
    body = b'{"command": "api", "args": {"x": ' + b"9" * 5000 + b', "y": 7, "z": 123456789012}}'
    assert decode_request([body]).args == {"x": math.inf, "y": 7, "z": 123456789012}


def test_a_request_just_short_enough() -> None:
    text = b'{"command": "api", "args": {}}'
    assert decode_request([text + b" " * (MAX_REQUEST - len(text))]).command == "api"


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (1, {}),
        ("api", []),
        ("api", {1: 2}),
        ("api", {"x": math.nan}),
        ("api", {"x": math.inf}),
        ("api", {"x": "\ud800"}),
        ("api", {"x": object()}),
        ("api", {"x": 10**5000}),
    ],
)
def test_what_is_no_request_is_not_sent(command: Any, args: Any) -> None:
    with pytest.raises(LocalProtocolError):
        encode_request(command, args, {})


def test_the_bytes_of_a_request() -> None:
    assert encode_request("api", {"x": "é"}, {"prog": "p"}) == (
        '{"command": "api", "args": {"x": "é"}, "meta": {"prog": "p"}}'.encode()
    )


def test_the_bytes_of_responses() -> None:
    assert encode_response(Data(None)) == b'{"data": null, "cylc_version": "8.5.4"}'
    assert encode_response(Error("no")) == b'{"error": {"message": "no"}, "cylc_version": "8.5.4"}'


@pytest.mark.parametrize("value", [math.nan, {1, 2}, b"", "\ud800", Ellipsis])
def test_data_that_json_cannot_express_is_our_own_fault(value: Any) -> None:
    with pytest.raises(LocalProtocolError):
        encode_response(Data(value))


def test_an_error_without_a_message_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        encode_response(Error(""))


def test_a_value_within_itself_is_our_own_fault() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(LocalProtocolError):
        encode_response(Data(value))


BAD_RESPONSES = {
    "no frame": [],
    "two frames": [b'{"data": 1}', b""],
    "empty": [b""],
    "not UTF-8": [b"\xff"],
    "byte order mark": [b'\xef\xbb\xbf{"data": 1}'],
    "not JSON": [b"{nope"],
    "NaN": [b'{"data": NaN}'],
    "null": [b"null"],
    "array": [b"[]"],
    "neither": [b'{"cylc_version": "8.5.4"}'],
    "both": [b'{"data": null, "error": {"message": "x"}}'],
    "error string": [b'{"error": "x"}'],
    "error empty": [b'{"error": {"message": ""}}'],
    "error null": [b'{"error": null}'],
    "deep": [b"[" * 100_000],
    "long number": [b'{"data": ' + b"9" * 5000 + b"}"],
    "empty errors": [b'{"errors": []}'],
}


@pytest.mark.parametrize("case", BAD_RESPONSES)
def test_what_is_no_response_is_the_fault_of_the_server(case: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^the reply "):
        decode_response(BAD_RESPONSES[case])


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('{"data": null}', Data(None)),
        ('{"data": false, "cylc_version": "8.5.4", "more": 1}', Data(False)),
        (' {"cylc_version":"8.9", "data":{"a":["\\u00e9"]}}\n', Data({"a": ["é"]})),
        ('{"error": {"message": "no", "traceback": []}}', Error("no")),
        ('{"errors": [{"message": "no"}]}', Error('[{"message": "no"}]')),
    ],
)
def test_every_response_is_understood(text: str, response: Data | Error) -> None:
    assert decode_response([text.encode()]) == response


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_data_arrives_unchanged(value: Any) -> None:
    assert decode_response([encode_response(Data(value))]) == Data(value)


@given(st.text(), st.dictionaries(st.text(), _JSON))
def test_a_request_arrives_unchanged_or_is_not_sent(command: str, args: dict[str, Any]) -> None:
    try:
        body = encode_request(command, args, {})
    except LocalProtocolError:
        assert any("\ud800" <= char <= "\udfff" for char in command + "".join(args))
    else:
        assert decode_request([body]) == Request(command, args, {})


@given(st.text(max_size=200))
def test_a_quotation_is_short_and_printable(text: str) -> None:
    quoted = quote(text)
    assert quoted.isprintable()
    assert len(quoted) <= 80 * 10 + 3
    quoted.encode("utf-8")


def test_a_quotation_shows_names_as_they_are() -> None:
    assert quote("naïve-name") == "'naïve-name'"
    assert quote("a\nb") == "'a\\nb'"
    assert quote("x" * 81) == f"'{'x' * 80}…'"


def test_arguments_are_an_object() -> None:
    assert decode_arguments(b'{"a": 1}') == {"a": 1}
    for text in (b"[]", b"null", b"", b"\xff", b"{", b"NaN"):
        with pytest.raises(RemoteProtocolError, match="the "):
            decode_arguments(text)


def test_requests_are_json_that_anybody_reads() -> None:
    assert json.loads(encode_request("a", {"b": [1, None]}, {})) == {
        "command": "a",
        "args": {"b": [1, None]},
        "meta": {},
    }
