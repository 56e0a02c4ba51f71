"""Reads YAML files that have a JSON Schema, and tells each mistake with its line."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from jsonschema import ValidationError
from jsonschema.exceptions import relevance

from wri_conformance import schemas
from wri_conformance.mistakes import Mistake

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeys(_Loader):  # type: ignore[misc]
    """YAML lets a second key of the same name win silently; a typo should not.

    Dates stay the text that they are, as in JSON, which the schemas are made for.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in _Loader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "braces in a text need quotes around it", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))


def read(path: Path, schema: str) -> Any:
    """Return the content of the YAML file `path`, valid against `schemas/<schema>`.

    Raises:
        Mistake: it cannot be read, is not YAML, or is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Mistake("there is no such file", "check the path", path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"cannot be read: {error}", "make it a UTF-8 text file", path) from None
    try:
        document = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise Mistake(
            f"is not valid YAML: {problem}",
            "mend the YAML at this place, or just before it",
            path,
            None if mark is None else mark.line + 1,
        ) from None
    errors = schemas.problems(schema, document)
    if errors:
        worst = _deepest(max(errors, key=relevance))
        raise Mistake(_describe(worst), _fix(worst), path, line_of(text, _place(worst)))
    return document


def line_of(text: str, place: Sequence[str | int]) -> int:
    """Return the line, from 1, at which the node at `place` of a YAML text begins."""
    node = yaml.compose(text, Loader=_Loader)
    line = 1 if node is None else node.start_mark.line + 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _deepest(error: ValidationError) -> ValidationError:
    while error.context:
        path = error.absolute_path
        # An alternative of another type is not what the author had in mind.
        fitting = [e for e in error.context if e.validator != "type" or e.absolute_path != path]
        error = max(fitting or error.context, key=lambda e: (len(e.absolute_path), relevance(e)))
    return error


def _place(error: ValidationError) -> list[str | int]:
    place: list[str | int] = list(error.absolute_path)
    if error.validator == "additionalProperties":
        place += _unknown(error)[:1]
    elif error.parent is None and "propertyNames" in error.absolute_schema_path:
        place.append(str(error.instance))
    return place


def _unknown(error: ValidationError) -> list[str]:
    instance: Any = error.instance
    allowed = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    return [key for key in instance if key not in allowed]


def _allowed(error: ValidationError) -> Iterable[str]:
    return sorted(error.schema.get("properties", {})) if isinstance(error.schema, dict) else ()


def _describe(error: ValidationError) -> str:
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    where = where.lstrip(".")
    if error.validator == "additionalProperties":
        unknown = ", ".join(repr(key) for key in _unknown(error))
        return f"{where + ': ' if where else ''}unknown key {unknown}"
    message = error.message if len(error.message) < 300 else error.message[:300] + "…"  # noqa: PLR2004
    return f"{where + ': ' if where else ''}{message}"


def _fix(error: ValidationError) -> str:  # noqa: PLR0911 - a table in disguise
    if error.validator == "additionalProperties":
        return f"use one of {', '.join(_allowed(error))}"
    wanted: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "required":
        missing = [key for key in wanted if key not in instance]
        return f"add {', '.join(missing)}"
    if error.validator == "dependentRequired":
        needed = {name for key in wanted if key in instance for name in wanted[key]}
        return f"add {', '.join(sorted(needed - set(instance)))}"
    if error.validator == "enum":
        return f"use one of {', '.join(map(str, wanted))}"
    if error.validator == "type" and wanted == "string" and isinstance(instance, int | float):
        return f'put it in quotes: "{instance}"'
    if error.validator == "type":
        return f"make it of type {wanted}"
    if error.validator == "pattern":
        return f"make it match {wanted}"
    description = error.schema.get("description") if isinstance(error.schema, dict) else None
    return description or "see the schema"
