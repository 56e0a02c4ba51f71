"""From the frames of a request to the frame of its response (chapter 7), without sockets."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from wri_reference._errors import LocalProtocolError, RemoteProtocolError
from wri_reference._messages import Data, Error, Request, decode_request, encode_response, quote

Endpoint = Callable[..., Any]
_Function = TypeVar("_Function", bound=Endpoint)

_MARK = "__wri_endpoint__"
_log = logging.getLogger("wri_reference")


def expose(function: _Function) -> _Function:
    """Make a method an endpoint; its docstring is what `api` tells people (API-5).

    It is called with those arguments of a request that are named in its signature; a signature
    that needs one makes it mandatory. It returns a JSON value, or raises `RemoteProtocolError`
    with a message for the client.
    """
    setattr(function, _MARK, True)
    return function


def exposed(owner: object) -> dict[str, Endpoint]:
    """Return the endpoints among the methods of `owner`, by name, sorted (API-3)."""
    kind = type(owner)
    return {
        name: getattr(owner, name)
        for name in sorted(dir(kind))
        if getattr(getattr(kind, name, None), _MARK, False)
    }


def dispatch(endpoints: Mapping[str, Endpoint], body: Sequence[bytes]) -> bytes:
    """Carry out the request in `body` and return the frame of its response.

    Nothing but `endpoints` can be called (END-1). Raises nothing, whatever the body is: each
    mistake, of the client or of an endpoint, is answered with an error (chapter 6.2).
    """
    try:
        return _carry_out(endpoints, decode_request(body))
    except RemoteProtocolError as error:
        return encode_response(Error(str(error)))


def describe(endpoint: Endpoint) -> str:
    """Return what an endpoint does, for people."""
    return inspect.getdoc(endpoint) or "An endpoint without a description."


def _carry_out(endpoints: Mapping[str, Endpoint], request: Request) -> bytes:
    endpoint = endpoints.get(request.command)
    if endpoint is None:
        raise RemoteProtocolError(f"there is no endpoint {quote(request.command)}")
    arguments = _arguments(endpoint, request)
    try:
        result = endpoint(**arguments)
        return result if isinstance(result, bytes) else encode_response(Data(result))
    except RemoteProtocolError:
        raise
    except LocalProtocolError:
        _log.exception("the result of the endpoint %s cannot be sent", request.command)
        complaint = f"the result of the endpoint '{request.command}' cannot be sent as JSON"
    except Exception:  # noqa: BLE001 - an endpoint must not end the server
        # Its text may show the inside of the server (RES-6): it goes to the log only.
        _log.exception("the endpoint %s failed", request.command)
        complaint = f"the endpoint '{request.command}' failed; the server's log says why"
    return encode_response(Error(complaint))


def _arguments(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    known = inspect.signature(endpoint).parameters.values()
    for parameter in known:
        if parameter.default is parameter.empty and parameter.name not in request.args:
            raise RemoteProtocolError(
                f"the endpoint '{request.command}' needs the argument '{parameter.name}'"
            )
    names = {parameter.name for parameter in known}
    return {name: value for name, value in request.args.items() if name in names}  # API-9
