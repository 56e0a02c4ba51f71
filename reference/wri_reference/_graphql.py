"""The endpoint `graphql`: from the text of a request to its data (chapter 7), without sockets."""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from google.protobuf.message import Message
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.pyutils import Path, camel_to_snake

from wri import data
from wri_reference import _mutations, _resolvers
from wri_reference._errors import RemoteProtocolError
from wri_reference._messages import CYLC_VERSION, quote

MAX_DOCUMENT: Final = 1024 * 1024
"""The longest document, in characters, that is read (LIM-6)."""

MAX_TOKENS: Final = 10_000
"""How many names, numbers, signs and texts a document may have; what takes most of the time
before anything is executed. Long lists belong into the variables."""

MAX_VALUES: Final = 250_000
"""How many values the variables may have, of all levels; 1 MiB of short ids are fewer (LIM-6)."""

MAX_MESSAGE: Final = 300
"""The most characters that are told of one error; it may repeat parts of the document."""

_GENERIC: Final = frozenset({"GenericScalar", "BroadcastSetting"})
_log = logging.getLogger("wri_reference")


@functools.cache
def load_schema(release: str = CYLC_VERSION) -> GraphQLSchema:
    """Return the schema of a release of Cylc, of which major and minor number count.

    Takes half a second the first time. All servers of a process share it.
    """
    directory = data.root() / "schemas" / "graphql"
    minor = ".".join(release.split(".")[:2])
    texts = [
        (directory / f"{name}.graphql").read_text(encoding="utf-8") for name in ("base", minor)
    ]
    schema = build_schema("\n".join(texts))
    for kind in schema.type_map.values():
        if kind.ast_node is None:  # the types of introspection, and the scalars of GraphQL
            continue
        if isinstance(kind, GraphQLUnionType):
            kind.resolve_type = _resolvers.type_name
        elif isinstance(kind, GraphQLScalarType) and kind.name not in _GENERIC:
            for name in ("parse_value", "coerce_input_value"):  # of graphql-core 3.2 and 3.3
                setattr(kind, name, _to_text)
        elif isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                for name, argument in field.args.items():
                    argument.out_name = camel_to_snake(name)
    _resolvers.attach(schema)
    _mutations.attach(schema)
    return schema


def execute(
    schema: GraphQLSchema,
    scheduler: Any,
    request_string: Any,
    variables: Any = None,
    operation_name: Any = None,
) -> dict[str, Any]:
    """Carry out a document and return its data.

    Args:
        schema: what `load_schema` returned.
        scheduler: its attribute `store` is asked, its methods are the mutations.
        request_string: the document.
        variables: their values by name, or null; those that the document does not declare
            are ignored.
        operation_name: which operation is meant, if the document has several; beyond Cylc.

    Raises:
        RemoteProtocolError: anything is wrong, be it in one field only; the message tells all
            that is.
    """
    document = _read(request_string)
    if variables is not None and not isinstance(variables, dict):
        raise RemoteProtocolError("the argument 'variables' is neither an object nor null")
    if _size(variables) > MAX_VALUES:
        raise RemoteProtocolError(f"the variables have more than {MAX_VALUES} values")
    if operation_name is not None and not isinstance(operation_name, str):
        raise RemoteProtocolError("the argument 'operation_name' is neither a string nor null")
    try:
        _check(schema, document, operation_name)
        return _carry_out(schema, scheduler, document, variables, operation_name)
    except RecursionError:
        raise RemoteProtocolError("the document is nested too deeply") from None


def _read(request_string: Any) -> DocumentNode:
    if not isinstance(request_string, str):
        raise RemoteProtocolError("the argument 'request_string' is not a string")
    if len(request_string) > MAX_DOCUMENT:
        raise RemoteProtocolError(
            f"the document has {len(request_string)} characters; {MAX_DOCUMENT} are read at most"
        )
    try:
        return parse(request_string, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        raise _refused([error]) from None
    except RecursionError:
        raise RemoteProtocolError("the document is nested too deeply") from None


def _size(variables: Any) -> int:
    count, rest = 0, [variables]
    while rest:
        value = rest.pop()
        count += 1
        if isinstance(value, list):
            rest += value
        elif isinstance(value, dict):
            rest += value.values()
    return count


def _check(schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> None:
    errors = validate(schema, document)
    if errors:
        raise _refused(errors)
    operation = get_operation_ast(document, operation_name)
    if operation is None and operation_name is not None:
        raise RemoteProtocolError(f"the document has no operation {quote(operation_name)}")
    if operation is None:
        raise RemoteProtocolError(
            "the document has several operations: 'operation_name' must say which"
        )
    if operation.operation is OperationType.SUBSCRIPTION:
        raise RemoteProtocolError(
            "a subscription is no request: changes are published, on the other port"
        )


def _carry_out(
    schema: GraphQLSchema,
    scheduler: Any,
    document: DocumentNode,
    variables: dict[str, Any] | None,
    operation_name: str | None,
) -> dict[str, Any]:
    strip = _Strip()
    try:
        result = execute_sync(
            schema,
            document,
            context_value=_resolvers.Context(scheduler.store, scheduler),
            variable_values=variables,
            operation_name=operation_name,
            middleware=[_count, strip] if _mentions_strip(document) else [_count],
        )
    except _resolvers.StepsError:
        raise RemoteProtocolError("the request asks for too much at a time") from None
    if result.errors:
        raise _refused(result.errors)
    found = result.data or {}
    return _without_nulls(found) if strip.asked else found


def _refused(errors: Iterable[GraphQLError]) -> RemoteProtocolError:
    return RemoteProtocolError("; ".join(dict.fromkeys(map(_message, errors))))


def _message(error: GraphQLError) -> str:
    cause = error.original_error
    if error.path is None or cause is None or isinstance(cause, RemoteProtocolError):
        text = error.message
        return f"{text[:MAX_MESSAGE]}…" if len(text) > MAX_MESSAGE else text
    if isinstance(cause, RecursionError):
        return "the document is nested too deeply"
    # Its text may show the inside of the server (RES-6): it goes to the log only.
    _log.error("a field of a GraphQL request failed", exc_info=cause)
    return f"the field '{_place(error)}' failed; the server's log says why"


def _place(error: GraphQLError) -> str:
    return ".".join(key for key in error.path or () if isinstance(key, str))


# -- execution ----------------------------------------------------------------------------


def _count(
    resolve: Callable[..., Any],
    source: Any,
    info: _resolvers.Info,
    **args: Any,
) -> Any:
    info.context.spend(1)
    return resolve(source, info, **args)


class _Strip:
    """Makes null what is not set, where the argument `stripNull` of a field above says so.

    Attributes:
        asked: whether any field had the argument; nulls are then left out everywhere.
    """

    def __init__(self) -> None:
        self.asked = False
        # A field's own Path is what its children know as their parent. It is kept, so that
        # no other gets its id.
        self._inside: dict[int, tuple[Path, bool]] = {}

    def resolve(
        self, resolve: Callable[..., Any], source: Any, info: _resolvers.Info, **args: Any
    ) -> Any:
        strip = args.get("strip_null", self._is_inherited(info.path.prev)) is True
        if info.field_nodes[0].selection_set is not None:
            self._inside[id(info.path)] = info.path, strip
        if not strip:
            return resolve(source, info, **args)
        self.asked = True
        if (
            isinstance(source, Message)
            and not _resolvers.leads_to_elements(info.return_type)
            and not _resolvers.is_set(source, info.field_name)
        ):
            return None
        value = resolve(source, info, **args)
        return None if isinstance(value, list | dict) and not value else value

    def _is_inherited(self, parent: Path | None) -> bool:
        while parent is not None and isinstance(parent.key, int):
            parent = parent.prev
        return parent is not None and self._inside[id(parent)][1]


def _mentions_strip(document: DocumentNode) -> bool:
    return document.loc is None or "stripNull" in document.loc.source.body


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value if one is not None]
    return value


# -- scalars ------------------------------------------------------------------------------


def _to_text(value: Any) -> str:
    """Return a scalar that is a text in Cylc; numbers are written as such."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise GraphQLError("a string is expected here")
