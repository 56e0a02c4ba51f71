"""Compares the GraphQL schema that a server describes with the SDL of the specification. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import graphql
from graphql.utilities import BreakingChangeType

from wri.data import root

QUERY: Final = graphql.get_introspection_query(descriptions=False, directive_is_repeatable=False)
"""What to ask: every release answers it."""

# Directives are those of the GraphQL implementation, not of the interface; subscriptions cannot
# be served over REQ/REP (GQL-15).
_SHOWN = 300  # characters of what the library says
_WRONG = (  # what the library makes of a description that is none
    *(graphql.GraphQLError, TypeError, AttributeError, LookupError, ValueError, RecursionError),
)
_IGNORED = {
    kind
    for kind in BreakingChangeType
    if kind.name.startswith("DIRECTIVE") or kind.name == "REPEATABLE_REMOVED"
}


def expected(release: str | None) -> graphql.GraphQLSchema:
    """Return the schema that every release has, or all of one release such as `8.5.4`.

    Raises:
        LookupError: the specification knows no such release.
    """
    directory = root() / "schemas" / "graphql"
    names = ["base"]
    if release is not None:
        found = re.match(r"8\.\d+", release)
        if found is None or not (directory / f"{found[0]}.graphql").is_file():
            raise LookupError(f"the specification has no GraphQL schema of release {release!r}")
        names.append(found[0])
    texts = [(directory / f"{name}.graphql").read_text(encoding="utf-8") for name in names]
    return graphql.build_schema("\n".join(texts))


def compare(answer: Mapping[str, Any], release: str | None) -> dict[str, Any]:
    """Return what a server lacks, or has otherwise, than the specification: a list for each half.

    `answer` is the `data` of the introspection query. `types` counts what was compared, so that
    an empty description is not taken for a perfect one.

    Raises:
        LookupError: the specification knows no such release.
        ValueError: the answer is not the description of a schema.
    """
    schema = expected(release)
    try:
        offered = graphql.build_client_schema(dict(answer))  # type: ignore[arg-type]
    except _WRONG as error:
        raise ValueError(f"this describes no schema: {str(error)[:_SHOWN]}") from None
    seen: dict[str, Any] = {"queries": [], "mutations": []}
    queries = _reachable(schema.query_type)
    for change in graphql.find_breaking_changes(schema, offered):
        subject = _subject(change.description, schema)
        if change.type in _IGNORED or subject == str(schema.subscription_type):
            continue
        seen["queries" if subject in queries else "mutations"].append(change.description)
    for name in ("query", "mutation"):
        ours, theirs = (getattr(one, f"{name}_type") for one in (schema, offered))
        if theirs is None or ours.name != theirs.name:
            half = "queries" if name == "query" else "mutations"
            seen[half].append(f"the type of a {name} is {theirs} instead of {ours}.")
    seen["types"] = sum(not name.startswith("__") for name in offered.type_map)
    return seen


def _subject(description: str, schema: graphql.GraphQLSchema) -> str:
    words = re.findall(r"\w+", description)
    return next((word for word in words if word in schema.type_map), "")


def _reachable(start: graphql.GraphQLObjectType | None) -> set[str]:
    """Return the names of the types that a query can meet, in arguments and results."""
    names: set[str] = set()
    waiting: list[Any] = [start]
    while waiting:
        one = graphql.get_named_type(waiting.pop())
        if one is None or one.name in names:
            continue
        names.add(one.name)
        waiting += getattr(one, "types", ())
        waiting += getattr(one, "interfaces", ())
        for field in getattr(one, "fields", {}).values():
            waiting.append(field.type)
            waiting += [argument.type for argument in getattr(field, "args", {}).values()]
    return names
