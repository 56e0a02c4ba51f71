"""Mutation testing of the judge: `python .ci/mutate.py [MODULE …]`, of all modules unless told.

Each module that decides verdicts is changed in one place after the other, by the operators of
mutmut, and the quick tests that are about it have to fail each time. Nothing is written: a mutant
is a process that was forked when everything was imported and pytest was set up, and that imports
the changed text of one module, and again what is built upon it. mutmut's own runner copies the
project into `mutants/` and knows modules by the path from there, neither of which fits this one.

What survives is printed, and status 1 tells of it, unless `survivors.toml` beside this file says
why it may; so does an entry there that nothing survives for. What an exception says is for people,
who understand it in other words, too: changes in `raise` are skipped, and counted.
"""

import argparse
import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

import grimp
import hypothesis
import libcst
import pytest
from _pytest.config import _prepareconfig
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, ParentNodeProvider
from mutmut.mutation.file_mutation import create_mutations

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "conformance" / "wri_conformance"
MODULES = {  # of wri_conformance, and their tests in tests/conformance
    "verdict": ["test_verdict.py"],
    "judging": ["test_judging.py"],
    "playing": ["test_playing.py"],
    "expect": ["test_expect.py"],
    "same": ["test_same.py"],
    "strictjson": ["test_strictjson.py"],
    "fields": ["test_fields.py", "test_decode.py", "test_strictjson.py"],
    "decode": ["test_decode.py", "test_fields.py"],
    "replay": ["test_deltas.py"],
    "deltas": ["test_deltas.py"],
    "streams": ["test_streams.py", "test_fields.py"],
    "inspection": ["test_inspection.py"],
    "truth": ["test_script.py", "test_fields.py"],
    "script": ["test_script.py"],
    "trial": ["test_selftest.py"],
}
COMPUTING = 20  # seconds of a processor for the tests of one module, which take one to three
WAITING = 120  # seconds in which they have to end


class Mutant(NamedTuple):
    """One change: the line that it is in, before and after it, and the whole text."""

    line: int
    before: str
    after: str
    text: str
    told: bool  # whether it is in what an exception says, which is for people


def main() -> int:
    """Return 1 if a mutant survives that nobody argues for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)}")
    parser.add_argument("--brief", action="store_true", help="change each literal text once only")
    options = parser.parse_args()
    modules = options.modules or list(MODULES)
    argued = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
    status = 0
    for module in modules:
        known = {(one["before"], one["after"]) for one in argued.get(module, [])}
        status |= judge(module, known, brief=options.brief)
    return status


def judge(module: str, known: set[tuple[str, str]], *, brief: bool) -> int:
    """Try every mutant of a module and print what came of it; return 1 if that is not well."""
    began = time.monotonic()
    path = SUITE / f"{module}.py"
    original = path.read_text(encoding="utf-8")
    config = _prepared(module)
    if (outcome := tried(module, original, config)) != "survived":
        print(f"{module}: its tests do not pass without any change ({outcome})")
        return 1
    counts: Counter[str] = Counter()
    survivors = []
    for mutant in mutants(path, original, brief=brief):
        outcome = "skipped" if mutant.told else tried(module, mutant.text, config)
        if outcome == "survived":
            survivors.append(mutant)
            outcome = "argued" if (mutant.before, mutant.after) in known else outcome
        counts[outcome] += 1
    fresh = [one for one in survivors if (one.before, one.after) not in known]
    gone = known - {(one.before, one.after) for one in survivors}
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    print(f"{module}: {counts.total()} mutants: {told} ({time.monotonic() - began:.0f} s)")
    for one in fresh:
        print(f"  survivor in line {one.line}\n    - {one.before}\n    + {one.after}")
    for before, after in sorted(gone):
        print(f"  argued for in survivors.toml, and not there\n    - {before}\n    + {after}")
    sys.stdout.flush()
    return int(bool(fresh or gone))


def mutants(path: Path, original: str, *, brief: bool = False) -> Iterator[Mutant]:
    """Yield every change of a text that mutmut makes, each only once."""
    module, mutations, _, _ = create_mutations(str(path), original)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    octets = original.encode()
    seen = {original}
    texts: set[libcst.CSTNode] = set()
    for one in mutations:
        if brief and isinstance(one.original_node, libcst.SimpleString):
            if one.original_node in texts:
                continue
            texts.add(one.original_node)
        span = spans[one.original_node]
        new = module.code_for_node(one.mutated_node).encode()
        text = (octets[: span.start] + new + octets[span.start + span.length :]).decode()
        if text in seen:
            continue
        seen.add(text)
        old, new = original.splitlines(), text.splitlines()
        begin = _alike(old, new)
        end = min(_alike(old[::-1], new[::-1]), len(old) - begin, len(new) - begin)
        before, after = (
            " ".join(line.strip() for line in lines[begin : len(lines) - end])
            for lines in (old, new)
        )
        yield Mutant(begin + 1, before, after, text, _is_raised(one.original_node, parents))


def _is_raised(node: libcst.CSTNode, parents: Mapping[libcst.CSTNode, libcst.CSTNode]) -> bool:
    while node in parents and not isinstance(node, libcst.Raise):
        node = parents[node]
    return isinstance(node, libcst.Raise)


def _alike(old: list[str], new: list[str]) -> int:
    """Return in how many lines two texts begin alike."""
    same = (a == b for a, b in zip(old, new, strict=False))
    return next((number for number, one in enumerate(same) if not one), min(len(old), len(new)))


def tried(module: str, text: str, config: pytest.Config) -> str:
    """Return what becomes of a text of a module: killed, survived or timed out."""
    child = os.fork()
    if not child:
        _test(module, text, config)
    deadline = time.monotonic() + WAITING
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return "survived" if code == 0 else "timed out" if code < 0 else "killed"
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timed out"


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds one module, with another text."""

    def __init__(self, module: str, text: str) -> None:
        self._path = SUITE / f"{module}.py"
        self._name, self._text = f"wri_conformance.{module}", text

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=str(self._path))
        if spec is not None:
            spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, str(self._path), "exec")


class _Impatient:
    """Ends the process with the first failure, or with the session; what takes long comes last."""

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            os._exit(1)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(1)

    @pytest.hookimpl
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        os._exit(int(exitstatus))


def _prepared(module: str) -> pytest.Config:
    """Set pytest up for the tests of a module, and import everything."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    sys.dont_write_bytecode = True
    for name in sorted(_graph().modules):
        importlib.import_module(name)
    options = ("-x", "-q", "-s", "-o", "addopts=", "--assert=plain", "--import-mode=importlib")
    unused = ("cacheprovider", "unraisableexception", "threadexception", "faulthandler")
    tests = [str(ROOT / "tests" / "conformance" / name) for name in MODULES[module]]
    plugins = [part for name in unused for part in ("-p", f"no:{name}")]
    hypothesis.settings.register_profile(
        "few", max_examples=25, database=None, derandomize=True, deadline=None
    )
    hypothesis.settings.load_profile("few")
    config = _prepareconfig([*options, *plugins, "-p", "xdist.plugin", *tests], [_Impatient()])
    gc.collect()
    gc.freeze()
    return config


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("wri_conformance", cache_dir=None)


def _test(module: str, text: str, config: pytest.Config) -> None:
    """In a process of its own: run the tests of a module with this text, and end."""
    status = 1
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silence, number)
        resource.setrlimit(resource.RLIMIT_CPU, (COMPUTING, COMPUTING))
        changed = f"{SUITE.name}.{module}"
        for name in {changed, *_graph().find_downstream_modules(changed)}:
            del sys.modules[name]
            package, _, own = name.rpartition(".")
            if package in sys.modules:
                delattr(sys.modules[package], own)
        sys.meta_path.insert(0, _Changed(module, text))
        status = int(config.hook.pytest_cmdline_main(config=config))
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
