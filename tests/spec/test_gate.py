"""Every requirement has a scenario, or a written reason why it has none."""

import importlib
from collections.abc import Iterable
from typing import Any

from wri_conformance.specification import Requirement, Specification, load


def _scenarios() -> list[Any]:
    module = importlib.import_module("wri_conformance.scenario")
    scenarios = list(module.load_all())
    assert scenarios, "there are no scenarios: then none of these tests says anything"
    return scenarios


def _citations(scenarios: Iterable[Any]) -> list[tuple[Any, str]]:
    return [(scenario, check.requirement) for scenario in scenarios for check in scenario.checks]


def _needs_evidence(requirement: Requirement) -> bool:
    return requirement.severity != "information" and requirement.unobserved is None


def _cited(specification: Specification) -> list[tuple[Any, Requirement]]:
    """The citations of requirements that exist; a test of its own finds the others."""
    return [
        (scenario, specification.requirements[identity])
        for scenario, identity in _citations(_scenarios())
        if identity in specification.requirements
    ]


def test_each_must_and_should_is_cited_for_each_role_or_unobserved() -> None:
    specification = load()
    cited = {(scenario.role, identity) for scenario, identity in _citations(_scenarios())}
    missing = [
        f"{requirement.path}:{requirement.line}: {requirement.id} ({role}) {requirement.text}"
        for requirement in specification.requirements.values()
        for role in requirement.roles
        if _needs_evidence(requirement) and (role, requirement.id) not in cited
    ]
    assert not missing, (
        "no scenario checks these; add one, or a line '*Unobserved:* reason':\n"
        + "\n".join(missing)
    )


def test_no_scenario_cites_what_does_not_exist() -> None:
    requirements = load().requirements
    unknown = [
        f"{scenario.id} cites {identity}"
        for scenario, identity in _citations(_scenarios())
        if identity not in requirements
    ]
    assert not unknown


def test_no_scenario_cites_an_unobserved_requirement() -> None:
    wrong = [
        f"{scenario.id} cites {requirement.id}, which is said to be unobserved: remove either"
        for scenario, requirement in _cited(load())
        if requirement.unobserved is not None
    ]
    assert not wrong


def test_no_scenario_cites_a_may() -> None:
    wrong = [
        f"{scenario.id} cites {requirement.id}, which only allows something"
        for scenario, requirement in _cited(load())
        if requirement.severity == "information"
    ]
    assert not wrong


def test_each_cited_requirement_binds_the_role_of_the_scenario() -> None:
    wrong = [
        f"{scenario.id} ({scenario.role}) cites {requirement.id}, which binds"
        f" {', '.join(requirement.roles)}"
        for scenario, requirement in _cited(load())
        if scenario.role not in requirement.roles
    ]
    assert not wrong


def test_each_scenario_checks_something() -> None:
    idle = [scenario.id for scenario in _scenarios() if not list(scenario.checks)]
    assert not idle
