"""Faults of clients: where they look for the server, and what they conclude from silence."""

import time
from typing import Any

from mutants.client import Client
from mutants.clients import OneSocket
from mutants.registry import adapter_fault
from wri_reference import (
    ClientError,
    ClientTimeout,
    WorkflowMoved,
    WorkflowStopped,
    _contact,
)
from wri_reference._connection import Connection
from wri_reference._rundir import RunDirectory

# -- reading the contact file

_RIGHT = RunDirectory.read_contact


class Reads:
    """A client or subscriber that reads the contact file in a way of its own."""

    workflow: str

    def __init__(self, *args: Any, **more: Any) -> None:
        def read(directory: RunDirectory) -> dict[str, str] | None:
            if not directory.contact.exists():
                return None
            return self.fields(directory)

        RunDirectory.read_contact = read  # type: ignore[assignment, method-assign]
        super().__init__(*args, **more)

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        """Return the fields of the file, which is there."""
        return _RIGHT(directory) or {}


class OneSignOnly(Reads):
    """Refuses a line with two equals signs, other than those of real schedulers."""

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        for line in directory.contact.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.count("=") > 1 and "==" in line:
                raise ClientError(f"{directory.contact}: too many equals signs")
        return super().fields(directory)


@adapter_fault("one-equals-sign", ["client/discovery/contact-file/equals-signs::read::WRI-DSC-19"])
class OneEqualsSign(OneSignOnly, Client):
    __doc__ = OneSignOnly.__doc__


class SpacesKept(Reads):
    """Keeps white space around keys and values."""

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        text = directory.contact.read_bytes().decode()
        pairs = [line.partition("=") for line in text.split("\n") if line]
        found = {key: value for key, _, value in pairs}
        if not found.get(_contact.HOST) or not found.get(_contact.PORT, "").isdecimal():
            raise ClientError(f"{directory.contact} has no address")
        return found


@adapter_fault("keeps-spaces", ["client/discovery/contact-file/spaces/*::read::WRI-DSC-19"])
class KeepsSpaces(SpacesKept, Client):
    __doc__ = SpacesKept.__doc__


class AllKeysKnown(Reads):
    """Refuses a contact file with a key in an unknown spelling."""

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        for line in directory.contact.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith(("CYLC_", "SCHEDULER_")) or "OLD" in line or line[-1:] == " ":
                raise ClientError(f"{directory.contact}: what is {line!r}?")
        return super().fields(directory)


@adapter_fault(
    "knows-all-keys",
    [
        "client/discovery/contact-file/unknown-keys::read::WRI-DSC-20",
        "client/discovery/contact-file/spaces/*::read::WRI-DSC-19",
    ],
)
class KnowsAllKeys(AllKeysKnown, Client):
    __doc__ = AllKeysKnown.__doc__


class AllFieldsWanted(Reads):
    """Refuses a contact file without fields that it does not use."""

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        found = super().fields(directory)
        if not {"CYLC_WORKFLOW_PUBLISH_PORT", "SCHEDULER_SSH_COMMAND"} <= found.keys():
            raise ClientError(f"{directory.contact} is not complete")
        return found


@adapter_fault(
    "wants-all-fields", ["client/discovery/contact-file/missing-field/*::read::WRI-DSC-22"]
)
class WantsAllFields(AllFieldsWanted, Client):
    __doc__ = AllFieldsWanted.__doc__


class NonsenseStops(Reads):
    """Takes a contact file that makes no sense for that of a stopped workflow."""

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        try:
            found = super().fields(directory)
            _contact.address(found, _contact.PORT)
        except Exception:  # noqa: BLE001
            raise WorkflowStopped(f"{self.workflow} is not running") from None
        return found


@adapter_fault(
    "nonsense-as-stopped",
    [
        "client/discovery/contact-file/no-address/*::told::WRI-DSC-21",
        "client/discovery/contact-file/unreadable/*::told::WRI-DSC-21",
        "client/discovery/while-waiting/unreadable::told::WRI-DSC-21",
    ],
)
class NonsenseAsStopped(NonsenseStops, Client):
    __doc__ = NonsenseStops.__doc__


@adapter_fault("late-to-say-stopped", ["client/discovery/no-contact/*::stopped::WRI-CLI-18"])
class LateToSayStopped(Client):
    """Waits for its time-out although there is nothing to ask."""

    def __init__(self, *args: Any, **more: Any) -> None:
        try:
            super().__init__(*args, **more)
        except WorkflowStopped:
            time.sleep(float(more.get("timeout") or 5))
            raise


_CACHE: dict[str, Any] = {}


@adapter_fault(
    "remembers-address",
    [
        "client/restart/new-client::answered::WRI-CLI-19",
        "client/restart/stopped-and-started::answered::WRI-CLI-19",
        "client/restart/mid-conversation::new-client::WRI-CLI-19",
    ],
)
class RemembersAddress(Reads, Client):
    """Reads the contact file once, as long as the program runs, and again only after silence."""

    asks_again = False

    def fields(self, directory: RunDirectory) -> dict[str, str]:
        if self.asks_again:
            return super().fields(directory)
        if self.workflow not in _CACHE:
            _CACHE[self.workflow] = super().fields(directory)
        found: dict[str, str] = _CACHE[self.workflow]
        return found

    def silent(self) -> None:
        self.asks_again = True
        try:
            super().silent()
        finally:
            self.asks_again = False


# -- silence


@adapter_fault(
    "silence-is-a-timeout",
    [
        "client/discovery/while-waiting/gone::stopped::*",
        "client/discovery/while-waiting/moved/*::moved::*",
        "client/discovery/while-waiting/restarted::moved::WRI-CLI-14",
        "client/discovery/while-waiting/stopped::stopped::WRI-CLI-13",
        "client/discovery/while-waiting/unreadable::told::WRI-DSC-21",
        "client/discovery/while-waiting/killed::stopped::WRI-CLI-24",
        "client/discovery/dead-process/*::stopped::WRI-CLI-24",
    ],
)
class SilenceIsATimeout(Client):
    """Asks nobody why nothing came."""

    def silent(self) -> None:
        """Do nothing."""


@adapter_fault(
    "silence-is-the-end",
    [
        "client/timeouts/silent::in-time::WRI-CLI-15",
        "client/discovery/live-process/closed-port/*::not-stopped::WRI-CLI-15",
        "client/discovery/live-process/something-else/silent::ends::WRI-CLI-15",
        "client/discovery/live-process/unresolvable-host::not-stopped::WRI-CLI-15",
    ],
)
class SilenceIsTheEnd(Client):
    """Takes a server that does not answer for stopped."""

    def silent(self) -> None:
        raise WorkflowStopped(f"{self.workflow} does not answer")


@adapter_fault(
    "removes-contact",
    ["client/discovery/live-process/closed-port/*::contact-stays::WRI-CLI-25"],
)
class RemovesContact(Client):
    """Removes the contact file of a server that does not answer."""

    def silent(self) -> None:
        super().silent()
        self._server._directory.contact.unlink()  # noqa: SLF001


@adapter_fault(
    "death-is-an-error",
    [
        "client/discovery/dead-process/*::stopped::*",
        "client/discovery/while-waiting/killed::stopped::*",
    ],
)
class DeathIsAnError(Client):
    """Reports a server whose process is dead as an error of its own."""

    def silent(self) -> None:
        try:
            super().silent()
        except WorkflowStopped as error:
            raise ClientError(str(error)) from None


@adapter_fault(
    "moved-is-a-timeout",
    [
        "client/discovery/while-waiting/moved/*::moved::*",
        "client/discovery/while-waiting/restarted::moved::WRI-CLI-14",
    ],
)
class MovedIsATimeout(Client):
    """Does not say that the workflow has moved."""

    def silent(self) -> None:
        try:
            super().silent()
        except WorkflowMoved as error:
            raise ClientTimeout(str(error)) from None


@adapter_fault("stays-behind", ["client/restart/mid-conversation::found-or-moved::WRI-CLI-14"])
class StaysBehind(OneSocket):
    """Goes on asking where the workflow was."""

    def silent(self) -> None:
        """Do nothing."""

    def drop(self, connection: Connection) -> None:
        """Keep it."""


@adapter_fault("exact-command", ["client/discovery/live-process/closed-port/white-space::*"])
class ExactCommand(Client):
    """Compares command lines character by character, and removes what the dead leave."""

    def silent(self) -> None:
        fields = self._server._contact_fields()  # noqa: SLF001
        command = fields.get(_contact.COMMAND, "")
        if "  " in command:
            self._server._directory.contact.unlink()  # noqa: SLF001
            raise WorkflowStopped(f"{self.workflow} is not running: that was {command}")
        super().silent()


@adapter_fault(
    "not-to-be-found",
    [
        "client/discovery/live-process/something-else/*::ends::WRI-CLI-15",
    ],
)
class NotToBeFound(Client):
    """Takes the workflow for stopped where something else listens."""

    def unanswered(self, error: Exception) -> Exception:
        return WorkflowStopped(str(error))
