"""Mistakes in manifests and scenarios: the file, the line, the fix, and never a traceback."""

from pathlib import Path

import pytest

from wri_conformance import manifest, scenario
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import load

SCENARIO = """\
title: An unknown endpoint is refused
role: server
needs: [core]
steps:
  - step: refused
    request: {command: no_such_endpoint, args: {}}
    expect:
      WRI-ERR-2: {required: [error]}
"""
STEPS = """\
title: A workflow is shown in several forms
role: publisher
needs: [deltas]
server: own
steps:
  - {peer: sub, connect: {to: publish, socket: SUB, topics: [""]}}
  - request: {command: pb_entire_workflow, args: {}}
    decode: PbEntireWorkflow
    save: before
  - graphql:
      query: "query ($id: ID!) {workflows(ids: [$id]) {id}}"
      variables: {id: {$get: run/id}}
    eventually: 5
    require: {required: [data]}
    save: told
  - collect: {quiet: 1}
    peer: sub
    save: stream
  - replay: {snapshot: before, stream: [stream], until: before}
    step: replayed
    expect:
      WRI-DELTA-1: {required: [equal]}
  - same: {left: before/workflow, right: told/data/workflows, fields: [id]}
"""
ADAPTED = """\
title: A subscriber keeps a data store
role: subscriber
needs: [subscribe, store]
steps:
  - truth: {workflow: {id: "~u/w"}}
  - ask: {do: follow}
    reply: {snapshot: true}
  - publish:
      - {delta: {task_proxies: {added: [{id: "~u/w//1/a"}]}}}
  - step: shown
    ask: {do: store, timeout: 1}
    expect:
      WRI-DELTA-14: {required: [equal]}
"""
MANIFEST = """\
name: my-server
version: "1"
roles:
  server:
    capabilities: [core]
    start:
      paused: [my-server, "{workflow}"]
known_failures:
  - match: server/x::y::WRI-ERR-1
    reason: it is what it is
"""


def scenario_mistake(tmp_path: Path, text: str) -> Mistake:
    path = tmp_path / "case.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Mistake) as caught:
        scenario.load_all(tmp_path, load())
    assert caught.value.path == path
    return caught.value


def manifest_mistake(tmp_path: Path, text: str) -> Mistake:
    path = tmp_path / "manifest.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Mistake) as caught:
        manifest.load(path, load())
    assert caught.value.path == path
    return caught.value


def test_the_texts_of_these_tests_are_valid(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text(SCENARIO)
    (case,) = scenario.load_all(tmp_path, load())
    assert [check.id for check in case.checks] == ["case::refused::WRI-ERR-2"]
    (tmp_path / "case.yaml").write_text(STEPS)
    (case,) = scenario.load_all(tmp_path, load())
    assert [check.id for check in case.checks] == ["case::replayed::WRI-DELTA-1"]
    (tmp_path / "case.yaml").write_text(ADAPTED)
    (case,) = scenario.load_all(tmp_path, load())
    assert [check.id for check in case.checks] == ["case::shown::WRI-DELTA-14"]
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    assert manifest.load(tmp_path / "manifest.yaml", load()).capabilities == ("core",)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("title:", "titel:", 1, ["titel", "title"]),
        ("role: server", "role: sever", 2, ["sever", "publisher"]),
        ("needs: [core]", "needs: [cor]", 3, ["cor", "core"]),
        ("needs: [core]", "needs: [core]\nneeds: [core]", 4, ["second time"]),
        ("needs: [core]", "needs: [core]\nfixture: gone", 4, ["gone"]),
        ("request:", "reqest:", 6, ["reqest"]),
        ("command: no_such_endpoint, ", "", 6, ["command"]),
        ("WRI-ERR-2", "WRI-ERR-999", 8, ["WRI-ERR-999", "wri explain"]),
        ("WRI-ERR-2", "ERR-2", 8, ["ERR-2"]),
        ("required:", "requird:", 8, ["requird"]),
        ("{required: [error]}", "{const: {$get: gone/x}}", 5, ["gone", "save"]),
        ("no_such_endpoint", '"${gone}"', 1, ["gone", "matrix"]),
        ("    request: {command: no_such_endpoint, args: {}}", "    control: stop", 5, ["own"]),
        ("steps:", "steps: [", 5, ["YAML"]),
        ("\n    expect:\n      WRI-ERR-2: {required: [error]}", "", 4, ["checks nothing"]),
    ],
)
def test_a_mistake_in_a_scenario(
    tmp_path: Path, before: str, after: str, line: int, words: list[str]
) -> None:
    assert before in SCENARIO
    mistake = scenario_mistake(tmp_path, SCENARIO.replace(before, after, 1))
    assert mistake.line == line, str(mistake)
    assert mistake.fix
    for word in words:
        assert word in str(mistake)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("decode: PbEntireWorkflow", "decode: PbWhole", 8, ["PbWhole", "PbEntireWorkflow"]),
        ("    decode: PbEntireWorkflow\n", "", 18, ["no snapshot", "before", "decode"]),
        ("decode: PbEntireWorkflow", "decode: PbWorkflow", 19, ["no snapshot", "before"]),
        ("    peer: sub\n    save", "    save", 16, ["peer"]),
        ("    peer: sub\n    save", "    peer: sun\n    save", 16, ["sun", "socket: SUB"]),
        ("quiet: 1", "quiet: 1, until: shutdown", 16, []),
        ("quiet: 1", "quite: 1", 16, ["quite", "quiet"]),
        ("stream: [stream]", "stream: [told]", 19, ["no stream", "told", "collect"]),
        ("until: before", "until: after", 19, ["no snapshot", "after"]),
        (", until: before", "", 19, ["until"]),
        ("left: before", "left: befor", 23, ["befor", "save"]),
        (", fields: [id]", "", 23, ["fields"]),
        ("workflows(ids: [$id]) {id}", "workflows(ids: [$id]) {id", 11, ["Syntax", "request:"]),
        ("query ($id", "query X {a} query ($id", 11, ["2 operations"]),
        ("{id: {$get: run/id}}", "{di: {$get: run/id}}", 12, ["$di"]),
        ("{$get: run/id}", "{$get: ran/id}", 10, ["ran", "save"]),
        ("{$get: run/id}", "{$join: [{$get: ran/id}, x]}", 10, ["ran", "save"]),
        ("require: {required", "require: {requird", 14, ["requird"]),
        ("require: {required: [data]}", "wait: 1", 10, []),
        ("    require: {required: [data]}\n", "", 10, []),
        ("query (", "mutation (", 10, ["own"]),
    ],
)
def test_a_mistake_in_a_step_about_the_workflow(
    tmp_path: Path, before: str, after: str, line: int, words: list[str]
) -> None:
    assert before in STEPS
    text = STEPS.replace(before, after, 1)
    if after == "mutation (":
        text = text.replace("server: own\n", "server: shared\n")
    mistake = scenario_mistake(tmp_path, text)
    assert mistake.line == line, str(mistake)
    assert mistake.fix
    for word in words:
        assert word in str(mistake)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("do: store", "do: stoer", 11, ["stoer", "store"]),
        ("do: store", "do: store, comand: x", 11, ["comand"]),
        (
            "- ask: {do: follow}\n    reply:",
            "- describe: true\n  - script:",
            6,
            ["subscriber", "ask"],
        ),
        ("role: subscriber", "role: server", 5, ["truth", "server", "request"]),
        ("ask: {do: follow}", "connect: {}", 6, ["reply", "add ask"]),
        ('{id: "~u/w"}', '{di: "~u/w"}', 5, ["PbEntireWorkflow", "di", "data_store.proto"]),
        ("added: [{id:", "added: [{di:", 8, ["TPDeltas", "di"]),
        ("{delta: {task_proxies:", "{delta: {task:", 9, ["task"]),
        ("snapshot: true", "message: PbNope", 6, ["PbNope"]),
        ("snapshot: true", "snapshot: true, data: 1", 7, []),
        ("    ask: {do: store, timeout: 1}\n", "", 10, []),
        ("ask: {do: follow}", "put: {file: contact}", 6, []),
    ],
)
def test_a_mistake_in_a_scenario_with_an_adapter(
    tmp_path: Path, before: str, after: str, line: int, words: list[str]
) -> None:
    assert before in ADAPTED
    mistake = scenario_mistake(tmp_path, ADAPTED.replace(before, after, 1))
    assert mistake.line == line, str(mistake)
    assert mistake.fix
    for word in words:
        assert word in str(mistake)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("name: my-server", "nmae: my-server", 1, ["nmae", "name"]),
        ("name: my-server", "name: My Server", 1, ["My Server"]),
        ("capabilities: [core]", "capabilities: [cor]", 5, ["cor", "core"]),
        ("capabilities: [core]", "capabilities: [legacy-ping]", 5, ["core"]),
        ("capabilities: [core]", "capabilities: [core, publish]", 5, ["publish", "role server"]),
        ('[my-server, "{workflow}"]', "my-server", 7, ["array"]),
        ("    reason: it is what it is\n", "", 9, ["reason"]),
        ("roles:", "environment: {files: {../x: text}}\nroles:", 3, ["../x"]),
        ("roles:", "environment: {files: {/etc/x: text}}\nroles:", 3, ["/etc/x"]),
        ("roles:", "environment: {files: {x: 1}}\nroles:", 3, ["quotes"]),
        ("{workflow}", "{bni}", 4, ["bni", "{bin}"]),
        ("server/x::y::WRI-ERR-1", "server/x", 9, ["server/x"]),
        ("capabilities: [core]", "capabilities: [request]", 5, ["request", "role server"]),
        ("  server:", "  client: {capabilities: [async], adapter: [x]}\n  server:", 4, ["needs"]),
        ("  server:", "  client: {capabilities: [request]}\n  server:", 4, ["adapter"]),
        (
            "  server:",
            "  client: {capabilities: [request], adapter: ['{x}']}\n  server:",
            4,
            ["{x}"],
        ),
        ("  server:", "  publisher:", 3, ["add server"]),
        ("it is what it is", "it is what it is\n    expires: 2026-02-30", 11, ["2026-02-30"]),
    ],
)
def test_a_mistake_in_a_manifest(
    tmp_path: Path, before: str, after: str, line: int, words: list[str]
) -> None:
    assert before in MANIFEST
    mistake = manifest_mistake(tmp_path, MANIFEST.replace(before, after, 1))
    assert mistake.line == line, str(mistake)
    assert mistake.fix
    for word in words:
        assert word in str(mistake)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="no manifest"):
        manifest.find(str(tmp_path / "gone.yaml"))


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Mistake, match="UTF-8"):
        scenario.load_all(tmp_path, load())


def test_the_variables_of_a_matrix_are_validated_as_well(tmp_path: Path) -> None:
    text = SCENARIO.replace(
        "steps:", "matrix:\n  one: {body: {command: x, args: {}}}\n  two: {body: {}}\nsteps:"
    ).replace("{command: no_such_endpoint, args: {}}", '"${body}"')
    mistake = scenario_mistake(tmp_path, text)
    assert "two" in str(mistake)
