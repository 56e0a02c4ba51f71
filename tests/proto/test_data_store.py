"""The messages against the descriptors of each release, and the generated code against both."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from google.protobuf import descriptor_pb2

from wri.data import root
from wri_conformance import venvs
from wri_proto.v1 import data_store_pb2

RELEASES = ("8.0.4", "8.1.4", "8.2.7", "8.3.6", "8.4.4", "8.5.4", "8.6.5", "8.7.0")
PROTO = root() / "proto"
SOURCE = PROTO / "wri_proto" / "v1" / "data_store.proto"
PACKAGE = ".wri_proto.v1."
COMPILER = ("grpcio-tools==1.59.5", "setuptools<81")

_MESSAGE = re.compile(
    r"(?:^// (?P<tags>(?:since|until) [^\n]*)\n)?^message (?P<name>\w+) \{", re.MULTILINE
)
_FIELD = re.compile(r"^  [\w<>, ]+ (\w+) = (\d+);(?: // (.*))?$", re.MULTILINE)
_TAG = re.compile(r"(since|until) (\d+)\.(\d+)\.(\d+)")

Version = tuple[int, int, int]


@frozen
class Field:
    """What counts on the wire and in the JSON form."""

    number: int
    name: str
    type: str
    repeated: bool
    presence: bool


def version(text: str) -> Version:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def fields(file: descriptor_pb2.FileDescriptorProto) -> dict[str, dict[int, Field]]:
    """Return the fields of every message, nested ones (those of maps) included, by number."""
    found: dict[str, dict[int, Field]] = {}

    def visit(prefix: str, message: descriptor_pb2.DescriptorProto) -> None:
        found[prefix + message.name] = {
            field.number: Field(
                field.number,
                field.name,
                field.type_name.replace(PACKAGE, ".") or str(field.type),
                field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
                field.proto3_optional,
            )
            for field in message.field
        }
        for nested in message.nested_type:
            visit(f"{prefix}{message.name}.", nested)

    for message in file.message_type:
        visit("", message)
    return found


def ours() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto()
    data_store_pb2.DESCRIPTOR.CopyToProto(file)
    return file


def lifetimes() -> dict[tuple[str, int], tuple[Version, Version]]:
    """Return, by message and number, the first release with a field and the first without."""
    found: dict[tuple[str, int], tuple[Version, Version]] = {}
    text = SOURCE.read_text(encoding="utf-8")
    heads = list(_MESSAGE.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        for name, number, tags in _FIELD.findall(body):
            assert name
            span = {"since": (8, 0, 0), "until": (99, 0, 0)}
            for word, *numbers in _TAG.findall(f"{head['tags'] or ''}, {tags}"):
                major, minor, patch = map(int, numbers)
                span[word] = major, minor, patch
            found[head["name"], int(number)] = span["since"], span["until"]
    return found


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The packages of all releases, downloaded once and kept."""
    place = venvs.cache() / "wheels"
    place.mkdir(parents=True, exist_ok=True)
    return place


def released(release: str, wheels: Path) -> descriptor_pb2.FileDescriptorProto:
    """Return the descriptor that a release ships in its generated code."""
    if not list(wheels.glob(f"cylc_flow-{release}-*.whl")):
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--ignore-requires-python", "--only-binary", ":all:"),
                *("-d", str(wheels), f"cylc-flow=={release}"),
            ],
            check=True,
        )
    (wheel,) = wheels.glob(f"cylc_flow-{release}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read("cylc/flow/data_messages_pb2.py"))
    literals = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes)
    ]
    return descriptor_pb2.FileDescriptorProto.FromString(max(literals, key=len))


@pytest.mark.cylc
@pytest.mark.parametrize("release", RELEASES)
def test_a_release_has_exactly_the_fields_that_are_said_to_be_in_it(
    release: str, wheels: Path
) -> None:
    theirs = fields(released(release, wheels))
    known = lifetimes()
    at = version(release)
    expected: dict[str, dict[int, Field]] = {}
    for message, by_number in fields(ours()).items():
        kept = {
            number: field
            for number, field in by_number.items()
            if "." in message or known[message, number][0] <= at < known[message, number][1]
        }
        if kept:
            expected[message] = kept
    assert theirs == expected


def test_every_field_of_the_text_is_in_the_generated_code() -> None:
    generated = {
        (message, number)
        for message, by_number in fields(ours()).items()
        if "." not in message
        for number in by_number
    }
    assert set(lifetimes()) == generated


def test_a_message_survives_the_wire_and_keeps_presence() -> None:
    before = data_store_pb2.PbTaskProxy(id="~u/w//1/foo", is_held=False, flow_nums="")
    after = data_store_pb2.PbTaskProxy.FromString(before.SerializeToString())
    assert after == before
    assert after.HasField("is_held")
    assert not after.HasField("is_queued")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the pinned compiler has no package")
def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    python = venvs.ensure(COMPILER, print) / "python"
    subprocess.run(
        [
            *(str(python), "-m", "grpc_tools.protoc", "-I", str(PROTO)),
            *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(SOURCE)),
        ],
        check=True,
    )
    for name in ("data_store_pb2.py", "data_store_pb2.pyi"):
        assert (tmp_path / "wri_proto" / "v1" / name).read_text() == SOURCE.with_name(
            name
        ).read_text(), f"{name} is not what the compiler makes of the .proto: see proto/README.md"


def buf(*args: str, cwd: Path) -> Any:
    program = str(Path(sys.executable).with_name("buf"))
    return subprocess.run([program, *args], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_text_is_linted_and_formatted() -> None:
    for command in (["lint"], ["format", "--diff", "--exit-code"]):
        done = buf(*command, cwd=PROTO)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("optional string stamp = 1;", "optional string stamp = 99;"),
        ("optional bool cond = 6;", "optional string cond = 6;"),
        ("repeated string leaves = 4;", "repeated string leafs = 4;"),
    ],
)
def test_a_breaking_change_is_refused(tmp_path: Path, before: str, after: str) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(PROTO, changed)
    path = changed / "wri_proto" / "v1" / "data_store.proto"
    text = path.read_text(encoding="utf-8")
    assert buf("breaking", "--against", str(PROTO), cwd=changed).returncode == 0
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    assert buf("breaking", "--against", str(PROTO), cwd=changed).returncode != 0
