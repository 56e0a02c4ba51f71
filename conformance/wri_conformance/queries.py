"""The GraphQL of scenarios: what is wrong with it, what it does, and whether it was refused."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from graphql import GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse

_SHOWN = 500  # characters of what a server says


@frozen
class Query:
    """A document that can be parsed: whether it changes anything, and its variables."""

    mutates: bool
    variables: frozenset[str]


def read(text: str) -> Query:
    """Return what a document says of itself.

    Raises:
        ValueError: it is no GraphQL, or holds no operation or more than one; the text names
            line and column.
    """
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        at = error.locations[0] if error.locations else None
        where = "" if at is None else f" (line {at.line}, column {at.column} of the query)"
        raise ValueError(f"{error.message}{where}") from None
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if len(found) != 1:
        raise ValueError(f"the query has {len(found)} operations, where one is possible")
    return Query(
        mutates=found[0].operation is OperationType.MUTATION,
        variables=frozenset(v.variable.name.value for v in found[0].variable_definitions or ()),
    )


def request(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that a `graphql` step stands for."""
    args = {"request_string": spec["query"], "variables": spec.get("variables", {})}
    return {"command": "graphql", "args": args}


def refused(response: Any) -> str:
    """Return why a response shows that nothing was carried out; nothing if it does not."""
    if not isinstance(response, Mapping) or "data" not in response:
        error = response.get("error") if isinstance(response, Mapping) else None
        told = error.get("message") if isinstance(error, Mapping) else response
        return f"the request was refused: {str(told)[:_SHOWN]}"
    data = response["data"]
    for field in data.values() if isinstance(data, Mapping) else ():
        result = field.get("result") if isinstance(field, Mapping) else None
        for one in result if isinstance(result, list) else ():
            answer = one.get("response") if isinstance(one, Mapping) else None
            if isinstance(answer, list) and answer[:1] == [False]:
                return f"the command was refused: {str(answer[1:])[:_SHOWN]}"
    return ""
