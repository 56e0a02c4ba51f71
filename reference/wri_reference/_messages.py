"""Requests and responses: between values and the frames of a message body (chapters 4 to 6).

Knows no sockets. A *body* is a list of frames; every good one has exactly one.
"""

import json
from collections.abc import Mapping, Sequence
from json.decoder import JSONDecodeError
from typing import Any, Final, NamedTuple, NoReturn

from wri_reference._errors import LocalProtocolError, RemoteProtocolError

CYLC_VERSION: Final = "8.5.4"
"""The release whose interface is offered, in the contact file and in responses (RES-4)."""

MAX_REQUEST: Final = 8 * 1024 * 1024
"""The longest body, in bytes, that is carried out; a longer one gets an error (LIM-6, LIM-7).

Nobody else is answered while JSON is decoded, and others wait 5 s at most (LIM-11). The slowest
text found, empty arrays only, took 1 s for 8 MiB on a busy machine.
"""

MAX_QUOTED: Final = 80
"""How many characters of a peer's own text an error message repeats."""


class Request(NamedTuple):
    """A request as the server sees it; `meta` grants nothing (REQ-6) and is `{}` if absent."""

    command: str
    args: dict[str, Any]
    meta: dict[str, Any]


class Data(NamedTuple):
    """A response of success; `value` is any JSON value."""

    value: Any


class Error(NamedTuple):
    """A response of failure; `message` is for people (RES-8)."""

    message: str


def quote(text: str) -> str:
    """Return `text` in quotation marks, shortened, with what cannot be printed escaped.

    Neither line feeds nor lone surrogates (FRM-12) survive, so it is safe in logs and messages.
    """
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text[:MAX_QUOTED]
    )
    return f"'{shown}{'…' if len(text) > MAX_QUOTED else ''}'"


def encode_request(command: str, args: Mapping[str, Any], meta: Mapping[str, Any]) -> bytes:
    """Return the one frame of a request (FRM-1, REQ-1, REQ-2).

    Raises:
        LocalProtocolError: the values do not make a request, or JSON cannot express them.
    """
    if not isinstance(command, str):
        raise LocalProtocolError("the name of an endpoint is a string")
    if not isinstance(args, Mapping) or not all(isinstance(name, str) for name in args):
        raise LocalProtocolError("the arguments of a request are an object: names and values")
    return _encode({"command": command, "args": dict(args), "meta": dict(meta)})


def decode_request(body: Sequence[bytes]) -> Request:
    """Return the request in a body.

    Raises:
        RemoteProtocolError: the body is not a request (ERR-1, 3 to 10, 12; LIM-7, 9).
    """
    if len(body) != 1:
        raise RemoteProtocolError(f"the body of a request is one frame; {len(body)} came")
    if len(body[0]) > MAX_REQUEST:
        raise RemoteProtocolError(
            f"the request is {len(body[0])} bytes long; this server takes up to {MAX_REQUEST}"
        )
    message = _decode("the request", body[0], _REQUESTS)
    if not isinstance(message, dict):
        raise RemoteProtocolError(f"a request is an object; {_kind(message)} came")
    for member in ("command", "args"):
        if member not in message:
            raise RemoteProtocolError(f"the request has no member '{member}'")
    command, args, meta = message["command"], message["args"], message.get("meta")
    if not isinstance(command, str):
        raise RemoteProtocolError(f"the member 'command' is a string; {_kind(command)} came")
    if not isinstance(args, dict):
        raise RemoteProtocolError(f"the member 'args' is an object; {_kind(args)} came")
    if meta is not None and not isinstance(meta, dict):
        raise RemoteProtocolError(f"the member 'meta' is an object; {_kind(meta)} came")
    return Request(command, args, meta or {})


def encode_response(response: Data | Error) -> bytes:
    """Return the one frame of a response (FRM-2, RES-1 to 4).

    Raises:
        LocalProtocolError: JSON cannot express the data, or the error has no message.
    """
    if isinstance(response, Data):
        return _encode({"data": response.value, "cylc_version": CYLC_VERSION})
    if not response.message:
        raise LocalProtocolError("an error has a message")
    return _encode({"error": {"message": response.message}, "cylc_version": CYLC_VERSION})


def decode_response(body: Sequence[bytes]) -> Data | Error:
    """Return the response in a body.

    `errors` without `data` is how schedulers before 8.4.1 report some failures (VER-2).

    Raises:
        RemoteProtocolError: the body is not a response (CLI-3, CLI-4).
    """
    if len(body) != 1:
        raise RemoteProtocolError(f"the reply has {len(body)} frames instead of one")
    message = _decode("the reply", body[0], _RESPONSES)
    if not isinstance(message, dict):
        raise RemoteProtocolError(f"the reply is {_kind(message)} instead of an object")
    if "data" in message and "error" in message:
        raise RemoteProtocolError("the reply has both 'data' and 'error'")
    if "data" in message:
        return Data(message["data"])
    if "error" in message:
        error = message["error"]
        text = error.get("message") if isinstance(error, dict) else None
        if not isinstance(text, str) or not text:
            raise RemoteProtocolError("the reply has an 'error' without a message")
        return Error(text)
    if message.get("errors"):
        return Error(json.dumps(message["errors"]))
    raise RemoteProtocolError("the reply has neither 'data' nor 'error'")


def decode_arguments(text: bytes) -> dict[str, Any]:
    """Return the arguments that somebody typed, a JSON object in UTF-8.

    Raises:
        RemoteProtocolError: it is something else.
    """
    args = _decode("the text", text, _RESPONSES)
    if not isinstance(args, dict):
        raise RemoteProtocolError(f"the arguments are an object; {_kind(args)} came")
    return args


def _refuse_constant(name: str) -> NoReturn:
    raise RemoteProtocolError(f"is not JSON, which has no {name}")  # ERR-12


def _any_integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts: what a 64-bit float makes of them
        return float(digits)


def _short_integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise RemoteProtocolError(f"has a number of {len(digits)} digits") from None


# A server carries out a request around a number that nobody needs (LIM-10); to a client every
# number matters, since it returns `data` unchanged (CLI-1).
_FAST = json.JSONDecoder(parse_constant=_refuse_constant)
_REQUESTS = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_any_integer)
_RESPONSES = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_short_integer)


def _decode(subject: str, frame: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        return _parse(frame, decoder)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"{subject} {error}") from None


def _parse(frame: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        text = frame.decode("utf-8")
        if text.startswith("\ufeff"):
            raise RemoteProtocolError("begins with a byte order mark, which JSON does not have")
        try:
            return _FAST.decode(text)
        except JSONDecodeError:
            raise
        except ValueError:  # a number too long for int(); hooks are slow, so only now
            return decoder.decode(text)
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"is not UTF-8, from byte {error.start} on") from None
    except JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RemoteProtocolError(f"is not JSON: {error.msg}, at {place}") from None
    except RecursionError:
        raise RemoteProtocolError("is nested too deeply") from None


def _encode(message: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")  # refuses lone surrogates (FRM-12)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError("a value cannot be expressed in JSON") from error


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"
