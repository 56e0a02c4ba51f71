"""One fuzz run: from the manifest to the summary."""

import itertools
import json
import math
import secrets
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from wri_conformance import environments
from wri_conformance import manifest as manifests
from wri_conformance import scenario as scenarios
from wri_conformance.fuzzing import saving
from wri_conformance.fuzzing.conversation import endpoints
from wri_conformance.fuzzing.display import Display, shown
from wri_conformance.fuzzing.generate import fuzzed, stream
from wri_conformance.fuzzing.hunt import Failure, Hunt
from wri_conformance.fuzzing.servers import Servers
from wri_conformance.fuzzing.traits import Offer
from wri_conformance.introspection import expected
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.peers import Missing
from wri_conformance.preflight import preflight
from wri_conformance.runs import StartError, Workshop
from wri_conformance.specification import load as load_specification
from wri_conformance.verdict import Exit

_TICK = 0.25  # seconds between two looks
_GRACE = 60.0  # seconds after the end in which what is under way may be confirmed


@define
class Options:
    """What the user asks for; `time` in seconds, no `seed` for one by chance."""

    manifest: str
    time: float
    seed: int | None
    workers: int  # servers that are fuzzed at the same time
    results: str | None
    patience: float
    first: bool  # ends with the first failure


@define
class _Interrupt:
    """Remembers that the user has had enough."""

    asked: bool = False

    def __call__(self, _number: int, _frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _interruptible() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def verify(options: Options) -> None:
    """Raise a Mistake if an option cannot be meant."""
    if not 0 < options.time < math.inf:
        raise Mistake("the time must be a number of seconds greater than 0", "--time 600")
    if not 0 < options.patience < math.inf:
        raise Mistake("the patience must be a number greater than 0", "2 waits twice as long")
    if options.workers < 1:
        raise Mistake("at least one server has to be fuzzed", "--servers 3")


def run(options: Options) -> Exit:
    """Fuzz a server until the time is over; print and write what is found.

    Raises:
        Mistake: an option or the manifest cannot be used.
    """
    verify(options)
    specification = load_specification()
    manifest = manifests.named(options.manifest, specification)
    if not manifest.start:
        raise Mistake("the manifest describes no server", "add roles: server:", manifest.path)
    directory = Path(options.results or Path("wri-results") / manifest.name) / "fuzz"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"no results can be written to {directory}: {error.strerror}",
            "give another place with --results",
        ) from None
    with _interruptible() as interrupt:
        display = Display(specification)
        path = environments.prepare(manifest, display.line)
        version, fatal = preflight(manifest, path, options.patience, {"server"})
        if fatal:
            print(f"wri fuzz: {fatal['server']}", file=sys.stderr)
            return Exit.NOT_CONFORMANT
        if interrupt.asked:
            return Exit.INTERRUPTED
        seed = secrets.randbelow(2**31) if options.seed is None else options.seed
        display.line(f"fuzzing {manifest.name} ({version}) for {options.time:g} s, seed {seed}")
        workshop = Workshop(scale=options.patience)
        servers = Servers(manifest, workshop, path)
        try:
            return _Run(options, manifest, version, directory, display, seed, interrupt).go(servers)
        finally:
            servers.close()
            for name in workshop.close():
                display.line(f"this process would not die: {name}")


@define
class _Run:
    options: Options
    manifest: Manifest
    version: str
    directory: Path
    display: Display
    seed: int
    interrupt: _Interrupt
    paths: list[Path] = field(factory=list)

    def go(self, servers: Servers) -> Exit:
        try:
            offer = self._offer(servers)
        except StartError as error:
            print(f"wri fuzz: {error}", file=sys.stderr)
            return Exit.NOT_CONFORMANT
        sessions = stream(offer, self.seed)
        first = next(sessions)  # it takes a second or more, in which nobody is fuzzed
        hunt = Hunt(servers, offer, self.options.patience)
        hunt.start(itertools.chain([first], sessions), self.options.workers)
        try:
            self._watch(hunt)
        finally:
            hunt.stop.set()
            hunt.hurry.set()
        self._tell(hunt)
        cut = self.interrupt.asked
        target = f"{self.manifest.name} {self.version}".strip()
        command = shlex.join(
            ["wri", "test", self.options.manifest, "--scenarios", str(self.directory)]
        )
        self.display.summary(hunt, target, self.seed, self.paths, command, cut=cut)
        self._write(hunt)
        return self._exit(hunt)

    def _offer(self, servers: Servers) -> Offer:
        """Ask a server what it offers."""
        first = servers.take()
        try:
            names = endpoints(first)
            if not names:
                raise StartError(f"{self.manifest.name} does not say which endpoints it has", "")
            if "graphql" not in names or "graphql" not in self.manifest.capabilities:
                return Offer(names)
            try:
                schema = expected(first.contact.get("CYLC_VERSION"))
            except LookupError:
                schema = expected(None)
            mutations = "control" in self.manifest.capabilities
            return Offer(names, fuzzed(schema, mutations=mutations))
        finally:
            servers.drop(first)

    def _watch(self, hunt: Hunt) -> None:
        end = hunt.began + self.options.time
        while hunt.running:
            now = time.monotonic()
            enough = self.options.first and bool(hunt.failures)
            if now > end or self.interrupt.asked or enough:
                hunt.stop.set()
            late = now > end + _GRACE * self.options.patience
            if late or self.interrupt.asked or enough:
                hunt.hurry.set()
            self._tell(hunt)
            self.display.progress(hunt, self.options.time)
            time.sleep(_TICK)

    def _tell(self, hunt: Hunt) -> None:
        for failure in hunt.failures[len(self.paths) :]:
            self.paths.append(self._save(failure))
            self.display.failure(failure, self.paths[-1])

    def _save(self, failure: Failure) -> Path:
        name = saving.slug(failure.traits, failure.symptom)
        path = self.directory / f"{name}.yaml"
        number = 1
        while path in self.paths:
            number += 1
            path = self.directory / f"{name}-{number}.yaml"
        document = saving.scenario(
            failure.steps, failure.symptom, failure.traits, self.manifest.capabilities
        )
        saving.write(path, document)
        # What cannot be played would be found out by the user.
        list(scenarios.load(path, self.directory, self.display.specification))
        return path

    def _write(self, hunt: Hunt) -> None:
        document = {
            "implementation": {"name": self.manifest.name, "version": self.version},
            "seed": self.seed,
            "seconds": hunt.seconds,
            "messages": hunt.messages,
            "restarts": hunt.restarts,
            "interrupted": self.interrupt.asked,
            "failures": [
                {
                    "symptom": one.symptom.kind,
                    "why": one.symptom.why,
                    "traits": [str(trait) for trait in one.traits],
                    "seconds": one.seconds,
                    "messages": [
                        {"frames": [frame.hex() for frame in step.message.wire]}
                        for step in one.steps
                    ],
                    "scenario": path.name,
                }
                for one, path in zip(hunt.failures, self.paths, strict=True)
            ],
            "unreproduced": [
                {"symptom": one.symptom.kind, "why": one.symptom.why, "last": shown(one.last)}
                for one in hunt.unreproduced
            ],
        }
        text = json.dumps(document, indent=1) + "\n"
        (self.directory / "fuzz.json").write_text(text, encoding="utf-8")

    def _exit(self, hunt: Hunt) -> Exit:
        for error in hunt.broken:
            if isinstance(error, Mistake):
                raise error
            if isinstance(error, StartError | Missing):
                print(f"wri fuzz: {error}", file=sys.stderr)
                return Exit.NOT_CONFORMANT
            print("wri fuzz: the suite failed:", file=sys.stderr)
            traceback.print_exception(error)
            return Exit.BROKEN
        if self.interrupt.asked:
            return Exit.INTERRUPTED
        if hunt.failures:
            return Exit.NOT_CONFORMANT
        return Exit.CONFORMANT if hunt.messages else Exit.NOTHING
