"""The subcommands of `wri` that belong to the suite."""

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from wri_conformance import comparison, fetching, manifest, releases, scenario, selftesting
from wri_conformance.mistakes import Mistake
from wri_conformance.policy import promises
from wri_conformance.specification import Requirement, Specification, SpecificationError
from wri_conformance.specification import load as load_specification
from wri_conformance.verdict import Exit

_MANIFEST = (
    "a YAML file, or the name of one that comes with wri; NAME@RELEASE takes another release of "
    "cylc-flow than it names, such as cylc-flow@8.3.6, or a checkout, cylc-flow@../cylc-flow"
)


class _Parser(argparse.ArgumentParser):
    """Bad usage is status 4, as in pytest."""

    def error(self, message: str) -> "None":  # type: ignore[override]
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(int(Exit.USAGE))


_Command = Callable[[list[str]], int]


def _told(name: str) -> Callable[[_Command], _Command]:
    """Tell the user's mistakes in the name of a command, and return status 4."""

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def run(argv: list[str]) -> int:
            try:
                return command(argv)
            except (Mistake, SpecificationError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                return Exit.USAGE

        return run

    return decorate


@_told("wri test")
def test(argv: list[str]) -> int:
    """Test an implementation, and judge it."""
    parser = _Parser(
        prog="wri test",
        description="Test the implementation that MANIFEST describes. All other arguments are "
        "those of pytest: -n auto, -k, -x, --lf, -v, --junitxml FILE, --runxfail (show known "
        "failures in full) …",
        epilog="exit status: 0 conformant, 1 not, 2 interrupted, 3 the suite broke, "
        "4 bad usage, manifest or scenario, 5 nothing was selected",
    )
    parser.add_argument("manifest", help=_MANIFEST)
    parser.add_argument(
        "--select",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only scenarios whose id, check or requirement matches, such as 'server/hostile' "
        "or WRI-ERR-3; may be repeated",
    )
    parser.add_argument(
        "--scenarios",
        metavar="DIRECTORY",
        help="play the scenarios in it, such as those that wri fuzz has saved, instead of those of "
        "the suite",
    )
    parser.add_argument(
        "--results",
        metavar="DIRECTORY",
        help="where report.html, results.json, summary.md and junit.xml go "
        "(default: wri-results/NAME; with --scenarios: wri-results/NAME/scenarios)",
    )
    parser.add_argument(
        "--patience",
        metavar="FACTOR",
        type=float,
        default=1.0,
        help="multiply every wait of the suite, for slow machines",
    )
    parser.add_argument(
        "--strict", action="store_true", help="warnings and inconclusive checks fail the run"
    )
    parser.add_argument(
        "--repeat",
        metavar="NUMBER",
        type=int,
        default=1,
        help="play everything so often, and tell what did not come to the same verdict each time",
    )
    options, others = parser.parse_known_args(argv)
    name = manifest.named(options.manifest, load_specification()).name
    import pytest  # noqa: PLC0415 - the other subcommands do without it

    base = scenario.directory()
    default = Path("wri-results") / name
    if options.scenarios is not None:
        base, default = Path(options.scenarios).resolve(), default / "scenarios"
        if not base.is_dir():
            raise Mistake(f"there is no directory {options.scenarios!r}", "check the path")
    directory = Path(options.results or default)
    here = Path.cwd()
    cache = (directory / ".cache").resolve()
    arguments = [
        *("-c", str(Path(__file__).parent / "pytest.ini")),
        *("--rootdir", str(base)),
        *("-o", f"cache_dir={cache}"),
        *("--basetemp", str(cache / "tmp")),
        *("-p", "no:doctest", "--noconftest"),
        *("--wri", options.manifest),
        *("--wri-results", str(directory.resolve())),
        *("--wri-patience", str(options.patience)),
        *("--junitxml", str(directory / "junit.xml")),
        *("--wri-repeat", str(options.repeat)),
        *(["--wri-scenarios", str(base)] if options.scenarios is not None else []),
        *(["--wri-strict"] if options.strict else []),
        *(part for pattern in options.select for part in ("--wri-select", pattern)),
        *others,
        str(base),
    ]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        (directory / "results.json").open("a").close()
    except OSError as error:
        raise Mistake(
            f"no results can be written to {directory}: {error.strerror}",
            "give another place with --results",
        ) from None
    if not (directory / "results.json").stat().st_size:
        (directory / "results.json").unlink()
    try:
        return int(pytest.main(arguments))
    finally:
        os.chdir(here)  # pytest ends where names of scenarios are relative to
        shutil.rmtree(cache / "tmp", ignore_errors=True)


@_told("wri fuzz")
def fuzz(argv: list[str]) -> int:
    """Send damaged messages to a server without end."""
    parser = _Parser(
        prog="wri fuzz",
        description="Send messages that are made from the schemas and then damaged to the server "
        "that MANIFEST describes. Each well-framed request has to get exactly one well-formed "
        "answer, at the right peer, and the server has to go on serving. A failure is made as "
        "simple as it gets, confirmed on a fresh server, and saved as a scenario.",
        epilog="exit status: 0 nothing was found, 1 failures, 2 interrupted, 3 the suite broke, "
        "4 bad usage or manifest, 5 nothing was sent",
    )
    parser.add_argument("manifest", help=_MANIFEST)
    parser.add_argument(
        "--time", metavar="SECONDS", type=float, default=60.0, help="how long (default: 60)"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        help="send the same messages again, but for what depends on the answers",
    )
    parser.add_argument(
        "--servers",
        metavar="N",
        type=int,
        default=3,
        help="how many are fuzzed at the same time (default: 3)",
    )
    parser.add_argument(
        "-x", "--exitfirst", action="store_true", help="end with the first failure that is found"
    )
    parser.add_argument(
        "--results",
        metavar="DIRECTORY",
        help="scenarios go to the directory fuzz in it (default: wri-results/NAME)",
    )
    parser.add_argument(
        "--patience", metavar="FACTOR", type=float, default=1.0, help="multiply every wait"
    )
    options = parser.parse_args(argv)
    from wri_conformance.fuzzing import command  # noqa: PLC0415 - Hypothesis takes a second

    return command.run(
        command.Options(
            options.manifest,
            options.time,
            options.seed,
            options.servers,
            options.results,
            options.patience,
            options.exitfirst,
        )
    )


@_told("wri diff")
def diff(argv: list[str]) -> int:
    """Tell what changed on the wire between two implementations."""
    parser = _Parser(
        prog="wri diff",
        description="Tell what changed on the wire from A to B: endpoints, envelope, contact and "
        "key files, GraphQL schema and answers, mutations, protobuf, data store, publications, "
        "Python API. Each is a release of cylc-flow such as 8.5.4, the path of a checkout, a "
        "manifest or its name (reference), or a profile that --save has written. Both are started "
        "and asked; what a release does is kept.",
        epilog="exit status: 0 nothing breaks, 1 something does, 4 bad usage, or something cannot "
        "be observed",
    )
    parser.add_argument("before", metavar="A")
    parser.add_argument("after", metavar="B", nargs="?")
    parser.add_argument("-v", "--verbose", action="store_true", help="fold nothing")
    parser.add_argument(
        "--for",
        dest="side",
        choices=("old-clients", "new-clients", "servers"),
        help="only what concerns clients made for A with a scheduler of B, clients made for B with "
        "a scheduler of A, or whoever runs B",
    )
    parser.add_argument("--json", metavar="FILE", help="write the changes as JSON, too")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--save",
        metavar="FILE",
        help="keep the profile of B, or of A without B, in a file (.json or .json.gz), which can "
        "stand for it later",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="observe releases again, though it is known"
    )
    parser.add_argument("--exit-zero", action="store_true", help="status 0 whatever breaks")
    parser.add_argument(
        "--patience", metavar="FACTOR", type=float, default=1.0, help="multiply every wait"
    )
    options = parser.parse_args(argv)
    from wri_conformance.diffing import command  # noqa: PLC0415 - the others do without it

    side = None if options.side is None else options.side.replace("-", " ")
    return command.run(command.Options(**{**vars(options), "side": side}))


@_told("wri check-adapter")
def check_adapter(argv: list[str]) -> int:
    """Check the adapter of a client or subscriber."""
    parser = _Parser(
        prog="wri check-adapter",
        description="Check that the adapters which MANIFEST names keep the adapter protocol "
        "(conformance/ADAPTERS.md), before `wri test` judges their clients. A mistake of the "
        "adapter is told apart from one of the client.",
        epilog="exit status: 0 the adapters can be used, 1 one cannot, 4 bad usage or manifest",
    )
    parser.add_argument("manifest", help=_MANIFEST)
    parser.add_argument(
        "--patience", metavar="FACTOR", type=float, default=1.0, help="multiply every wait"
    )
    options = parser.parse_args(argv)
    from wri_conformance import checking, environments  # noqa: PLC0415
    from wri_conformance.runs import Workshop  # noqa: PLC0415

    one = manifest.named(options.manifest, load_specification())
    if not one.adapters:
        raise Mistake(
            "the manifest names no adapter", "add roles: client: or subscriber:", one.path
        )
    path = environments.prepare(one, functools.partial(print, file=sys.stderr))
    workshop = Workshop(scale=options.patience)
    usable = True
    try:
        for role, command in one.adapters.items():
            print(f"{role}: {' '.join(command)}")
            for finding in checking.check(one, role, workshop, path):
                usable = usable and not (finding.wrong and finding.blame == "adapter")
                print(_finding(finding.what, finding.wrong, finding.blame))
    finally:
        workshop.close()
    print("the adapters can be used" if usable else "an adapter cannot be used")
    return Exit.CONFORMANT if usable else Exit.NOT_CONFORMANT


def _finding(what: str, wrong: str, blame: str) -> str:
    mark, colour = ("✓", "32") if not wrong else ("✗", "31") if blame == "adapter" else ("!", "33")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\x1b[{colour}m{mark}\x1b[0m"
    whose = "the adapter" if blame == "adapter" else "the client, it seems"
    return f"  {mark} {what}" + (f"\n    {whose}: {wrong}" if wrong else "")


@_told("wri fetch")
def fetch(argv: list[str]) -> int:
    """Install releases of cylc-flow, each with a Python that it runs with."""
    parser = _Parser(
        prog="wri fetch",
        description="Install releases of cylc-flow, or checkouts of it, each in a virtual "
        "environment of its own with a Python that it runs with, once; print where they are.",
        epilog="exit status: 0 all are there, 1 one is not, 4 bad usage",
    )
    parser.add_argument(
        "name",
        nargs="+",
        help=f"a version such as 8.5.4, a checkout, or all ({', '.join(releases.KNOWN)})",
    )
    return fetching.run(parser.parse_args(argv).name)


@_told("wri policy")
def policy(argv: list[str]) -> int:
    """Judge whether clients and schedulers of different versions work together as promised."""
    parser = _Parser(
        prog="wri policy",
        description="Judge the matrix that `wri interop` has made by what POLICY promises "
        "(conformance/POLICY.md). What is promised and was not tried, or is inconclusive, is not "
        "kept; nor is an exception of the policy kept that excuses nothing.",
        epilog="exit status: 0 the promise is kept, 1 it is broken, 4 bad usage, policy or matrix, "
        "5 nothing was judged",
    )
    parser.add_argument(
        "policy",
        nargs="?",
        default=promises.DEFAULT,
        help="a YAML file, or the name of one that comes with wri (default: %(default)s)",
    )
    parser.add_argument(
        "--matrix",
        metavar="FILE",
        action="append",
        help="what wri interop has written (default: wri-results/interop/interop.json); if "
        "repeated, they are judged as one, and of a cell in several the worst verdict counts",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="judge only pairs with this implementation, or with a release, checkout or manifest; "
        "may be repeated",
    )
    parser.add_argument(
        "--markdown", metavar="FILE", help="write the judgement for a job page, too"
    )
    options = parser.parse_args(argv)
    from wri_conformance.policy import command  # noqa: PLC0415

    return command.run(
        options.policy,
        options.matrix or ["wri-results/interop/interop.json"],
        options.only,
        options.markdown,
    )


@_told("wri replay")
def replay(argv: list[str]) -> int:
    """Replay recorded streams of deltas into stores, and compare them with the last snapshot."""
    parser = _Parser(
        prog="wri replay",
        description="Replay what schedulers have published (conformance/streams) into data "
        "stores, each in a process of its own. The checksums have to be those of the store, and "
        "the store in the end has to be equal to the last snapshot, as far as the specification "
        "says so (WRI-DELTA-1).",
        epilog="exit status: 0 all are equal, 1 there are differences, 4 bad usage",
    )
    parser.add_argument(
        "stream",
        nargs="*",
        help="a recording, or the name of one that comes with wri, such as 8.5.4 (default: all)",
    )
    parser.add_argument(
        "--into",
        metavar="STORE",
        action="append",
        help="reference, suite, a release of cylc-flow, a checkout of it, all, or NAME=COMMAND for "
        "a program that does what conformance/implementations/replay_store.py does; may be "
        "repeated (default: reference)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON in place of the table"
    )
    options = parser.parse_args(argv)
    from wri_conformance.replaying import command  # noqa: PLC0415

    return command.run(options.stream, options.into or ["reference"], as_json=options.json)


@_told("wri interop")
def interop(argv: list[str]) -> int:
    """Try every client with every server: releases of cylc-flow and whatever has a manifest."""
    from wri_conformance.interop import running  # noqa: PLC0415

    parser = _Parser(
        prog="wri interop",
        description="Let every client drive every server, and tell from the state of the workflow "
        "afterwards what came of it. NAME is a release such as 8.5.4, the path of a checkout of "
        "cylc-flow, a manifest by name or path, or all: the last release of each minor version, "
        "and the reference.",
        epilog="exit status: 0 the matrix was made, whatever is in it, 2 interrupted, 3 the suite "
        "broke, 4 bad usage",
    )
    parser.add_argument("name", nargs="*", help="implementations (default: all)")
    parser.add_argument(
        "--clients",
        metavar="NAME",
        action="append",
        default=[],
        help="only these as clients, separated by commas; may be repeated",
    )
    parser.add_argument(
        "--servers", metavar="NAME", action="append", default=[], help="only these as servers"
    )
    parser.add_argument(
        "--operations",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only operations that match or begin so, such as cli/hold or 'graphql/*'",
    )
    parser.add_argument(
        "-n",
        dest="workers",
        metavar="NUMBER",
        type=int,
        default=running.workers(),
        help="how many pairs are played at once; most of them wait most of the time (%(default)s)",
    )
    parser.add_argument(
        "--results",
        metavar="DIRECTORY",
        default="wri-results/interop",
        help="where interop.json goes (%(default)s)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the pairs that an earlier run has finished"
    )
    parser.add_argument("--list", action="store_true", help="list the operations, and do nothing")
    parser.add_argument(
        "--patience", metavar="FACTOR", type=float, default=1.0, help="multiply every wait"
    )
    options = parser.parse_args(argv)
    if options.workers < 1:
        parser.error("-n: give a number from 1")
    if options.patience <= 0:
        parser.error("--patience: give a number above 0")
    return running.run(
        running.Options(
            names=tuple(options.name) or ("all",),
            clients=tuple(options.clients),
            servers=tuple(options.servers),
            operations=tuple(options.operations),
            workers=options.workers,
            results=Path(options.results),
            resume=options.resume,
            scale=options.patience,
            list_only=options.list,
        )
    )


@_told("wri compare")
def compare(argv: list[str]) -> int:
    """Tell what broke and what was mended between runs."""
    parser = _Parser(
        prog="wri compare",
        description="Compare runs of wri test, each with the next one: which checks broke and "
        "which were mended, by the reason in the list of known failures.",
        epilog="exit status: 0 nothing broke, 1 something did, 4 bad usage",
    )
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULTS.json",
        help="what wri test has written, or the directory that it is in; the earliest one first",
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the same as Markdown")
    options = parser.parse_args(argv)
    return comparison.run(options.results, options.markdown)


@_told("wri selftest")
def selftest(argv: list[str]) -> int:
    """Try the suite itself on mutants: peers with one fault each."""
    parser = _Parser(
        prog="wri selftest",
        description="Play the scenarios with servers, publishers, clients and subscribers that "
        "have one fault each (conformance/mutants), and with some that have none. Every check has "
        "to be failed by one of them, and each has to fail exactly what it declares.",
        epilog="exit status: 0 so it is, 1 not, 2 interrupted, 3 a process of the suite died, "
        "4 bad usage",
    )
    parser.add_argument(
        "mutant", nargs="*", help="only these, such as silent-end or 'ignores-*' (default: all)"
    )
    parser.add_argument(
        "-n",
        dest="workers",
        metavar="NUMBER",
        type=int,
        default=selftesting.workers(),
        help="how many are tried at once; most of them wait most of the time (%(default)s)",
    )
    parser.add_argument(
        "--declared", action="store_true", help="try each on nothing but what it declares: quick"
    )
    parser.add_argument(
        "--results",
        metavar="DIRECTORY",
        default="wri-results/selftest",
        help="where matrix.json goes (%(default)s)",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write what mutants break besides what they were made for to collateral.yaml; to be "
        "read before it is believed",
    )
    return selftesting.run(parser.parse_args(argv))


def _loading() -> tuple[Specification, tuple[scenario.Scenario, ...]]:
    specification = load_specification()
    return specification, scenario.load_all(specification=specification)


@_told("wri list")
def list_scenarios(argv: list[str]) -> int:
    """List the scenarios of the suite, or the requirements that they check."""
    parser = _Parser(prog="wri list", description="List the scenarios of the suite.")
    parser.add_argument("pattern", nargs="*", help="only those whose id or requirement matches")
    parser.add_argument("--checks", action="store_true", help="list every check by its id")
    parser.add_argument(
        "--requirements", action="store_true", help="list requirements and how many checks each has"
    )
    options = parser.parse_args(argv)
    specification, scenarios = _loading()
    chosen = [
        case
        for case in scenarios
        if not options.pattern
        or any(
            manifest.selects(
                p, case.id, *(c.id for c in case.checks), *(c.requirement for c in case.checks)
            )
            for p in options.pattern
        )
    ]
    if not chosen and not options.requirements:
        print(f"wri list: no scenario matches {' '.join(options.pattern)}", file=sys.stderr)
        return Exit.NOTHING
    if options.requirements:
        return _list_requirements(specification, scenarios, options.pattern)
    if options.checks:
        for case in chosen:
            for check in case.checks:
                print(check.id)
    else:
        width = max(len(case.id) for case in chosen)
        for case in chosen:
            print(f"{case.id:<{width}}  {case.title}")
        checks = sum(len(case.checks) for case in chosen)
        print(f"{len(chosen)} scenarios, {checks} checks", file=sys.stderr)
    return 0


def _list_requirements(
    specification: Specification, scenarios: tuple[scenario.Scenario, ...], patterns: list[str]
) -> Exit:
    cited = [check.requirement for case in scenarios for check in case.checks]
    chosen = [
        requirement
        for requirement in specification.requirements.values()
        if not patterns or any(manifest.selects(p, requirement.id) for p in patterns)
    ]
    for requirement in chosen:
        count = cited.count(requirement.id)
        note = f"{count} checks" if count else _why_unchecked(requirement)
        print(f"{requirement.id:<13} {requirement.keyword:<10} {note}")
    return Exit.CONFORMANT if chosen else Exit.NOTHING


def _why_unchecked(requirement: Requirement) -> str:
    if requirement.unobserved:
        return f"unobserved: {requirement.unobserved}"
    if requirement.severity == "information":
        return "allows, and requires nothing"
    return "no scenario cites it"


@_told("wri show")
def show(argv: list[str]) -> int:
    """Show a scenario as the suite understands it."""
    parser = _Parser(prog="wri show", description="Show scenarios as the suite understands them.")
    parser.add_argument("scenario", help="an id, or the beginning of several")
    options = parser.parse_args(argv)
    specification, scenarios = _loading()
    wanted = options.scenario.partition("::")[0]
    chosen = [case for case in scenarios if manifest.selects(wanted, case.id)]
    if not chosen:
        raise Mistake(f"there is no scenario {options.scenario!r}", "see `wri list`")
    import yaml  # noqa: PLC0415

    for number, case in enumerate(chosen):
        if number:
            print()
        print(f"# {case.id}\n# {case.title}")
        if case.about:
            print(*(f"# {line}" for line in case.about.splitlines()), sep="\n")
        print(f"# role {case.role}, needs {', '.join(case.needs)}", end="")
        if case.role in {"server", "publisher"}:
            print(f", fixture {case.fixture}, {case.state}", end="")
        print(f", server: {case.server}")
        print(f"# {case.path}")
        steps = [dict(step.spec) for step in case.steps]
        print(yaml.safe_dump(steps, sort_keys=False, allow_unicode=True, width=100), end="")
        for identity in dict.fromkeys(check.requirement for check in case.checks):
            print(f"# {identity}: {specification.requirements[identity].text}")
    return 0


@_told("wri explain")
def explain(argv: list[str]) -> int:
    """Explain a requirement: its sentence, its place, and what checks it."""
    parser = _Parser(prog="wri explain", description="Explain requirements.")
    parser.add_argument(
        "requirement", help="an id such as WRI-ERR-2, or a pattern such as 'WRI-ERR-*'"
    )
    options = parser.parse_args(argv)
    specification, scenarios = _loading()
    wanted = options.requirement.upper()
    wanted = wanted if wanted.startswith("WRI-") else f"WRI-{wanted}"
    chosen = [r for r in specification.requirements.values() if manifest.selects(wanted, r.id)]
    if not chosen:
        chapters = sorted({identity.split("-")[1] for identity in specification.requirements})
        raise Mistake(
            f"there is no requirement {options.requirement!r}",
            f"use WRI-CHAPTER-NUMBER, with a chapter of {', '.join(chapters)}",
        )
    for number, requirement in enumerate(chosen):
        if number:
            print()
        _explain(requirement, scenarios)
    return 0


def _explain(requirement: Requirement, scenarios: tuple[scenario.Scenario, ...]) -> None:
    tags = [requirement.keyword, f"binds {', '.join(requirement.roles)}"]
    if requirement.capability:
        tags.append(f"capability {requirement.capability}")
    if requirement.beyond_cylc:
        tags.append("beyond what Cylc does")
    print(f"{requirement.id}  ({'; '.join(tags)})")
    print(f"  {requirement.text}")
    print(f"  {requirement.path}:{requirement.line}, {requirement.section}")
    mine = [c for case in scenarios for c in case.checks if c.requirement == requirement.id]
    if mine:
        print(f"  checked {len(mine)} times:")
        for check in mine:
            print(f"    {check.id}")
    else:
        print(f"  not checked: {_why_unchecked(requirement)}")
