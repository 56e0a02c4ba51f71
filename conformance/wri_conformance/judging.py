"""Turns what a step observed into the results of its checks. Pure."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from wri_conformance import expect, telling
from wri_conformance.scenario import Step
from wri_conformance.seen import NOTHING, Seen
from wri_conformance.specification import Specification
from wri_conformance.verdict import Result, Verdict, of_failure


@frozen
class Judge:
    """Judges the steps of one scenario; `saved` is what they may refer to with `$get`."""

    scenario: str
    specification: Specification
    saved: Mapping[str, Any]

    def unreached(self, step: Step, cause: str) -> list[Result]:
        """Return the results of a step that nobody got to."""
        return [
            self._result(step, requirement, Verdict.FAIL, f"not reached: {cause}", reached=False)
            for requirement in (*step.expectations, *step.message)
        ]

    def judge(self, step: Step, seen: Seen) -> list[Result]:
        """Return one result for each check of a step."""
        return [
            self._judge_one(step, seen, requirement, schema, actual)
            for actual, expectations in (
                (seen.body, step.expectations),
                (seen.message, step.message),
            )
            for requirement, schema in expectations.items()
        ]

    def holds(self, step: Step, seen: Seen) -> bool:
        """Tell whether what was observed satisfies all that a step asks for, bounds aside."""
        wanted = [
            *((seen.body, schema) for schema in step.expectations.values()),
            *((seen.message, schema) for schema in step.message.values()),
            *((seen.body, schema) for schema in (step.spec.get("require"),) if schema is not None),
        ]
        return all(
            actual is not NOTHING
            and expect.mismatch(expect.resolve(schema, self.saved), actual) is None
            for actual, schema in wanted
        )

    def unmet(self, step: Step, seen: Seen) -> str:
        """Return why what was observed does not do as preparation; nothing if it does."""
        if "require" not in step.spec:
            return ""
        return expect.mismatch(expect.resolve(step.spec["require"], self.saved), seen.body) or ""

    def _result(
        self, step: Step, requirement: str, verdict: Verdict, message: str, **more: Any
    ) -> Result:
        for name in {"expected", "actual"} & set(more):
            more[name] = telling.value(more[name])
        return Result(
            id=f"{self.scenario}::{step.name}::{requirement}",
            scenario=self.scenario,
            step=step.name,
            requirement=requirement,
            verdict=verdict,
            message=telling.message(message),
            **more,
        )

    def _judge_one(
        self, step: Step, seen: Seen, requirement: str, schema: Any, actual: Any
    ) -> Result:
        broken = of_failure(self.specification.requirements[requirement].severity)
        more: dict[str, Any] = {
            "sent": seen.sent,
            "seconds": None if seen.seconds is None else round(seen.seconds, 3),
        }
        if seen.not_applicable:
            return self._result(step, requirement, Verdict.NOT_APPLICABLE, seen.not_applicable)
        if actual is NOTHING:
            return self._result(
                step, requirement, broken, seen.why, expected=schema, actual=seen.shown, **more
            )
        told = seen.shown if actual is seen.body and seen.shown is not None else actual
        try:
            schema = expect.resolve(schema, self.saved)
        except LookupError as error:
            reason = str(error.args[0])
            return self._result(
                step, requirement, broken, reason, expected=schema, actual=told, **more
            )
        mismatch = expect.mismatch(schema, actual)
        bound = step.spec.get("bound", {}).get(requirement)
        late = bool(mismatch is None and bound and seen.seconds is not None)
        late = late and seen.seconds is not None and seen.seconds > bound
        if late:
            mismatch = f"it took {seen.seconds:.1f} s; the requirement allows {bound:g} s"
        elif mismatch is not None and actual is seen.body:
            late = seen.overdue
        return self._result(
            step,
            requirement,
            Verdict.PASS if mismatch is None else broken,
            mismatch or "",
            late=late,
            expected=schema,
            actual=told,
            **more,
        )
