"""The gate of the text: requirements, examples, tables and links of `spec/*.md`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphql
import pytest
from attrs import frozen

from wri import data
from wri_conformance import schemas
from wri_conformance.specification import ROLES, Requirement, load
from wri_proto.v1 import data_store_pb2

ROOT = data.root()
CHAPTERS = sorted((ROOT / "spec").glob("*.md"))
SPECIFICATION = load()
REQUIREMENTS = list(SPECIFICATION.requirements.values())
KEYWORD = re.compile(r"\b(?:MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)\b")
INFO = re.compile(
    r"text|json (?:schema|invalid)=(?P<json>\S+)|text schema=(?P<text>\S+)|hex name=[a-z0-9-]+"
    r"|graphql schema=(?P<graphql>[0-9.]+)"
)
DASH = "\N{EN DASH}"
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name)
each_requirement = pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.id)


@frozen
class Fence:
    """A fenced code block."""

    path: Path
    line: int
    info: str
    body: str


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield number, text, and whether the line is inside or a border of a code block."""
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        border = line.startswith("```")
        yield number, line, inside or border
        inside ^= border


def _prose(path: Path) -> list[tuple[int, str]]:
    return [(number, line) for number, line, code in _lines(path) if not code]


def _fences(path: Path) -> Iterator[Fence]:
    start, info, body = 0, "", list[str]()
    for number, line, code in _lines(path):
        if not code:
            continue
        if not line.startswith("```"):
            body.append(line + "\n")
        elif start:
            yield Fence(path, start, info, "".join(body))
            start = 0
        else:
            start, info, body = number, line.removeprefix("```"), []


def _table(chapter: str, *columns: str) -> list[dict[str, str]]:
    """Return the rows of the one table of a chapter that has these columns."""
    found = _tables(chapter, *columns)
    assert len(found) == 1, f"{chapter} has {len(found)} tables with the columns {columns}"
    return found[0]


def _tables(chapter: str, *columns: str) -> list[list[dict[str, str]]]:
    """Return the rows of each table of a chapter that has these columns."""
    found: list[list[dict[str, str]]] = []
    header: list[str] | None = None
    for _, line in [*_prose(ROOT / "spec" / chapter), (0, "")]:
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if header is None:
            header = cells
            if tuple(header) == columns:
                found.append([])
        elif tuple(header) == columns and set("".join(cells)) - set("-: "):
            assert len(cells) == len(columns), line
            found[-1].append(dict(zip(columns, cells, strict=True)))
    assert all(found)
    return found


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((ROOT / "schemas" / name).read_bytes())
    return schema


def _anchors(path: Path) -> set[str]:
    """The anchors that GitHub and most other renderers give to headings."""
    anchors: set[str] = set()
    for _, line in _prose(path):
        if heading := re.match(r"#+ +(.*)", line):
            slug = re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")
            anchors.add(slug)
    return anchors


FENCES = [fence for path in CHAPTERS for fence in _fences(path)]


# requirements


def test_no_requirement_escapes_the_parser() -> None:
    written = [
        line
        for path in CHAPTERS
        for _, line in _prose(path)
        if re.match(r"\W*WRI-[A-Z]+-[0-9]+\*\*", line)
    ]
    assert len(written) == len(REQUIREMENTS)


@each_chapter
def test_ids_of_a_chapter_go_on_without_a_gap(path: Path) -> None:
    entry = next(line for line in _index() if f"({path.name})" in line) if _listed(path) else ""
    prefixes = re.findall(r"\b[A-Z]{2,}\b", entry.rpartition(DASH)[2]) if DASH in entry else []
    ids = re.findall(r"^> \*\*(WRI-[A-Z]+-[0-9]+)\*\*", path.read_text(), re.MULTILINE)
    assert len(set(ids)) == len(ids)
    for prefix in prefixes:
        numbers = [int(i.rpartition("-")[2]) for i in ids if i.startswith(f"WRI-{prefix}-")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers, f"the index lists {prefix}, and no requirement has it"
    assert {identity.split("-")[1] for identity in ids} == set(prefixes)


def _index() -> list[str]:
    return [line for _, line in _prose(CHAPTERS[0]) if re.match(r"\d+\. ", line)]


def _listed(path: Path) -> bool:
    return any(f"({path.name})" in line for line in _index())


@each_chapter
def test_index_lists_each_chapter_by_its_number(path: Path) -> None:
    if path.name == "00-index.md":
        numbers = [int(line.partition(".")[0]) for line in _index()]
        assert numbers == list(range(1, len(numbers) + 1))
        return
    entries = [line for line in _index() if f"({path.name})" in line]
    assert len(entries) == 1
    number = int(path.name[:2])
    assert int(entries[0].partition(".")[0]) == number
    title = path.read_text().splitlines()[0]
    assert title.startswith((f"# {number}. ", f"# {number}\N{NO-BREAK SPACE}"))


@each_requirement
def test_requirement_is_one_sentence(requirement: Requirement) -> None:
    text = re.sub(r"`[^`]*`", "x", requirement.text)
    assert text.endswith(".")
    assert text[0].isupper() or requirement.text.startswith("`")
    assert not re.search(r"[.!?;][)*\"']* +\S", text), "more than one sentence"


@each_requirement
def test_requirement_has_one_keyword_and_one_reason_at_most(requirement: Requirement) -> None:
    assert len(KEYWORD.findall(re.sub(r"`[^`]*`", "", requirement.text))) == 1
    if requirement.unobserved is not None:
        assert requirement.unobserved.endswith(".")
        assert not KEYWORD.search(requirement.unobserved)


@each_requirement
def test_requirement_with_a_capability_binds_its_role(requirement: Requirement) -> None:
    if requirement.capability is not None:
        assert SPECIFICATION.capabilities[requirement.capability].role in requirement.roles


@each_chapter
def test_keywords_are_in_requirements_only(path: Path) -> None:
    if path.name == "00-index.md":
        pytest.skip("explains the keywords")
    stray = [
        f"{path.name}:{number}: {line}"
        for number, line in _prose(path)
        if KEYWORD.search(line) and not line.startswith(">")
    ]
    assert not stray


@each_chapter
def test_lines_are_short(path: Path) -> None:
    long = [
        f"{path.name}:{number}: {len(line)}"
        for number, line, _ in _lines(path)
        if len(line) > 100 and not line.startswith("|")  # the row of a table cannot be broken
    ]
    assert not long


@each_chapter
def test_file_is_tidy(path: Path) -> None:
    text = path.read_bytes().decode()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\t" not in text
    assert "\r" not in text
    assert not re.search(r" +$", text, re.MULTILINE)
    assert not re.search(r"\n\n\n", text)


def test_change_log_tells_of_the_revision() -> None:
    changes = (ROOT / "spec" / "17-changes.md").read_text()
    assert f"**Revision {SPECIFICATION.revision}**" in changes


# examples


@pytest.mark.parametrize("fence", FENCES, ids=lambda f: f"{f.path.name}:{f.line}")
def test_code_block(fence: Fence) -> None:
    info = INFO.fullmatch(fence.info)
    assert info, f"the info string {fence.info!r} is none of those that are checked"
    if info["json"]:
        validator = schemas.named(_file(info["json"]))
        errors = list(validator.iter_errors(json.loads(fence.body)))
        if fence.info.startswith("json schema="):
            assert schemas.explain(errors) == ""
        else:
            assert errors, "said to be invalid, and is not"
    elif info["text"]:
        assert info["text"] == "contact"
        pairs = [line.partition("=") for line in fence.body.splitlines()]
        assert all(equals for _, equals, _ in pairs)
        fields = {key: value for key, _, value in pairs}
        assert len(fields) == len(pairs)
        assert schemas.explain(schemas.named("contact.json").iter_errors(fields)) == ""
    elif info["graphql"]:
        sdl = [
            (ROOT / "schemas" / "graphql" / f"{name}.graphql").read_text()
            for name in ("base", info["graphql"])
        ]
        assert not graphql.validate(graphql.build_schema("\n".join(sdl)), graphql.parse(fence.body))


def _file(name: str) -> str:
    """Turn `api#/$defs/list` into `api.json#/$defs/list`."""
    stem, hash_, pointer = name.partition("#")
    return f"{stem.removesuffix('.json')}.json{hash_}{pointer}"


def test_each_message_has_an_example() -> None:
    named = {fence.info for fence in FENCES}
    assert {"json schema=request", "json schema=response", "json invalid=response"} <= named
    assert "text schema=contact" in named


# tables


def test_table_of_roles() -> None:
    rows = _table("01-introduction.md", "role", "socket", "what it does")
    assert tuple(row["role"] for row in rows) == ROLES
    assert {row["role"]: row["socket"] for row in rows} == {
        "server": "REP",
        "publisher": "PUB",
        "client": "REQ",
        "subscriber": "SUB",
    }


def test_table_of_capabilities() -> None:
    columns = ("capability", "role", "mandatory", "needs", "endpoints", "chapters")
    rows = _table("01-introduction.md", *columns)
    assert [row["capability"] for row in rows] == list(SPECIFICATION.capabilities)
    endpoints = [e for c in SPECIFICATION.capabilities.values() for e in c.endpoints]
    assert len(set(endpoints)) == len(endpoints)
    for capability in SPECIFICATION.capabilities.values():
        needs = [SPECIFICATION.capabilities[name] for name in capability.needs]
        assert {need.role for need in needs} <= {capability.role}
        if capability.mandatory:
            assert all(need.mandatory for need in needs)
    numbers = {path.name[:2].lstrip("0") for path in CHAPTERS}
    sections = {
        found[1]
        for path in CHAPTERS
        for _, line in _prose(path)
        if (found := re.match(r"## ([0-9]+\.[0-9]+) ", line))
    }
    for row in rows:
        for reference in re.findall(r"[0-9.]+", row["chapters"]):
            assert reference in (sections if "." in reference else numbers)


def test_each_endpoint_has_a_section() -> None:
    headings = "\n".join(line for _, line in _prose(ROOT / "spec" / "07-endpoints.md"))
    for capability in SPECIFICATION.capabilities.values():
        for endpoint in capability.endpoints:
            assert re.search(rf"^## 7\.[0-9]+ `{endpoint}`$", headings, re.MULTILINE)


def test_table_of_contact_fields() -> None:
    rows = _table("02-discovery.md", "key", "required", "type", "meaning")
    schema = _schema("contact.json")
    properties = schema["properties"]
    assert [row["key"] for row in rows] == list(properties)
    assert {row["required"] for row in rows} == {"yes", "no"}
    assert [row["key"] for row in rows if row["required"] == "yes"] == schema["required"]
    for row in rows:
        field = properties[row["key"]]
        constants = re.findall(r"`([^`]*)`", row["type"])
        allowed = [field["const"]] if "const" in field else field.get("enum", [])
        assert constants == allowed, row["key"]
        assert (row["type"] == "port") is (field == {"$ref": "#/$defs/port"}), row["key"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("version", "8.5.4", "five"),
        ("host", "::1", "a b"),
        ("workflow id", "a/run1", "/a"),
        ("integer > 0", "1", "0"),
        ("port", "65535", "65536"),
        ("absolute path", "/", "a"),
        ("UUID", "86641c11-f1b3-455c-a030-1853979b0500", "86641c11"),
        ("text", "x", None),
    ],
)
def test_types_of_contact_fields(kind: str, good: str, bad: str | None) -> None:
    rows = _table("02-discovery.md", "key", "required", "type", "meaning")
    keys = [row["key"] for row in rows if row["type"] == kind]
    assert keys
    for key in keys:
        validator = schemas.named(f"contact.json#/properties/{key}")
        assert validator.is_valid(good)
        assert not validator.is_valid(bad)


def test_each_type_of_a_contact_field_is_tested() -> None:
    rows = _table("02-discovery.md", "key", "required", "type", "meaning")
    tested = {"version", "host", "workflow id", "integer > 0", "port", "absolute path", "UUID"}
    assert {row["type"] for row in rows if "`" not in row["type"]} == {*tested, "text"}


def test_table_of_request_members() -> None:
    rows = _table("05-requests.md", "member", "required", "type", "meaning")
    schema = _schema("request.json")
    assert [row["member"] for row in rows] == list(schema["properties"])
    assert [row["member"] for row in rows if row["required"] == "yes"] == schema["required"]
    types = {name: field.get("type", "object") for name, field in schema["properties"].items()}
    assert {row["member"]: row["type"] for row in rows} == types


def test_table_of_meta_members() -> None:
    rows = _table("05-requests.md", "member of meta", "type", "meaning")
    properties = _schema("meta.json")["properties"]
    assert [row["member of meta"] for row in rows] == list(properties)
    for row in rows:
        field = properties[row["member of meta"]]
        if "enum" in field:
            assert re.findall(r"`([^`]*)`", row["type"]) == field["enum"]
        else:
            assert row["type"] == field["type"]


@pytest.mark.parametrize(
    ("number", "name"), [(0, "api.json"), (1, "data.json"), (2, "graphql.json")]
)
def test_table_of_arguments(number: int, name: str) -> None:
    tables = _tables("07-endpoints.md", "argument", "type", "default", "meaning")
    assert len(tables) == 3
    schema = _schema(name)["$defs"]["args"]
    rows = tables[number]
    assert [row["argument"] for row in rows] == list(schema["properties"])
    for row in rows:
        kind = schema["properties"][row["argument"]]["type"]
        assert row["type"].split(" or ") == (kind if isinstance(kind, list) else [kind])
        mandatory = row["argument"] in schema.get("required", [])
        assert row["default"] == ("none" if mandatory else "null")


def test_tables_of_elements() -> None:
    elements = _table("09-data-store.md", *("type", "message", "delta", "identity", "what it is"))
    assert {row["type"]: row["message"] for row in elements} == _members("PbEntireWorkflow")
    deltas = {row["type"]: row["delta"] for row in elements}
    assert deltas == _members("AllDeltas")
    asked = _table("07-endpoints.md", "element_type", "result")
    assert {row["element_type"]: row["result"] for row in asked} == deltas
    names = _schema("data.json")["$defs"]["args"]["properties"]["element_type"]["enum"]
    assert [row["element_type"] for row in asked] == names
    topics = {
        row["topic"]: row["payload"] for row in _table("10-publication.md", "topic", "payload")
    }
    assert topics == deltas | {"all": "AllDeltas", "shutdown": "text"}


def test_table_of_delta_fields() -> None:
    rows = _table("09-data-store.md", "field", "meaning")
    assert {row["field"] for row in rows} == set(data_store_pb2.TPDeltas.DESCRIPTOR.fields_by_name)


def test_table_of_replaced_fields() -> None:
    rows = _table("09-data-store.md", "type", "fields that are replaced as a whole")
    messages = _members("PbEntireWorkflow")
    for row in rows:
        names = re.findall(r"`([a-z_]+)`", row["fields that are replaced as a whole"])
        assert names
        message = data_store_pb2.DESCRIPTOR.message_types_by_name[messages[row["type"]]]
        assert set(names) <= set(message.fields_by_name)


def _members(name: str) -> dict[str, str]:
    """Return, by field, the messages that a message is made of."""
    fields: Any = data_store_pb2.DESCRIPTOR.message_types_by_name[name].fields_by_name
    return {field: one.message_type.name for field, one in fields.items()}


def test_fields_that_requirements_name_exist() -> None:
    """Names in snake_case in the chapters of the data store are those of fields or types."""
    known = {"element_type", "request_string", "pb_data_elements", "pb_entire_workflow"}
    for message in data_store_pb2.DESCRIPTOR.message_types_by_name.values():
        known |= set(message.fields_by_name)
    for chapter in ("09-data-store.md", "10-publication.md"):
        text = "\n".join(line for _, line in _prose(ROOT / "spec" / chapter))
        assert set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) <= known


# references


@each_chapter
def test_links(path: Path) -> None:
    text = "\n".join(line for _, line in _prose(path))
    for label, target in re.findall(r"\[([^]]*)\]\(([^)]*)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.is_file(), target
        if anchor:
            assert anchor in _anchors(file), target
        if number := re.fullmatch(r"chapter (\d+)", label):
            assert int(name[:2]) == int(number[1]), f"{label} leads to {name}"
        if number := re.fullmatch(r"(\d+)\.\d+", label):
            assert anchor.startswith(label.replace(".", "")), f"{label} leads to {target}"


@each_chapter
def test_references_to_requirements(path: Path) -> None:
    prefixes = "|".join({identity.split("-")[1] for identity in SPECIFICATION.requirements})
    text = path.read_text()
    references = re.findall(rf"\b(?:WRI-)?((?:{prefixes})-[0-9]+)\b", text)
    references += re.findall(r"\bWRI-([A-Z]+-[0-9]+)\b", text)
    unknown = {name for name in references if f"WRI-{name}" not in SPECIFICATION.requirements}
    assert not unknown


@each_chapter
def test_schemas_that_are_named_exist(path: Path) -> None:
    for name in re.findall(r"`([a-z]+\.json)`", path.read_text()):
        assert (ROOT / "schemas" / name).is_file()
