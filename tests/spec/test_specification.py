"""The parser of the specification, and what it says of a malformed one."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from wri import data
from wri_conformance.specification import Specification, SpecificationError, load

INDEX = """# Title

**Revision 7**

1. [Introduction](01-introduction.md) \N{EN DASH} ROLE
2. [Things](02-things.md) \N{EN DASH} TH, TO
"""
INTRODUCTION = """# 1. Introduction

| capability | role | mandatory | needs | endpoints | chapters |
|---|---|---|---|---|---|
| core | server | yes | | api, `ping` | 1 |
| extra | publisher | no | core | | 1 |
"""
THINGS = """# 2. Things

## 2.1 Some

> **WRI-TH-1** · server, client · beyond Cylc · capability core
> A *server* MUST do
> what `it MAY` can.
> *Unobserved:* nobody
> looks.

```text
> **WRI-TH-9** · nothing in a code block counts
```

> **WRI-TO-1** · publisher
> A publisher SHOULD NOT do it.

### 2.1.1 More

> **WRI-TH-2** · server
> A server MAY do it.
"""
BLOCK = "> **WRI-TH-1** · server\n> A server MUST do it.\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_all(
        things: str | bytes = THINGS, *, index: str = INDEX, introduction: str = INTRODUCTION
    ) -> Path:
        spec = tmp_path / "spec"
        spec.mkdir()
        (spec / "00-index.md").write_text(index)
        (spec / "01-introduction.md").write_text(introduction)
        content = things if isinstance(things, bytes) else things.encode()
        (spec / "02-things.md").write_bytes(content)
        return tmp_path

    return write_all


def test_everything_is_read(write: Write) -> None:
    specification = load(write())
    assert specification.revision == "7"
    assert list(specification.requirements) == ["WRI-TH-1", "WRI-TO-1", "WRI-TH-2"]
    first, second, third = specification.requirements.values()
    assert first.roles == ("server", "client")
    assert (first.keyword, first.severity) == ("MUST", "failure")
    assert first.beyond_cylc
    assert first.capability == "core"
    assert first.text == "A *server* MUST do what `it MAY` can."
    assert first.unobserved == "nobody looks."
    assert (first.chapter, first.section) == ("2. Things", "2.1 Some")
    assert (first.path, first.line) == ("spec/02-things.md", 5)
    assert (second.keyword, second.severity) == ("SHOULD NOT", "warning")
    assert (second.beyond_cylc, second.capability, second.unobserved) == (False, None, None)
    assert (third.keyword, third.severity, third.section) == ("MAY", "information", "2.1.1 More")
    core, extra = specification.capabilities.values()
    assert (core.name, core.role, core.mandatory) == ("core", "server", True)
    assert (core.needs, core.endpoints) == ((), ("api", "ping"))
    assert (extra.mandatory, extra.needs, extra.endpoints) == (False, ("core",), ())


def test_values_do_not_change(write: Write) -> None:
    specification = load(write())
    with pytest.raises(AttributeError):
        specification.revision = "8"  # type: ignore[misc]
    with pytest.raises(TypeError):
        specification.requirements["x"] = specification.requirements["WRI-TH-1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("things", "line", "message", "fix"),
    [
        ("# T\n\n> A server MUST do it.\n", 3, "id", "WRI-XXX-n"),
        ("> **WRI-TH-0** · server\n> A server MUST do it.\n", 1, "id", "WRI-XXX-n"),
        ("> **WRI-TH-1**\n> A server MUST do it.\n", 1, "no role", "role"),
        ("> **WRI-TH-1** · beyond Cylc\n> A server MUST do it.\n", 1, "no role", "role"),
        ("> **WRI-TH-1** server\n> A server MUST do it.\n", 1, "no role", "role"),
        ("> **WRI-TH-1** · server, job\n> A server MUST do it.\n", 1, "'job'", "subscriber"),
        ("> **WRI-TH-1** · server, server\n> It MUST do it.\n", 1, "repeated role", "once"),
        ("> **WRI-TH-1** · server · always\n> It MUST do it.\n", 1, "'always'", "beyond Cylc"),
        (
            "> **WRI-TH-1** · server · beyond Cylc · beyond Cylc\n> It MUST do it.\n",
            1,
            "'beyond Cylc'",
            "capability NAME",
        ),
        (
            "> **WRI-TH-1** · server · capability nope\n> It MUST do it.\n",
            1,
            "'nope'",
            "core, extra",
        ),
        (
            "> **WRI-TH-1** · server · capability extra\n> It MUST do it.\n",
            1,
            "extra",
            "publisher",
        ),
        ("> **WRI-TH-1** · server\n", 1, "no sentence", "MUST"),
        ("> **WRI-TH-1** · server\n> A server does it.\n", 1, "none", "SHOULD NOT"),
        ("> **WRI-TH-1** · server\n> It MUST do it and MAY more.\n", 1, "MUST and MAY", "one"),
        ("> **WRI-TH-1** · server\n> It SHALL do it.\n", 1, "SHALL", "MUST"),
        ("> **WRI-TH-1** · server\n> It `MUST` do it.\n", 1, "none", "MUST"),
        (BLOCK + "> *Unobserved:*\n", 3, "without a reason", "why"),
        (BLOCK + "> *Unobserved* since.\n", 3, "without a reason", "*Unobserved:*"),
        (BLOCK + "and more.\n", 3, "continues", "empty line"),
        (BLOCK + "> **WRI-TH-2** · server\n> It MUST.\n", 3, "second requirement", "empty line"),
        (BLOCK + "\n" + BLOCK, 4, "already at spec/02-things.md:1", "WRI-TH-2"),
        (BLOCK + "\n" + BLOCK.replace("TH-1", "TH-3"), 4, "gap", "WRI-TH-2"),
        (BLOCK.replace("TH-1", "TO-2"), 1, "gap", "WRI-TO-1"),
        (BLOCK.replace("TH-1", "ROLE-1"), 1, "prefix", "(TH, TO)"),
        ("# T\n```json\n" + BLOCK, 2, "never closed", "```"),
        (b"# T\n\n\xff\n", 3, "UTF-8", "UTF-8"),
    ],
)
def test_malformed_block(
    write: Write, things: str | bytes, line: int, message: str, fix: str
) -> None:
    with pytest.raises(SpecificationError) as caught:
        load(write(things))
    error = caught.value
    assert (error.path, error.line) == ("spec/02-things.md", line)
    assert message in error.message
    assert fix in error.fix
    assert str(error) == f"spec/02-things.md:{line}: {error.message}; fix: {error.fix}"


@pytest.mark.parametrize(
    ("change", "line", "message", "fix"),
    [
        (("| core | server", "| core | boss"), 5, "'boss'", "server"),
        (("server | yes", "server | maybe"), 5, "'maybe'", "yes or no"),
        (("| no | core |", "| no | cor |"), 6, "'cor'", "core, extra"),
        (("| no | core |", "| no | extra |"), 6, "'extra'", "core, extra"),
        (("| extra |", "| core |"), 6, "already in line 5", "own"),
        (("| extra |", "| |"), 6, "without a name", "name"),
        (("| capability |", "| ability |"), 1, "no table", "capability, role"),
    ],
)
def test_malformed_capability(
    write: Write, change: tuple[str, str], line: int, message: str, fix: str
) -> None:
    with pytest.raises(SpecificationError) as caught:
        load(write(introduction=INTRODUCTION.replace(*change)))
    error = caught.value
    assert (error.path, error.line) == ("spec/01-introduction.md", line)
    assert message in error.message
    assert fix in error.fix


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("**Revision 7**", "Revision 7"), 1, "no revision"),
        (("TH, TO", "TH, ROLE"), 6, "ROLE already belongs to 01-introduction.md"),
    ],
)
def test_malformed_index(write: Write, change: tuple[str, str], line: int, message: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        load(write(index=INDEX.replace(*change)))
    assert (caught.value.path, caught.value.line) == ("spec/00-index.md", line)
    assert message in caught.value.message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"spec/00-index\.md:1: .*install"):
        load(tmp_path)


def test_default_is_the_installed_specification() -> None:
    specification: Specification = load()
    assert specification == load(data.root())
    assert specification.requirements


def test_loading_is_fast() -> None:
    def once() -> float:
        start = time.process_time()
        load()
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.03
