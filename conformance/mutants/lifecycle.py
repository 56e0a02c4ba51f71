"""Faults of starting, stopping and being suspended (chapter 12)."""

import os
import signal
import time
import uuid
from typing import Any, Self

import psutil
import zmq

from mutants.peer import Body, DeadError, Mutant, Router
from mutants.registry import fault
from wri_reference import StartError
from wri_reference._claim import Claim
from wri_reference._keys import KeyPair

STOPPED = "server/stopped"
CRASH = f"{STOPPED}/restart-after-crash::"
AFTER_START = [
    f"{CRASH}{step}::*"
    for step in (
        "alive",
        "contact",
        "keys",
        "old-client-key",
        "old-server-key",
        "stop",
        "contact-removed",
    )
]


class _NewIdentity(Claim):
    def uuid(self) -> str:
        return str(uuid.uuid4())


@fault(
    "new-identity",
    [
        f"{CRASH}contact::WRI-LIFE-2",
        f"{STOPPED}/restart-after-stop::second-contact::WRI-LIFE-2",
        f"{STOPPED}/identity-after-damage::contact::WRI-LIFE-2",
    ],
)
class NewIdentity(Mutant):
    """Has a new UUID at each start."""

    claim = _NewIdentity


class _FromOneMould(Claim):
    def write_contact(self, text: bytes) -> None:
        super().write_contact(text)
        os.utime(self._directory.contact, ns=(0, 0))


@fault(
    "contact-file-from-one-mould",
    [f"{CRASH}contact::WRI-DSC-2", f"{STOPPED}/restart-after-stop::second-contact::WRI-DSC-2"],
)
class FromOneMould(Mutant):
    """Makes its contact file look as if it had been written at another start."""

    claim = _FromOneMould


class _TrustsTheId(Claim):
    def _refuse_if_running(self) -> None:
        fields = self._directory.read_contact() or {}
        pid = fields.get("CYLC_WORKFLOW_PID", "")
        if pid and psutil.pid_exists(int(pid)):
            raise StartError(f"process {pid} is running")


@fault("trusts-the-process-id", [f"{STOPPED}/pid-in-use::*"])
class TrustsTheId(Mutant):
    """Takes any process with the id in the contact file for a running server."""

    claim = _TrustsTheId


class _Cautious(Claim):
    def _refuse_if_running(self) -> None:
        if self._directory.contact.exists():
            raise StartError("there is a contact file: is the workflow running?")


@fault("does-not-start-after-a-crash", AFTER_START)
class Cautious(Mutant):
    """Takes every contact file for that of a running server."""

    claim = _Cautious


class _Careful(Claim):
    def _refuse_if_running(self) -> None:
        directory = self._directory
        for path in (directory.contact, directory.server_public, directory.client_secret):
            if path.exists() and path.read_text().count("=") < 2:  # noqa: PLR2004
                raise StartError(f"cannot make sense of {path}")


@fault(
    "does-not-start-over-garbage",
    [f"{STOPPED}/leftovers/*", f"{STOPPED}/identity-after-damage::*"],
)
class Careful(Mutant):
    """Does not start where a file cannot be parsed."""

    claim = _Careful


@fault(
    "starts-dead-over-leftovers",
    [
        f"{CRASH}alive::WRI-LIFE-1",
        f"{CRASH}old-client-key::WRI-LIFE-4",  # it does not refuse anybody either
        f"{STOPPED}/leftovers/*::alive::WRI-LIFE-5",
    ],
)
class StartsDead(Mutant):
    """Starts where something was left, and answers nobody."""

    dead = False

    def start(self, barrier: Any = None) -> None:
        left = (self.directory.contact, self.directory.server_public, self.directory.client_secret)
        self.dead = any(path.exists() for path in left)
        super().start(barrier)

    def receiver(self, body: Body) -> bytes:
        if self.dead:
            raise DeadError
        return super().receiver(body)


class _Careless(Claim):
    def __enter__(self) -> Self:
        directory = self._directory
        directory.service.mkdir(parents=True, exist_ok=True)
        self._lock = directory.uuid.open("a+b")
        return self


@fault(
    "starts-beside-another",
    [
        f"{STOPPED}/{scenario}::{step}::WRI-LIFE-3"
        for scenario in ("second-start", "second-start-suspended")
        for step in ("contact", "keys")
    ],
)
class StartsBeside(Mutant):
    """Starts although another server runs in the same run directory."""

    claim = _Careless


class _TakesOver(_Careless):
    def __enter__(self) -> Self:
        super().__enter__()
        fields = self._directory.read_contact() or {}
        if pid := fields.get("CYLC_WORKFLOW_PID"):
            os.kill(int(pid), signal.SIGKILL)
        return self


@fault("takes-over", [f"{STOPPED}/second-start::*", f"{STOPPED}/second-start-suspended::*"])
class TakesOver(Mutant):
    """Ends the server that runs in its run directory."""

    claim = _TakesOver


# -- stop


class _KeepsContact(Claim):
    def remove_files(self, _contact: bytes) -> None:
        super().remove_files(b"something else")


@fault(
    "leaves-contact-file",
    [
        f"{STOPPED}/clean-stop::contact::WRI-LIFE-6",
        f"{STOPPED}/stop-under-load::contact::WRI-LIFE-6",
        f"{CRASH}contact-removed::WRI-LIFE-6",
        "server/control/stop/*::files::WRI-LIFE-6",
    ],
)
class LeavesContactFile(Mutant):
    """Leaves the contact file behind."""

    claim = _KeepsContact


class _KeepsKeys(Claim):
    def remove_files(self, _contact: bytes) -> None:
        self._directory.contact.unlink(missing_ok=True)


class _PutsADirectory(Claim):
    def remove_files(self, contact: bytes) -> None:
        super().remove_files(contact)
        self._directory.contact.mkdir()


@fault("leaves-a-directory", [f"{STOPPED}/clean-stop::contact::WRI-LIFE-6"])
class LeavesADirectory(Mutant):
    """Puts a directory in the place of its contact file, which nobody can read, when it ends."""

    claim = _PutsADirectory


class _PutsPipes(Claim):
    def remove_files(self, contact: bytes) -> None:
        super().remove_files(contact)
        os.mkfifo(self._directory.client_secret)


@fault("leaves-a-pipe", [f"{STOPPED}/clean-stop::keys::WRI-LIFE-7"])
class LeavesAPipe(Mutant):
    """Puts a pipe in the place of the client's key, which nobody can read to its end."""

    claim = _PutsPipes


@fault("leaves-keys", [f"{STOPPED}/clean-stop::keys::WRI-LIFE-7"])
class LeavesKeys(Mutant):
    """Leaves the key files behind."""

    claim = _KeepsKeys


@fault(
    "leaves-ports-open",
    [
        f"{STOPPED}/clean-stop::ports::WRI-LIFE-8",
        f"{STOPPED}/stop-with-connections::ports::WRI-LIFE-8",
    ],
)
class LeavesPortsOpen(Mutant):
    """Starts a child that inherits the ports, and does not end it."""

    def operate(self) -> None:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        super().operate()


@fault(
    "ignores-sigterm",
    [
        f"{STOPPED}/clean-stop::stop::*",
        f"{STOPPED}/clean-stop::contact::*",
        f"{STOPPED}/clean-stop::keys::*",
        f"{STOPPED}/clean-stop::ports::*",
        f"{STOPPED}/stop-with-connections::*",
        f"{STOPPED}/stop-under-load::*",
        f"{CRASH}stop::*",
        f"{CRASH}contact-removed::*",
        "server/limits/*::stops::WRI-LIFE-9",
    ],
)
class IgnoresSigterm(Mutant):
    """Does nothing when it is told to stop."""

    deaf = True


@fault(
    "ends-without-restart",
    [
        f"{STOPPED}/restart-after-stop::stop::WRI-LIFE-9",
        f"{STOPPED}/restart-after-stop::second-*::*",
    ],
)
class OneLife(Mutant):
    """Does nothing when it is told to stop, and does not start beside itself."""

    deaf = True


@fault("one-run-only", [f"{STOPPED}/restart-after-stop::second-run::WRI-SEC-11"])
class OneRunOnly(Mutant):
    """Admits no client in its second run."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        ran = self.directory.service / "ran"
        super()._open(context, keys, set() if ran.exists() else clients)
        ran.touch()


@fault("serves-on-while-asked", [f"{STOPPED}/stop-under-load::*"])
class ServesOnWhileAsked(Mutant):
    """Does not stop before nobody asks any more."""

    def operate(self) -> None:
        super().operate()
        while self._requests.poll(2000):  # milliseconds: longer than a busy machine pauses
            self._answer_some()


@fault("waits-for-clients", [f"{STOPPED}/stop-with-connections::*"])
class WaitsForClients(Mutant):
    """Does not stop before everybody has closed their connection."""

    def operate(self) -> None:
        super().operate()
        while any(
            connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == self.port
            for connection in psutil.Process().net_connections("tcp")
        ):
            time.sleep(0.1)


# -- suspension


@fault(
    "forgets-while-suspended",
    [
        "server/timeout/suspended::answers::WRI-LIFE-11",
        "server/timeout/suspended::answers::WRI-FRM-7",
    ],
)
class ForgetsWhileSuspended(Router):
    """Throws away what arrived while it was suspended."""

    woken = False

    def run(self) -> None:
        signal.signal(signal.SIGCONT, self._wake_up)
        super().run()

    def _wake_up(self, _number: int, _frame: Any) -> None:
        self.woken = True

    def handle(self, client: bytes, frames: Body) -> None:
        if self.woken:
            time.sleep(0.2)
            while self._requests.poll(0):
                self._requests.recv_multipart()
            self.woken = False
        else:
            super().handle(client, frames)


@fault("dies-of-a-client-that-left", ["server/timeout/given-up::*"])
class DiesOfAClientThatLeft(Router):
    """Does not expect that a client may be gone before its response comes."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        time.sleep(0.02)
        self._requests.setsockopt(zmq.ROUTER_MANDATORY, 1)
        try:
            super().reply(client, envelope, response)
        except zmq.ZMQError as error:
            raise DeadError from error
