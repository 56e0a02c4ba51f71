"""The pytest plugin: scenarios are items, `--wri MANIFEST` collects and judges them.

Without `--wri` it does nothing, so that having `wri` installed changes nobody's test runs.
"""

import datetime as dt
import json
import math
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from wri_conformance import environments, results, scenario, terminal
from wri_conformance import manifest as manifests
from wri_conformance.evidence import report as evidence_report
from wri_conformance.mistakes import Mistake
from wri_conformance.preflight import preflight
from wri_conformance.scenario import Scenario
from wri_conformance.specification import Specification, SpecificationError
from wri_conformance.specification import load as load_specification
from wri_conformance.stage import Stage
from wri_conformance.verdict import Verdict, apply_known

_BAD = {Verdict.FAIL, Verdict.ERROR}
_ROUND = "#"  # before the number of a round, from the second on
_SUITE = pytest.StashKey["Suite"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("wri", "conformance with the Workflow Runtime Interface")
    group.addoption(
        "--wri", metavar="MANIFEST", help="test the implementation that this manifest describes"
    )
    group.addoption(
        "--wri-select",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only scenarios whose id, check or requirement matches; may be repeated",
    )
    group.addoption(
        "--wri-results", metavar="DIRECTORY", help="write results.json and summary.md there"
    )
    group.addoption(
        "--wri-scenarios",
        metavar="DIRECTORY",
        help="play the scenarios in it instead of those of the suite",
    )
    group.addoption(
        "--wri-patience",
        metavar="FACTOR",
        type=float,
        default=1.0,
        help="multiply every wait of the suite, for slow machines; bounds of the "
        "specification stay",
    )
    group.addoption(
        "--wri-strict", action="store_true", help="warnings and inconclusive checks fail the run"
    )
    group.addoption(
        "--wri-repeat",
        metavar="NUMBER",
        type=int,
        default=1,
        help="play everything so often, and tell what did not come to the same verdict each time",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load everything that can be wrong before anything is started."""
    name = config.getoption("--wri")
    if not name or config.option.help:
        return
    if not hasattr(config, "workerinput"):
        # A job in the background of a shell starts with SIGINT ignored, and SIGTERM would
        # leave no time to clean up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
    try:
        suite = Suite.of(config, name)
    except (Mistake, SpecificationError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SUITE] = suite
    config.pluginmanager.register(suite, "wri-suite")
    if str(suite.base) not in config.args:
        config.args.append(str(suite.base))


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


class ScenarioFile(pytest.File):
    """A scenario file, and the scenarios that it expands to."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the selected scenarios of this file."""
        suite = self.config.stash[_SUITE]
        for case in suite.scenarios:
            if case.path == self.path and suite.selected(case):
                parts = case.id.split("/")
                cut = min(2, len(parts) - 1)
                group, rest = "/".join(parts[:cut]), "/".join(parts[cut:])
                for number in range(self.config.getoption("--wri-repeat")):
                    name = f"{rest}{_ROUND}{number + 1}" if number else rest
                    item: ScenarioItem = ScenarioItem.from_parent(
                        self,
                        name=name,
                        nodeid=f"{group}::{name}" if group else name,
                        case=case,
                    )
                    yield item


class ScenarioItem(pytest.Item):
    """One scenario. Its checks travel in the report as `wri`."""

    def __init__(self, *, case: Scenario, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case
        self.played: results.Played | None = None

    def runtest(self) -> None:
        """Play the scenario, or say why not."""
        suite = self.config.stash[_SUITE]
        self.played = suite.play(self.case)
        verdicts = {result.verdict for result in self.played.results}
        for result in self.played.results:
            self.user_properties.append((result.id, result.verdict.value))
        if verdicts & _BAD:
            raise ChecksFailedError
        if verdicts == {Verdict.NOT_APPLICABLE}:
            pytest.skip(self.played.results[0].message)
        if Verdict.KNOWN_FAILURE in verdicts:
            reasons = {r.known for r in self.played.results if r.known}
            pytest.xfail("; ".join(sorted(reasons)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        """Return the block of the failing checks, or what is wrong with the suite."""
        if isinstance(excinfo.value, ChecksFailedError) and self.played is not None:
            suite = self.config.stash[_SUITE]
            return evidence_report(
                self.played.results,
                self.played.trace,
                suite.specification,
                suite.again(self.case),
                self.case.title,
            )
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the scenario is, for pytest."""
        return self.path, 0, self.case.id


class ChecksFailedError(Exception):
    """A check failed; the evidence is in the item."""


def _selects(patterns: Sequence[str], case: Scenario) -> bool:
    names = [case.id, *(c.id for c in case.checks), *(c.requirement for c in case.checks)]
    return not patterns or any(manifests.selects(pattern, *names) for pattern in patterns)


def _base(given: str | None) -> Path:
    """Return the directory of the scenarios to play."""
    if given is None:
        return scenario.directory()
    base = Path(given).resolve()
    if not any(base.rglob("*.yaml")):
        raise Mistake(f"there are no scenarios in {given!r}", "give a directory with YAML files")
    return base


def _concerning(
    manifest: manifests.Manifest, cases: Sequence[Scenario]
) -> tuple[manifests.KnownFailure, ...]:
    """Return the known failures of these scenarios; those of others are not stale."""
    checks = [check.id for case in cases for check in case.checks]
    found = []
    for entry in manifest.known_failures:
        single = [evolve(entry, match=(pattern,)) for pattern in entry.match]
        found += [one for one in single if any(map(one.covers, checks))]
    return tuple(found)


@define(eq=False)
class Suite:
    """The suite in one pytest process: a worker plays, the controller judges and reports."""

    config: pytest.Config
    specification: Specification
    manifest: manifests.Manifest
    scenarios: tuple[Scenario, ...]
    path: Path | None
    fatal: dict[str, str]  # by role, why it cannot be played
    report: results.Report
    base: Path  # of the scenarios
    _stage: Stage | None = None
    _began: float = field(factory=time.monotonic)
    _told: set[str] = field(factory=set)  # items of which it is known what came of them
    survivors: list[str] = field(factory=list)
    here: Path = field(factory=Path.cwd)

    @classmethod
    def of(cls, config: pytest.Config, name: str) -> "Suite":
        """Load specification, manifest and scenarios, and see whether anything starts at all.

        Raises:
            Mistake: something cannot be used as it is.
        """
        specification = load_specification()
        manifest = manifests.named(name, specification)
        if config.getoption("--runxfail"):
            manifest = evolve(manifest, known_failures=())
        base = _base(config.getoption("--wri-scenarios"))
        cases = scenario.load_all(base, specification)
        own = base == scenario.directory()
        if not own:
            manifest = evolve(manifest, known_failures=_concerning(manifest, cases))
        handed: dict[str, Any] = getattr(config, "workerinput", {}).get("wri", {})
        scale = config.getoption("--wri-patience")
        if not 0 < scale < math.inf:
            raise Mistake("the patience must be a number greater than 0", "2 waits twice as long")
        if config.getoption("--wri-repeat") < 1:
            raise Mistake("what is repeated is played at least once", "give a number from 1")
        collect_only = config.getoption("--collect-only", default=False)
        if handed or collect_only:
            path = Path(handed["path"]) if handed.get("path") else None
            version, fatal = handed.get("version", ""), handed.get("fatal", {})
        else:
            say = terminal.sayer(config)
            path = environments.prepare(manifest, say)
            patterns = config.getoption("--wri-select")
            roles = {case.role for case in cases if _selects(patterns, case)}
            version, fatal = preflight(manifest, path, scale, roles)
        if not collect_only:
            manifest = manifests.measured(manifest, version)
        report = results.Report(
            manifest,
            specification,
            cases,
            version,
            strict=config.getoption("--wri-strict"),
            started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            fatal="\n".join(dict.fromkeys(fatal.values())),
            of_suite=own,
        )
        return cls(config, specification, manifest, cases, path, fatal, report, base)

    def again(self, case: Scenario) -> str:
        """Return the command that plays only this scenario."""
        where = "" if self.report.of_suite else f" --scenarios {self.base}"
        return f"wri test {self.manifest.address}{where} --select '{case.id}'"

    def selected(self, case: Scenario) -> bool:
        """Tell whether `--wri-select` wants a scenario."""
        return _selects(self.config.getoption("--wri-select"), case)

    def play(self, case: Scenario) -> results.Played:
        """Return a scenario's results, known failures marked; never raises but for the user's."""
        missing = [name for name in case.needs if name not in self.manifest.capabilities]
        if missing:
            found = results.not_applicable(case, missing)
            return results.Played(case.id, case.title, 0.0, 0, found, [])
        if fatal := self.fatal.get(case.role):
            found = results.unreached(case, Verdict.FAIL, fatal.splitlines()[0])
            return results.Played(case.id, case.title, 0.0, 0, found, [])
        if self._stage is None:
            self._stage = Stage(
                self.manifest,
                self.specification,
                self.path,
                self.config.getoption("--wri-patience"),
            )
        try:
            done = self._stage.play(case)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the suite's fault
            reason = f"the suite failed: {type(error).__name__}: {error}"
            found = results.unreached(case, Verdict.ERROR, reason)
            return results.Played(case.id, case.title, 0.0, 1, found, [])
        known = self.report.manifest.known_failures
        judged = apply_known(done.results, known, dt.datetime.now(dt.UTC).date())
        return results.Played(
            case.id, case.title, done.seconds, done.attempts, judged, list(done.trace)
        )

    # -- hooks

    def pytest_sessionstart(self) -> None:
        """Say what is tested; let names begin below the scenarios' directory, wherever it is."""
        writer = self.config.pluginmanager.getplugin("terminalreporter")
        if writer is None:
            return
        for line in terminal.header(self.report):
            writer.write_line(line)
        if self.config.rootpath == self.base:
            writer.startpath = self.config.rootpath
            before = self.config.invocation_params
            self.config.invocation_params = pytest.Config.InvocationParams(
                args=before.args, plugins=before.plugins, dir=self.config.rootpath
            )

    @pytest.hookimpl
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the scenarios of the suite."""
        if file_path.suffix == ".yaml" and file_path.is_relative_to(self.base):
            collected: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
            return collected
        return None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let a round end before the next begins."""
        items.sort(key=lambda item: int(item.name.partition(_ROUND)[2] or 1))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        """Put the results of a scenario into its report."""
        outcome = yield
        if call.when == "call" and isinstance(item, ScenarioItem) and item.played is not None:
            # As ASCII: what a server sent need not be valid text, which xdist relies on.
            outcome.get_result().wri = json.dumps(item.played.to_json(), default=str)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the results out of a report, in the process that judges."""
        document = getattr(report, "wri", None)
        if document is not None:
            played = results.Played.from_json(json.loads(document))
            self.report.add(played)
            self._told.add(report.nodeid)
        elif report.failed and report.nodeid not in self._told:
            self._told.add(report.nodeid)
            self._note_loss(report)

    def _note_loss(self, report: pytest.TestReport) -> None:
        """A scenario without results was lost, with its worker for one: the suite's fault."""
        identity = report.nodeid.replace("::", "/").partition(_ROUND)[0]
        for case in self.scenarios:
            if case.id == identity:
                reason = f"the scenario was lost: {str(report.longrepr).splitlines()[-1:]}"
                found = results.unreached(case, Verdict.ERROR, reason)
                self.report.add(results.Played(identity, case.title, 0.0, 1, found, []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Show warnings, known failures and inconclusive checks as what they are."""
        if self.fatal and hasattr(report, "wri") and report.outcome == "failed":
            return "not tried", "x", ("NOT TRIED", {"red": True})
        return terminal.status(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand a worker of xdist what only one process should find out."""
        node.workerinput["wri"] = {
            "path": str(self.path) if self.path else "",
            "version": self.report.version,
            "fatal": self.fatal,
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn from a worker which processes would not die."""
        self.survivors += getattr(node, "workeroutput", {}).get("wri_survivors", [])

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the run was cut short by the user, and not by -x."""
        if excinfo.type in {KeyboardInterrupt, pytest.exit.Exception}:
            self.report.interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End every process; in the process that judges, set the exit status and write files."""
        self._close()
        output: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if output is not None:  # a worker of xdist
            output["wri_survivors"] = self.survivors
            return
        if self.config.getoption("--collect-only"):
            return
        self.report.seconds = time.monotonic() - self._began
        broken = session.exitstatus in {
            pytest.ExitCode.INTERNAL_ERROR,
            pytest.ExitCode.USAGE_ERROR,
        }
        foreign = session.testsfailed and not any(r.verdict in _BAD for r in self.report.results)
        self.report.broken = broken or bool(self.survivors)
        if not broken and self.report.played:
            code = int(self.report.exit)
            session.exitstatus = max(code, 1) if foreign else code
        directory = self.config.getoption("--wri-results")
        if directory and self.report.played:
            terminal.write_files(self.report, Path(directory))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the summary."""
        if not self.config.getoption("--collect-only"):
            directory = self.config.getoption("--wri-results")
            terminal.summary(terminalreporter, self.report, directory, self.here, self.survivors)

    def pytest_unconfigure(self) -> None:
        """End every process, should the session never have finished."""
        self._close()

    def _close(self) -> None:
        if self._stage is not None:
            stage, self._stage = self._stage, None
            self.survivors += stage.close()
