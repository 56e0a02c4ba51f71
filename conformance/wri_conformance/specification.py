"""Reads the specification: the requirements and the capabilities that `spec/*.md` defines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from attrs import define, frozen
from wri import data

Severity: TypeAlias = Literal["failure", "warning", "information"]

ROLES: Final = ("server", "publisher", "client", "subscriber")
"""The roles that a requirement can bind, in the order of the introduction."""

SEVERITIES: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        "MUST": "failure",
        "MUST NOT": "failure",
        "SHOULD": "warning",
        "SHOULD NOT": "warning",
        "MAY": "information",
    }
)
"""What breaking a requirement means, by its keyword."""

_INDEX = "00-index.md"
_INTRODUCTION = "01-introduction.md"
_SHAPE = "> **WRI-XXX-n** · role[, role][ · beyond Cylc][ · capability NAME]"

_REVISION = re.compile(r"\*\*Revision ([^*\s]+)\*\*")
_CHAPTER = re.compile(r"\d+\. \[[^]]*\]\((?P<file>[^)]+\.md)\)(?: \u2013 (?P<prefixes>[A-Z, ]+))?$")
_HEADING = re.compile(r"#{1,6} +(.+?) *#*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ID = re.compile(r"\*\*(WRI-([A-Z]+)-([1-9][0-9]*))\*\*")
_HEAD = re.compile(r"\*\*WRI-[^*]*\*\*")
_CAPABILITY = re.compile(r"capability ([a-z][a-z0-9-]*)$")
_CODE = re.compile(r"`[^`]*`")
_KEYWORD = re.compile(
    r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY|SHALL NOT|SHALL|NOT RECOMMENDED|RECOMMENDED"
    r"|REQUIRED|OPTIONAL)\b"
)
_UNOBSERVED = "*Unobserved:*"
_COLUMNS = ("capability", "role", "mandatory", "needs", "endpoints")


class SpecificationError(Exception):
    """The text of the specification is malformed.

    Attributes:
        path: the file, relative to the root.
        line: the number of the line, from 1.
        message: what is wrong.
        fix: what to write instead.
    """

    def __init__(self, path: str, line: int, message: str, fix: str) -> None:
        super().__init__(path, line, message, fix)
        self.path = path
        self.line = line
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return one line that an editor can jump to."""
        return f"{self.path}:{self.line}: {self.message}; fix: {self.fix}"


@frozen
class Requirement:
    """One numbered sentence of the specification."""

    id: str
    roles: tuple[str, ...]
    keyword: str
    beyond_cylc: bool
    capability: str | None
    text: str
    unobserved: str | None
    chapter: str
    section: str
    path: str
    line: int

    @property
    def severity(self) -> Severity:
        """What breaking this requirement means."""
        return SEVERITIES[self.keyword]


@frozen
class Capability:
    """A part of the protocol that an implementation claims as a whole."""

    name: str
    role: str
    mandatory: bool
    needs: tuple[str, ...]
    endpoints: tuple[str, ...]


@frozen
class Specification:
    """The requirements, in reading order, and the capabilities of one revision."""

    revision: str
    requirements: Mapping[str, Requirement]
    capabilities: Mapping[str, Capability]


def load(root: Path | None = None) -> Specification:
    """Read `spec/*.md` below `root`, by default those of this installation.

    Raises:
        SpecificationError: the text is malformed; says where, and what to write.
    """
    base = data.root() if root is None else root
    chapters = [
        _Chapter.read(path, f"spec/{path.name}") for path in sorted((base / "spec").glob("*.md"))
    ]
    by_name = {chapter.name: chapter for chapter in chapters}
    for name in (_INDEX, _INTRODUCTION):
        if name not in by_name:
            raise SpecificationError(
                f"spec/{name}", 1, f"there is no such file below {base}", "install wri again"
            )
    revision, prefixes = _index(by_name[_INDEX])
    capabilities = _capabilities(by_name[_INTRODUCTION])
    requirements: dict[str, Requirement] = {}
    for chapter in chapters:
        _collect(chapter, prefixes.get(chapter.name, ()), capabilities, requirements)
    return Specification(revision, MappingProxyType(requirements), MappingProxyType(capabilities))


@define
class _Chapter:
    """The lines of one file that are not inside fenced code blocks."""

    name: str
    path: str
    title: str
    lines: list[tuple[int, str]]

    @classmethod
    def read(cls, file: Path, path: str) -> "_Chapter":
        try:
            text = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            number = error.object[: error.start].count(b"\n") + 1
            raise SpecificationError(path, number, "not UTF-8", "save the file as UTF-8") from None
        lines: list[tuple[int, str]] = []
        title = fence = ""
        opened = 0
        for number, line in enumerate(text.splitlines(), 1):
            if mark := _FENCE.match(line):
                if not fence:
                    fence, opened = mark[1], number
                elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                    fence = ""
                continue
            if fence:
                continue
            if not title and (heading := _HEADING.match(line)):
                title = heading[1]
            lines.append((number, line))
        if fence:
            raise SpecificationError(
                path, opened, "a code block that is never closed", f"end it with {fence}"
            )
        return cls(file.name, path, title, lines)

    def blocks(self) -> "Iterator[_Block]":
        """Yield each block quote."""
        section = self.title
        block = None
        for number, line in self.lines:
            if line.startswith(">"):
                block = block or _Block(self, section, number, [])
                block.lines.append(line[1:].strip())
                continue
            if block and line.strip():
                raise block.error(
                    "a line that continues the block without belonging to it",
                    "begin it with >, or put an empty line before it",
                    number - block.start,
                )
            if block:
                yield block
                block = None
            if heading := _HEADING.match(line):
                section = heading[1]
        if block:
            yield block


@define
class _Block:
    """A block quote, which has to be a requirement."""

    chapter: _Chapter
    section: str
    start: int
    lines: list[str]

    def error(self, message: str, fix: str, offset: int = 0) -> SpecificationError:
        return SpecificationError(self.chapter.path, self.start + offset, message, fix)


def _index(chapter: _Chapter) -> tuple[str, dict[str, tuple[str, ...]]]:
    revision = ""
    prefixes: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for number, line in chapter.lines:
        if not revision and (found := _REVISION.search(line)):
            revision = found[1]
        if entry := _CHAPTER.match(line.strip()):
            names = tuple(name.strip() for name in (entry["prefixes"] or "").split(",") if name)
            for name in names:
                if name in owners:
                    raise SpecificationError(
                        chapter.path,
                        number,
                        f"the prefix {name} already belongs to {owners[name]}",
                        "give each chapter prefixes of its own",
                    )
                owners[name] = entry["file"]
            prefixes[entry["file"]] = names
    if not revision:
        raise SpecificationError(
            chapter.path, 1, "no revision", "write **Revision N** below the title"
        )
    return revision, prefixes


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip(" `") for name in cell.split(",") if name.strip())


def _capabilities(chapter: _Chapter) -> dict[str, Capability]:
    rows = iter(chapter.lines)
    if not any(tuple(_cells(line)[: len(_COLUMNS)]) == _COLUMNS for _, line in rows):
        raise SpecificationError(
            chapter.path,
            1,
            "no table of capabilities",
            f"add a table whose columns begin with {', '.join(_COLUMNS)}",
        )
    next(rows, None)  # the rule between header and body
    capabilities: dict[str, Capability] = {}
    lines: dict[str, int] = {}
    for number, line in rows:
        if not line.startswith("|"):
            break
        capability = _capability(chapter.path, number, line)
        if capability.name in capabilities:
            raise SpecificationError(
                chapter.path,
                number,
                f"the capability {capability.name} is already in line {lines[capability.name]}",
                "give each a name of its own",
            )
        capabilities[capability.name] = capability
        lines[capability.name] = number
    for name, capability in capabilities.items():
        for need in capability.needs:
            if need not in capabilities or need == name:
                raise SpecificationError(
                    chapter.path,
                    lines[name],
                    f"the capability {name} needs {need!r}, which is no other capability",
                    f"name one of {', '.join(capabilities)}",
                )
    return capabilities


def _capability(path: str, number: int, line: str) -> Capability:
    name, role, mandatory, needs, endpoints = (*_cells(line), "", "", "", "", "")[: len(_COLUMNS)]
    if not name:
        raise SpecificationError(path, number, "a capability without a name", "name it")
    if role not in ROLES:
        raise SpecificationError(
            path,
            number,
            f"the capability {name} has the unknown role {role!r}",
            f"use one of {', '.join(ROLES)}",
        )
    if mandatory not in {"yes", "no"}:
        raise SpecificationError(
            path,
            number,
            f"whether the capability {name} is mandatory is {mandatory!r}",
            "write yes or no",
        )
    return Capability(name, role, mandatory == "yes", _names(needs), _names(endpoints))


def _collect(
    chapter: _Chapter,
    prefixes: Sequence[str],
    capabilities: Mapping[str, Capability],
    requirements: dict[str, Requirement],
) -> None:
    """Add the requirements of a chapter, whose ids have to go on where they should."""
    counts = dict.fromkeys(prefixes, 0)
    for block in chapter.blocks():
        prefix, number, requirement = _requirement(block)
        name = requirement.id
        if earlier := requirements.get(name):
            raise block.error(
                f"{name} is already at {earlier.path}:{earlier.line}",
                f"take the next free number, WRI-{prefix}-{counts.get(prefix, 0) + 1}",
            )
        if prefix not in counts:
            listed = ", ".join(prefixes) or "none"
            raise block.error(
                f"{name} has a prefix that spec/{_INDEX} does not give this chapter",
                f"use a prefix of this chapter ({listed}) or list {prefix} in spec/{_INDEX}",
            )
        if number != counts[prefix] + 1:
            raise block.error(
                f"a gap: {name} follows number {counts[prefix]}",
                f"number it WRI-{prefix}-{counts[prefix] + 1}, or restore what was there",
            )
        _check_capability(block, requirement, capabilities)
        counts[prefix] = number
        requirements[name] = requirement


def _check_capability(
    block: _Block, requirement: Requirement, capabilities: Mapping[str, Capability]
) -> None:
    name = requirement.capability
    if name is None:
        return
    if name not in capabilities:
        raise block.error(
            f"{requirement.id} names an unknown capability {name!r}",
            f"use one of {', '.join(capabilities)}, or add it to spec/{_INTRODUCTION}",
        )
    if capabilities[name].role not in requirement.roles:
        raise block.error(
            f"{requirement.id} does not bind the role of the capability {name}",
            f"add the role {capabilities[name].role}",
        )


def _requirement(block: _Block) -> tuple[str, int, Requirement]:
    """Return the prefix and the number of the id as well."""
    head = _ID.match(block.lines[0])
    if head is None:
        raise block.error(
            "a block quote that does not begin with the id of a requirement",
            f"begin it with {_SHAPE}",
        )
    name = head[1]
    for offset, line in enumerate(block.lines[1:], 1):
        if _HEAD.match(line):
            raise block.error(
                f"a second requirement in the block of {name}",
                "put an empty line without > before it",
                offset,
            )
    roles, beyond_cylc, capability = _tags(block, name, block.lines[0][head.end() :])

    end = next((n for n, line in enumerate(block.lines) if line.startswith("*Unobs")), None)
    text = _fold(block.lines[1:end])
    unobserved = None
    if end is not None:
        unobserved = _fold(block.lines[end:]).removeprefix(_UNOBSERVED).strip()
        if not unobserved or not block.lines[end].startswith(_UNOBSERVED):
            raise block.error(
                f"{name} is unobserved without a reason",
                f"write {_UNOBSERVED} and why nobody can observe it",
                end,
            )
    keywords = _KEYWORD.findall(_CODE.sub("", text))
    if len(keywords) != 1 or keywords[0] not in SEVERITIES:
        found = " and ".join(keywords) or ("none" if text else "no sentence")
        raise block.error(
            f"{name} has to have exactly one keyword, and has {found}",
            f"write one sentence with one of {', '.join(SEVERITIES)}",
        )
    requirement = Requirement(
        id=name,
        roles=roles,
        keyword=keywords[0],
        beyond_cylc=beyond_cylc,
        capability=capability,
        text=text,
        unobserved=unobserved,
        chapter=block.chapter.title,
        section=block.section,
        path=block.chapter.path,
        line=block.start,
    )
    return head[2], int(head[3]), requirement


def _tags(block: _Block, name: str, rest: str) -> tuple[tuple[str, ...], bool, str | None]:
    """Return the roles, whether more than Cylc does is required, and the capability."""
    empty, *tags = [tag.strip() for tag in rest.split("·")]
    roles = tuple(role.strip() for role in tags[0].split(",")) if tags else ()
    if empty or not roles or roles[0] not in ROLES:
        raise block.error(f"{name} has no role", f"begin the block with {_SHAPE}")
    for role in roles:
        if role not in ROLES or roles.count(role) > 1:
            raise block.error(
                f"{name} has the unknown or repeated role {role!r}",
                f"use each of {', '.join(ROLES)} once at most, separated by commas",
            )
    beyond_cylc, capability = False, None
    for tag in tags[1:]:
        found = _CAPABILITY.match(tag)
        if tag == "beyond Cylc" and not beyond_cylc and capability is None:
            beyond_cylc = True
        elif found and capability is None:
            capability = found[1]
        else:
            raise block.error(
                f"{name} has the unknown, repeated or misplaced tag {tag!r}",
                f"the shape is {_SHAPE}",
            )
    return roles, beyond_cylc, capability


def _fold(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())
