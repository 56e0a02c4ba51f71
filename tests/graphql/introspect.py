"""Prints the facts of the GraphQL schema of a cylc-flow as canonical JSON.

Run it with the Python of an environment in which that cylc-flow is installed (3.9 or newer):

    bin/python introspect.py > introspected/8.5.4.json

Facts are names, types, defaults, deprecations and relations; descriptions are none. A field is
one text, its arguments sorted: `"task": "(id: ID!, stripNull: Boolean): Task"`.
"""

import importlib
import json
import re
import sys
from typing import Any

TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { name } } } }"
VALUE = f"name defaultValue type {{ {TYPE} }}"
QUERY = f"""{{
  __schema {{
    queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
    directives {{ name locations args {{ {VALUE} }} }}
    types {{
      kind name
      fields(includeDeprecated: true) {{
        name args {{ {VALUE} }} type {{ {TYPE} }} isDeprecated deprecationReason
      }}
      inputFields {{ {VALUE} }}
      interfaces {{ name }}
      possibleTypes {{ name }}
      enumValues(includeDeprecated: true) {{ name isDeprecated deprecationReason }}
    }}
  }}
}}"""

# What the language itself brings; more in newer libraries than in older ones.
BUILT_IN_TYPES = {"Boolean", "Float", "ID", "Int", "String"}
BUILT_IN_DIRECTIVES = {"defer", "deprecated", "include", "oneOf", "skip", "specifiedBy", "stream"}

ITEM = re.compile(r'"[^"]*"|[^\s,\[\]]+')  # of a list without lists in it


def facts(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the facts in the reply to `QUERY`: equal for equal schemas, whoever serves them."""
    schema = reply["__schema"]
    return {
        "operations": {
            operation: schema[f"{operation}Type"]["name"]
            for operation in ("mutation", "query", "subscription")
        },
        "directives": {
            directive["name"]: [_arguments(directive["args"]), *sorted(directive["locations"])]
            for directive in schema["directives"]
            if directive["name"] not in BUILT_IN_DIRECTIVES
        },
        "types": {
            kind["name"]: _members(kind)
            for kind in schema["types"]
            if kind["name"] not in BUILT_IN_TYPES and not kind["name"].startswith("__")
        },
    }


def canonical(value: dict[str, Any]) -> str:
    """Return facts as text in which each stands on a line of its own, sorted."""
    return json.dumps(value, sort_keys=True, indent=0) + "\n"


def _members(kind: dict[str, Any]) -> dict[str, Any]:
    members = {
        "kind": kind["kind"],
        "fields": {
            field["name"]: f"{_arguments(field['args'])}: {_name(field['type'])}{_end(field)}"
            for field in kind["fields"] or ()
        },
        "inputFields": sorted(map(_value, kind["inputFields"] or ())),
        "enumValues": sorted(value["name"] + _end(value) for value in kind["enumValues"] or ()),
        "interfaces": sorted(other["name"] for other in kind["interfaces"] or ()),
        "possibleTypes": sorted(other["name"] for other in kind["possibleTypes"] or ()),
    }
    return {name: value for name, value in members.items() if value}


def _arguments(arguments: list[dict[str, Any]]) -> str:
    return f"({', '.join(sorted(map(_value, arguments)))})" if arguments else ""


def _value(value: dict[str, Any]) -> str:
    return f"{value['name']}: {_name(value['type'])}{_default(value)}"


def _default(value: dict[str, Any]) -> str:
    """Return the default as one text, however the library of the release prints it.

    No default and a default of null are the same to a caller, and the library up to 8.4 has no
    null. The same library prints values of enumerations with quotes; newer ones break long lists.
    """
    text = value["defaultValue"]
    if text in {None, "null"}:
        return ""
    kind = value["type"]
    while kind.get("ofType"):
        kind = kind["ofType"]
    if kind["name"] == "Float":
        text = f"{float(text):g}"
    if kind.get("kind") == "ENUM":
        text = text.replace('"', "")
    if text.startswith("["):
        text = f"[{', '.join(ITEM.findall(text))}]"
    return f" = {text}"


def _name(kind: dict[str, Any]) -> str:
    if kind["kind"] == "NON_NULL":
        return f"{_name(kind['ofType'])}!"
    if kind["kind"] == "LIST":
        return f"[{_name(kind['ofType'])}]"
    return str(kind["name"])


def _end(member: dict[str, Any]) -> str:
    if not member["isDeprecated"]:
        return ""
    return f" @deprecated(reason: {json.dumps(member['deprecationReason'])})"


def main() -> None:
    """Print the facts of the cylc-flow that this Python imports."""
    schema = importlib.import_module("cylc.flow.network.schema").schema
    result = schema.execute(QUERY)
    if result.errors:
        sys.exit("\n".join(map(str, result.errors)))
    sys.stdout.write(canonical(facts(result.data)))


if __name__ == "__main__":
    main()
