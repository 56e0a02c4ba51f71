"""Records what releases of cylc-flow publish, for `wri replay`; see README.md beside it.

    python3 conformance/streams/record.py 8.5.4 8.7.0        # or: all

Each release has to be there (`wri fetch`). Everything runs in a home directory of its own, which
is gone afterwards, with a user who is called `user` on a host that is called `localhost`.
"""

import argparse
import contextlib
import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import zmq
import zmq.auth
from attrs import define, field

from wri_conformance import interpreters, releases, venvs
from wri_conformance.mistakes import Mistake
from wri_conformance.replaying import neutral, recordings
from wri_conformance.replaying.recordings import Entry, Kind, Recording
from wri_conformance.strictjson import loads
from wri_proto.v1 import data_store_pb2 as pb

HERE: Final = Path(__file__).parent
WORKFLOW: Final = "streams"
USER: Final = "user"
HOME: Final = "/home/user"
PATIENCE: Final = 600.0  # seconds for each step; half of it is the start of Python elsewhere
SILENCE: Final = 8.0  # seconds without a publication after which nothing happens any more

# The name of the user stands in every identifier and so in every checksum. It is changed where
# Python asks the system for it, so that the implementation itself works with another name.
SITE: Final = """\
import os, pwd
_id, _name = pwd.getpwuid, pwd.getpwnam
def _own():
    real = _id(os.getuid())
    return pwd.struct_passwd((
        {user!r}, real[1], real[2], real[3], "", os.environ["HOME"], real[6]))
pwd.getpwuid = lambda uid: _own() if uid == os.getuid() else _id(uid)
pwd.getpwnam = lambda name: _own() if name == {user!r} else _name(name)
"""
# The ports are not those of other schedulers, of which there may be many.
CONFIGURATION: Final = """\
[scheduler]
    [[run hosts]]
        ports = 45001 .. 45101
    [[host self-identification]]
        method = hardwired
        host = localhost
[platforms]
    [[localhost]]
        cylc path = {programs}
        hosts = localhost
"""


@define
class Run:
    """One run of a scheduler, and what is seen of it."""

    programs: Path
    home: Path
    entries: list[Entry] = field(factory=list)
    _began: float = field(factory=time.monotonic)
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _process: "subprocess.Popen[bytes] | None" = None
    _thread: threading.Thread | None = None
    _over: threading.Event = field(factory=threading.Event)

    @property
    def directory(self) -> Path:
        return self.home / "cylc-run" / WORKFLOW

    def start(self) -> None:
        site = self.home / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE.format(user=USER))
        (self.home / "global.cylc").write_text(CONFIGURATION.format(programs=self.programs))
        self.directory.mkdir(parents=True)
        shutil.copy(HERE / "flow.cylc", self.directory)
        environment = {
            "CYLC_CONF_PATH": str(self.home),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LOGNAME": USER,
            "PATH": f"{self.programs}{os.pathsep}{os.defpath}",
            "PYTHONPATH": str(site),
            "TZ": "UTC",
            "USER": USER,
        }
        log = (self.home / "scheduler.log").open("wb")
        self._process = subprocess.Popen(
            [str(self.programs / "cylc"), "play", "--no-detach", "--pause", WORKFLOW],
            cwd=self.home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.until("a contact file", lambda: "CYLC_WORKFLOW_PUBLISH_PORT" in self._contact())
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def _contact(self) -> Mapping[str, str]:
        try:
            text = (self.directory / ".service" / "contact").read_text()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def _socket(self, kind: int, port: str) -> "zmq.Socket[bytes]":
        keys = self.directory / ".service"
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.linger = 0
        public, secret = zmq.auth.load_certificate(keys / "client.key_secret")
        server, _ = zmq.auth.load_certificate(keys / "server.key")
        socket.curve_publickey, socket.curve_secretkey = public, secret
        socket.curve_serverkey = server
        if kind == zmq.SUB:
            socket.subscribe(b"")
        socket.connect(f"tcp://localhost:{self._contact()[port]}")
        return socket

    def _record(self) -> None:
        with self._socket(zmq.SUB, "CYLC_WORKFLOW_PUBLISH_PORT") as socket:
            while not self._over.is_set():
                if not socket.poll(200):
                    continue
                topic, payload = socket.recv_multipart()
                self._note(Kind.PUBLICATION, topic=topic.decode(), payload=payload)
                if topic == b"shutdown":
                    return

    def _note(self, kind: Kind, **more: Any) -> None:
        self.entries.append(Entry(time.monotonic() - self._began, kind, **more))

    def ask(self, command: str, **args: Any) -> bytes:
        """Send one request on a socket of its own, and return what comes back."""
        with self._socket(zmq.REQ, "CYLC_WORKFLOW_PORT") as socket:
            socket.send_json({"command": command, "args": args, "meta": {}})
            if not socket.poll(int(PATIENCE * 1000)):
                raise TimeoutError(f"{command} was not answered")
            return socket.recv()

    def command(self, text: str) -> None:
        """Send a mutation, such as `pause`; only `reload` and the like are queued for later."""
        name, _, arguments = text.partition("(")
        rest = f", {arguments}" if arguments else ")"
        document = f'mutation {{ {name}(workflows: ["{WORKFLOW}"]{rest} {{ result }} }}'
        self._note(Kind.COMMAND, text=text)
        answer = loads(self.ask("graphql", request_string=document))
        if "error" in answer or "[False" in str(answer):
            raise SystemExit(f"{text}: {answer}")

    def snapshot(self, keep: bool = False) -> pb.PbEntireWorkflow:
        payload = self.ask("pb_entire_workflow")
        if keep:
            self._note(Kind.SNAPSHOT, payload=payload)
        return pb.PbEntireWorkflow.FromString(payload)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for what has to happen."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._process is not None
            if self._process.poll() is not None:
                raise SystemExit(f"it ended before {what}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise SystemExit(f"there was no {what} in {PATIENCE:g} s:\n{self.log()}")
            time.sleep(0.3)

    def published(self, topic: str) -> Iterator[Any]:
        """Yield the elements of a type in what was published, oldest first."""
        for entry in list(self.entries):
            if entry.topic == "all":
                part = getattr(pb.AllDeltas.FromString(entry.payload), topic)
                yield from part.added
                yield from part.updated

    def reached(self, state: str, job: str) -> bool:
        return any(e.state == state and e.id.endswith(f"//{job}") for e in self.published("jobs"))

    def settle(self) -> None:
        """Keep a snapshot that no publication is missing from and none belongs to yet."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            count = len(self.entries)
            time.sleep(SILENCE)
            if len(self.entries) > count:
                continue
            self.snapshot(keep=True)
            time.sleep(SILENCE)
            if len(self.entries) == count + 1:
                return
            del self.entries[count]
        raise SystemExit("it did not become silent")

    def end(self) -> None:
        """Wait for the end that was asked for."""
        assert self._process is not None
        assert self._thread is not None
        self._thread.join(PATIENCE)
        self._process.wait(PATIENCE)

    def log(self) -> str:
        return (self.home / "scheduler.log").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """Leave nothing behind."""
        self._over.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._thread is not None:
            self._thread.join()
        self._context.destroy(linger=0)


def carry_out(run: Run) -> None:
    """Do with the workflow what a stream has to have in it."""
    run.until("element in the data store", lambda: run.snapshot().task_proxies)
    run.snapshot(keep=True)
    run.command('hold(tasks: ["1/end", "2/start"])')
    run.command(
        'broadcast(mode: Set, cyclePoints: ["1"], namespaces: ["a"], settings: [{script: ":"}])'
    )
    run.command("resume")
    run.until("failure of 1/bad", lambda: run.reached("failed", "1/bad/02"))
    run.until("success of 1/a", lambda: run.reached("succeeded", "1/a/01"))
    run.command("setGraphWindowExtent(nEdgeDistance: 2)")
    run.command("reload")
    run.until("end of the reload", lambda: "reload" not in run.snapshot().workflow.status)
    run.until("success of 1/mend", lambda: run.reached("succeeded", "1/mend/01") or gone(run))
    run.command('broadcast(mode: Clear, cyclePoints: ["1"], namespaces: ["a"])')
    run.command('trigger(tasks: ["3/b"])')
    run.command('release(tasks: ["1/end"])')
    run.until("success of 1/end", lambda: run.reached("running", "1/end/01"))
    run.until("success of 3/b", lambda: run.reached("running", "3/b/01"))
    run.command("pause")
    run.command("setGraphWindowExtent(nEdgeDistance: 1)")
    run.settle()
    run.command("stop(mode: Now)")
    run.end()


def gone(run: Run) -> bool:
    return not any(one.id.endswith("//1/mend") for one in run.snapshot().task_proxies)


def record(version: str, programs: Path, into: Path) -> Path:
    """Record a run of a release; return where it was written."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place).resolve()
        run = Run(programs, home)
        try:
            run.start()
            carry_out(run)
        finally:
            run.close()
        clean = neutral.Neutraliser({str(home): HOME, str(programs): "/usr/bin"})
        entries = [Entry(e.at, e.kind, e.topic, _neutral(clean, e), e.text) for e in run.entries]
    made = dt.datetime.now(tz=dt.UTC).date().isoformat()
    path = into / f"{version}{recordings.SUFFIX}"
    found = Recording(version, "cylc-flow", version, f"~{USER}/{WORKFLOW}", made, tuple(entries))
    recordings.write(found, path)
    return path


def _neutral(clean: neutral.Neutraliser, entry: Entry) -> bytes:
    if entry.kind is Kind.SNAPSHOT:
        return clean.snapshot(entry.payload)
    return clean.publication(entry.topic, entry.payload) if entry.topic else b""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", nargs="+", help=f"such as 8.5.4, or all {releases.KNOWN}")
    parser.add_argument("--into", type=Path, default=HERE, help="a directory (%(default)s)")
    options = parser.parse_args(arguments)
    works, fails = interpreters.examine(interpreters.candidates())
    wanted = [
        one for name in options.release for one in (releases.KNOWN if name == "all" else [name])
    ]
    for name in wanted:
        one = releases.find(name, works)
        found = releases.interpreter(one, works, list(fails))
        programs = venvs.ensure(one.packages, print, found.path)
        began = time.monotonic()
        path = record(one.name, programs, options.into)
        print(f"{path}: {path.stat().st_size} octets, {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that schedulers are ended, too
    try:
        sys.exit(main(sys.argv[1:]))
    except Mistake as error:
        sys.exit(str(error))
