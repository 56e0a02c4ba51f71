"""Contact files and key files, correct ones and others, from a seed."""

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_SPARSE: Final = 1 << 40  # bytes that a file claims to have, and that no disk has


def contact(service: Path, ports: tuple[int, int], pid: int) -> dict[str, str]:
    """Return the fields of a correct contact file."""
    return {
        "CYLC_API": "5",
        "CYLC_VERSION": "8.5.4",
        "CYLC_WORKFLOW_COMMAND": "hostile",
        "CYLC_WORKFLOW_HOST": "127.0.0.1",
        "CYLC_WORKFLOW_ID": service.parent.name,
        "CYLC_WORKFLOW_OWNER": "u",
        "CYLC_WORKFLOW_PID": str(pid),
        "CYLC_WORKFLOW_PORT": str(ports[0]),
        "CYLC_WORKFLOW_PUBLISH_PORT": str(ports[1]),
        "CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST": str(service.parent),
        "CYLC_WORKFLOW_UUID": "00000000-0000-4000-8000-000000000000",
        "SCHEDULER_CYLC_PATH": "None",
        "SCHEDULER_SSH_COMMAND": "ssh",
        "SCHEDULER_USE_LOGIN_SHELL": "True",
    }


def write(path: Path, text: str) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)


def lines(fields: Mapping[str, str]) -> str:
    """Return the text of a contact file."""
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def certificate(public: bytes, secret: bytes | None = None) -> str:
    """Return the text of a key file."""
    more = "" if secret is None else f'    secret-key = "{secret.decode()}"\n'
    return f'metadata\ncurve\n    public-key = "{public.decode()}"\n{more}'


FIELDS: Final = (
    *("CYLC_WORKFLOW_HOST", "CYLC_WORKFLOW_PORT", "CYLC_WORKFLOW_PUBLISH_PORT"),
    *("CYLC_WORKFLOW_PID", "CYLC_WORKFLOW_OWNER", "CYLC_VERSION", "CYLC_API"),
)
VALUES: Final = (
    *("", "0", "-1", "65536", "99999999999999999999", "7" * 5000, "x", "²", "٣", "1.5", "\0", " "),
    *("a" * 300, "a.." * 50, "::1", "[::1]", "*", "0.0.0.0", "127.0.0.1:1", "host with spaces"),
    *("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "\x1b[2J", "1", "%s{home}"),
    *("8.9999999999999", "../../..", "ä.example.invalid", "\u2028", "127.0.0.1;lo", "tcp://x"),
)


def spoil_fields(fields: dict[str, str], chance: random.Random) -> str:
    """Return a contact file in which some fields are not what they should be."""
    for _ in range(chance.choice([1, 1, 3])):
        name = chance.choice(FIELDS)
        if chance.random() < 0.2:
            fields.pop(name, None)
        else:
            fields[name] = chance.choice(VALUES)
    return lines(fields)


def _bytes(path: Path, chance: random.Random) -> None:
    path.write_bytes(
        chance.choice(
            [
                chance.randbytes(3000),
                b"\xff\xfe" * 100,
                b"CYLC_WORKFLOW_PORT=1",
                b"=\n" * 100_000,
                b"A=" + b"x" * 5_000_000 + b"\n",
                b"".join(b"K%d=v\n" % n for n in range(100_000)),
                b"\0" * 1000,
                b'curve\n    public-key = "' + b"(" * 40 + b'"\n    secret-key = "x"\n',
            ]
        )
    )


def _sparse(path: Path, _chance: random.Random) -> None:
    with path.open("wb") as file:
        file.truncate(_SPARSE)


def _loop(path: Path, _chance: random.Random) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path, _chance: random.Random) -> None:
    path.symlink_to("nowhere/at/all")


def _endless(path: Path, _chance: random.Random) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path, _chance: random.Random) -> None:
    path.symlink_to("/dev/tty")


def _unreadable(path: Path, _chance: random.Random) -> None:
    path.write_text("CYLC_WORKFLOW_PORT=1\n", encoding="utf-8")
    path.chmod(0)


def _deep_directory(path: Path, _chance: random.Random) -> None:
    (path / "/".join(["d"] * 50)).mkdir(parents=True)
    (path / "x.key").symlink_to(".")


KINDS: Final[Mapping[str, Callable[[Path, random.Random], None]]] = {
    "bytes": _bytes,
    "sparse": _sparse,
    "directory": lambda path, _chance: path.mkdir(),
    "deep-directory": _deep_directory,
    "fifo": lambda path, _chance: os.mkfifo(path),
    "loop": _loop,
    "dangling": _dangling,
    "endless": _endless,
    "terminal": _terminal,
    "unreadable": _unreadable,
    "missing": lambda _path, _chance: None,
}
"""By name, what stands in the place of a file."""


def replace(path: Path, kind: str, chance: random.Random) -> None:
    """Put something else in the place of a file."""
    path.unlink(missing_ok=True)
    KINDS[kind](path, chance)
