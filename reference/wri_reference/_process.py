"""Whether the process that a contact file names is alive (chapter 11.1)."""

import socket

import psutil

from wri_reference._contact import Process


def command_line() -> str:
    """Return the arguments of this process, joined by single spaces (DSC-18)."""
    return " ".join(psutil.Process().cmdline())


def is_alive(process: Process) -> bool | None:
    """Return whether `process` runs; None if that cannot be told from this host.

    A process with the same id and another command line is another process. White space is not
    compared: a contact file cannot hold all of it.
    """
    if not _is_this_host(process.host):
        return None
    try:
        command = psutil.Process(process.pid).cmdline()
    except psutil.NoSuchProcess:  # zombies included
        return False
    except psutil.Error:
        return None
    return " ".join(command).split() == process.command.split()


def _is_this_host(host: str) -> bool:
    if host in {"localhost", socket.gethostname()}:
        return True
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(
        interface.address in found
        for interfaces in psutil.net_if_addrs().values()
        for interface in interfaces
    )
