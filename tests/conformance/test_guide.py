"""What the guide for authors of scenarios shows can be used as it stands."""

import re
from pathlib import Path

from wri.data import root
from wri_conformance import scenario
from wri_conformance.specification import load

GUIDE = (root() / "conformance" / "README.md").read_text(encoding="utf-8")
HEAD = """\
title: The steps of the guide, one after the other
role: publisher
needs: [deltas]
server: own
steps:
"""


def test_the_examples_of_scenarios_are_scenarios(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(title.*?)```", GUIDE, re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / f"case{number}.yaml").write_text(example, encoding="utf-8")
    loaded = scenario.load_all(tmp_path, load())
    assert [case.role for case in loaded] == ["server", "client"]


def test_the_examples_of_steps_are_steps(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(  - .*?)```", GUIDE, re.DOTALL)
    (tmp_path / "case.yaml").write_text(HEAD + "".join(examples), encoding="utf-8")
    (case,) = scenario.load_all(tmp_path, load())
    assert {"graphql", "collect", "replay", "same"} <= {step.action for step in case.steps}
    assert "decode" in {key for step in case.steps for key in step.spec}
    assert "eventually" in {key for step in case.steps for key in step.spec}


def test_every_step_is_named() -> None:
    for action in scenario.ACTIONS:
        assert f"`{action}`" in GUIDE
