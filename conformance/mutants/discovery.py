"""Faults of the contact file (chapter 2)."""

import getpass
import os
import subprocess
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import zmq

from mutants.peer import Body, Message, Mutant, error
from mutants.registry import add, fault
from wri_reference._claim import Claim
from wri_reference._keys import KeyPair

FILE = "server/discovery/contact-file::"
PROCESS = "server/discovery/process::"
START = "server/discovery/start::"


class _Writer(Mutant):
    """Writes another text into the contact file."""

    change: ClassVar[Callable[[bytes], bytes]]

    def run(self) -> None:
        change = type(self).change

        class Writes(Claim):
            def write_contact(self, text: bytes) -> None:
                super().write_contact(change(text))

        self.claim = Writes
        super().run()


_TEXTS: list[tuple[str, str, list[str], Callable[[bytes], bytes]]] = [
    (
        "contact-blank-line",
        "Ends the contact file with a blank line.",
        [f"{FILE}contact::WRI-DSC-6"],
        lambda text: text + b"\n",
    ),
    (
        "contact-comment",
        "Begins the contact file with a comment.",
        [f"{FILE}contact::WRI-DSC-6"],
        lambda text: b"# written by a server\n" + text,
    ),
    (
        "contact-cut-short",
        "Leaves out the last line feed of the contact file.",
        [f"{FILE}contact::WRI-DSC-6"],
        lambda text: text[:-1],
    ),
    (
        "contact-latin-1",
        "Writes a character in Latin-1 into the contact file.",
        [f"{FILE}contact::WRI-DSC-{number}" for number in (6, 7, 8, 9, 14, 17)]
        + [f"{FILE}ports::*", f"{FILE}answered::*"],
        lambda text: text + b"NOTE=\xe9\n",
    ),
    (
        "contact-key-twice",
        "Writes the same key twice.",
        [f"{FILE}contact::WRI-DSC-7"],
        lambda text: text + text.splitlines(keepends=True)[0],
    ),
]


class _Teller(Mutant):
    """Writes other values into the contact file."""

    change: ClassVar[Callable[[dict[str, str]], dict[str, Any]]]

    def _contact_fields(self, run: str) -> dict[str, str]:
        right = super()._contact_fields(run)
        fields = right | type(self).change(right)
        return {key: value for key, value in fields.items() if value is not None}


W = "CYLC_WORKFLOW_"
_FIELDS: list[tuple[str, str, list[str], Callable[[dict[str, str]], dict[str, Any]]]] = [
    (
        "no-generation",
        "Leaves out the generation of the protocol.",
        [f"{FILE}contact::WRI-DSC-8"],
        lambda _: {"CYLC_API": None},
    ),
    (
        "no-uuid",
        "Has an upper case UUID.",
        [f"{FILE}contact::WRI-DSC-8"],
        lambda right: {W + "UUID": right[W + "UUID"].upper()},
    ),
    (
        "no-run-dir",
        "Leaves out the run directory.",
        [f"{FILE}contact::WRI-DSC-9"],
        lambda _: {W + "RUN_DIR_ON_WORKFLOW_HOST": None},
    ),
    (
        "swapped-ports",
        "Writes each port where the other one belongs.",
        [f"{FILE}answered::WRI-DSC-11", "server/discovery/nested-id::answered::WRI-DSC-11"],
        lambda right: {
            W + "PORT": right[W + "PUBLISH_PORT"],
            W + "PUBLISH_PORT": right[W + "PORT"],
        },
    ),
    (
        "one-port",
        "Says that it publishes on the request port.",
        [f"{PROCESS}two-ports::WRI-DSC-12"],
        lambda right: {W + "PUBLISH_PORT": right[W + "PORT"]},
    ),
    (
        "no-publish-port",
        "Says that it publishes on a port on which nobody listens.",
        [
            f"{PROCESS}process::WRI-DSC-12",
            f"{START}ports::WRI-DSC-3",
            "publisher/admitted::handshake::*",
            "publisher/greeting::greeting::*",
            "publisher/refused/*",
            "server/limits/not-zmtp/http-publish::sent::WRI-LIM-2",
        ],
        lambda _: {W + "PUBLISH_PORT": "1"},
    ),
    (
        "pid-of-nobody",
        "Gives the process id of its parent.",
        [f"{PROCESS}process::*"],
        lambda _: {W + "PID": str(os.getppid())},
    ),
    (
        "pid-of-a-child",
        "Gives the process id of a child, as a wrapper would.",
        [f"{PROCESS}process::WRI-DSC-{number}" for number in (12, 13, 18)],
        lambda _: {W + "PID": str(subprocess.Popen(["sleep", "60"]).pid)},
    ),
    (
        "other-id",
        "Gives the workflow id that it had before it was renamed.",
        [f"{FILE}contact::WRI-DSC-14"],
        lambda _: {W + "ID": "renamed"},
    ),
    (
        "last-part-of-the-id",
        "Gives the last part of the workflow id only.",
        ["server/discovery/nested-id::contact::WRI-DSC-14"],
        lambda right: {W + "ID": right[W + "ID"].rpartition("/")[2]},
    ),
    (
        "other-host",
        "Gives an address on which it does not listen.",
        [f"{FILE}ports::WRI-DSC-15", f"{FILE}answered::WRI-DSC-11"],
        lambda _: {W + "HOST": "127.0.0.2"},
    ),
    (
        "other-owner",
        "Gives another owner than that of its process.",
        [f"{PROCESS}process::WRI-DSC-16"],
        lambda _: {W + "OWNER": f"not-{getpass.getuser()}"},
    ),
    (
        "other-command",
        "Gives the command that somebody typed instead of that of the process.",
        [f"{PROCESS}process::WRI-DSC-18"],
        lambda right: {W + "COMMAND": f"wri play {right[W + 'ID']}"},
    ),
    (
        "no-request-port",
        "Leaves out the request port.",
        [f"{START}*"],
        lambda _: {W + "PORT": None},
    ),
]

for _name, _about, _breaks, _change in _TEXTS:
    add(_name, _about, _breaks, type(_name, (_Writer,), {"change": staticmethod(_change)}))
for _name, _about, _breaks, _tell in _FIELDS:
    add(_name, _about, _breaks, type(_name, (_Teller,), {"change": staticmethod(_tell)}))


class _Elsewhere(Claim):
    def write_contact(self, text: bytes) -> None:
        (self._directory.path / "contact").write_bytes(text)


@fault("contact-elsewhere", [f"{FILE}*", "server/discovery/nested-id::*"])
class ContactElsewhere(Mutant):
    """Writes the contact file into the run directory itself."""

    claim = _Elsewhere


class _Writable(Claim):
    def write_contact(self, text: bytes) -> None:
        super().write_contact(text)
        self._directory.contact.chmod(0o666)


@fault("contact-writable", [f"{FILE}contact::WRI-DSC-17"])
class ContactWritable(Mutant):
    """Lets everybody write the contact file."""

    claim = _Writable


@fault("contact-first", [f"{START}ports::WRI-DSC-3"])
class ContactFirst(Mutant):
    """Writes the contact file, and binds its ports when that is done."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        super()._open(context, keys, clients)
        for bound, port in self._bound():
            bound.unbind(port)

    def operate(self) -> None:
        time.sleep(0.7)
        for bound, port in self._bound():
            bound.bind(port)
        super().operate()

    def _bound(self) -> Collection[tuple[zmq.Socket[bytes], str]]:
        return (
            (self._requests, f"tcp://127.0.0.1:{self.port}"),
            (self._publications, f"tcp://127.0.0.1:{self.publish_port}"),
        )


@fault("not-ready", [f"{START}first-request::WRI-DSC-5"])
class NotReady(Mutant):
    """Answers the first request with an excuse."""

    ready = False

    def amend(self, _body: Body, right: Message) -> Message:
        ready, self.ready = self.ready, True
        return right if ready else error("not ready")
