"""Before the first scenario: what never gets ready is not tried.

The server is started once, and each adapter is checked.
"""

import subprocess
import tempfile
from collections.abc import Container
from pathlib import Path

from wri_conformance import checking
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.peers import Missing
from wri_conformance.probe import PATIENCE, probe
from wri_conformance.runs import Run, StartError, Workshop
from wri_conformance.trace import Trace, readable

_LONGEST = 1000  # bytes of a version that are looked at


def preflight(
    manifest: Manifest, path: Path | None, scale: float, roles: Container[str]
) -> tuple[str, dict[str, str]]:
    """Return the version and, for those of `roles` that cannot be played, why.

    A server is of use if it writes a contact file and anything at all answers at its request
    port: whether rightly is for the scenarios to say. An adapter is if it keeps its protocol.

    Raises:
        Mistake: a command cannot be executed.
    """
    workshop = Workshop(scale=scale)
    run = Run(
        manifest=manifest,
        workshop=workshop,
        home=workshop.home(),
        workflow="preflight",
        fixture="basic",
        state="paused",
        path=path,
    )
    fatal: dict[str, str] = {}
    try:
        version = _version(run)
        if (
            manifest.start
            and ("server" in roles or "publisher" in roles)
            and (why := _try_it(run, scale))
        ):
            fatal |= {"server": why, "publisher": why}
        for role in manifest.adapters:
            if role in roles and (
                why := checking.fatal(checking.check(manifest, role, workshop, path))
            ):
                fatal[role] = why
    finally:
        run.close()
        workshop.close()
    return version, fatal


def _try_it(run: Run, scale: float) -> str:
    try:
        run.start()
    except StartError as error:
        return str(error)
    trace = Trace()
    try:
        sign = probe(run, trace, patience=PATIENCE * scale)
    except Missing as error:
        return f"{run.manifest.name} cannot be asked anything: {error}"
    if sign["alive"] or any(event["direction"] == "←" for event in trace.events):
        return ""
    return (
        f"{run.manifest.name} wrote its contact file and never answered: {sign['why']}\n"
        f"{run.output()}"
    )


def _version(run: Run) -> str:
    if isinstance(run.manifest.version, str):
        return run.manifest.version
    command = [run.fill(part) for part in run.manifest.version]
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            status = subprocess.run(
                command,
                env=run.environment,
                cwd=run.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=30,
                check=False,
            ).returncode
            for file in (out, err):
                file.seek(0)
            first = (out.read(_LONGEST) or err.read(_LONGEST)).splitlines()[:1]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Mistake(
            f"the version command cannot be executed: {error}",
            "correct version: command:, or give the version as a text",
            run.manifest.path,
        ) from None
    return readable(first[0], 80) if first and not status else "unknown"
