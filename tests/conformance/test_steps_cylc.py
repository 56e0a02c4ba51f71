"""The steps about the workflow, played against a real scheduler whose jobs run."""

from pathlib import Path

import attrs
import pytest

from wri_conformance import manifest, scenario
from wri_conformance.specification import load
from wri_conformance.stage import Stage
from wri_conformance.verdict import Verdict

SCENARIO = """\
title: A run in snapshots, queries and publications
role: publisher
needs: [deltas]
fixture: run
server: own
steps:
  - {peer: sub, connect: {to: publish, socket: SUB, topics: [""]}}
  - step: before
    request: {command: pb_entire_workflow, args: {}}
    decode: PbEntireWorkflow
    save: before
    expect:
      WRI-STORE-10:
        properties: {workflow: {required: [status], properties: {status: {const: paused}}}}
    message:
      WRI-DATA-1: {properties: {protobuf: {const: true}, unknown_fields: {const: false}}}
  - graphql:
      query: |
        query {taskProxies {
          id name cyclePoint state isHeld flowNums jobSubmits firstParent {id} task {id}
        }}
    save: told
  - step: same
    same:
      left: before/taskProxies
      right: told/data/taskProxies
      fields:
        - name
        - cyclePoint
        - state
        - isHeld
        - flowNums
        - jobSubmits
        - {left: firstParent, right: firstParent/id}
        - {left: task, right: task/id}
    expect:
      WRI-DATA-4: {properties: {compared: {minimum: 2}, differences: {maxItems: 0}}}
  - graphql: {query: 'mutation {resume(workflows: ["*"]) {result}}'}
  - graphql:
      query: 'query ($id: ID!) {job(id: $id) {state}}'
      variables: {id: {$join: [{$get: run/id}, //1/begin/01]}}
    eventually: 30
    require:
      properties: {data: {properties: {job: {properties: {state: {const: succeeded}}}}}}
  - step: stream
    peer: sub
    collect: {seconds: 6}
    save: stream
    expect:
      WRI-PUB-11:
        properties:
          batches: {minimum: 3}
          undecodable: {maxItems: 0}
          interleaved: {const: 0}
          all_differs: {maxItems: 0}
          missing_from_all: {maxItems: 0}
          missing_beside_all: {maxItems: 0}
          without_stamp: {maxItems: 0}
          without_checksum: {maxItems: 0}
          times: {properties: {decreasing: {const: 0}, differ_within_batch: {const: 0}}}
  - request: {command: pb_entire_workflow, args: {}}
    decode: PbEntireWorkflow
    save: after
  - {peer: sub, collect: {seconds: 3}, save: rest}
  - step: replayed
    replay: {snapshot: before, stream: [stream, rest], until: after}
    expect:
      WRI-DELTA-1: {properties: {equal: {const: true}, applied: {minimum: 3}}}
      WRI-DELTA-4:
        properties:
          checksums: {properties: {verified: {minimum: 10}, wrong: {maxItems: 0}}}
  - control: stop
  - step: end
    peer: sub
    collect: {quiet: 1}
    expect:
      WRI-PUB-4:
        properties:
          after_shutdown: {const: 0}
          last: {properties: {topic: {const: shutdown}, text: {const: REQUEST(NOW)}}}
"""
GLOBAL = """\
[platforms]
    [[localhost]]
        global init-script = export PATH={bin}:$PATH
"""


@pytest.mark.cylc
def test_a_real_run(tmp_path: Path, cylc_bin: Path) -> None:
    specification = load()
    (tmp_path / "case.yaml").write_text(SCENARIO, encoding="utf-8")
    (case,) = scenario.load_all(tmp_path, specification)
    cylc = attrs.evolve(
        manifest.load(manifest.find("cylc-flow"), specification),
        capabilities=("core", "data", "graphql", "control", "publish", "deltas"),
        files={".cylc/flow/global.cylc": GLOBAL},
    )
    stage = Stage(cylc, specification, cylc_bin.parent)
    try:
        results = stage.play(case).results
    finally:
        assert stage.close() == []
    told = [(r.id, r.message, r.actual) for r in results if r.verdict is not Verdict.PASS]
    assert told == []
