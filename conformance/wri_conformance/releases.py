"""Releases of cylc-flow, and checkouts of it, each in a virtual environment of its own."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Final

from attrs import frozen
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from wri_conformance.interpreters import Interpreter
from wri_conformance.mistakes import Mistake

KNOWN: Final = ("8.0.4", "8.1.4", "8.2.7", "8.3.6", "8.4.4", "8.5.4", "8.6.5", "8.7.0")
"""The last release of each minor version of Cylc 8."""

_PYTHONS: Final = (
    # up to this minor version of cylc-flow: the Pythons that it runs with, the best first
    (2, ("3.9", "3.8", "3.7")),
    (3, ("3.10", "3.9", "3.11", "3.8")),
    (5, ("3.11", "3.12", "3.10", "3.9")),
    (99, ("3.12", "3.13", "3.14")),
)
_LAST_WITH_PKG_RESOURCES: Final = 2  # the minor version of cylc-flow
_OLD_SETUPTOOLS: Final = "setuptools<81"  # the last with pkg_resources
_VERSION = re.compile(r"8\.(\d+)\.\d+(?:(?:a|b|rc)\d+)?")


@frozen
class Implementation:
    """Something that can be installed: its name, what pip is given, and the Pythons it runs with.

    `pythons` are minor versions, the best first.
    """

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]


def resolve(name: str, base: Path | None = None) -> str:
    """Return the version, or the absolute path of the checkout, that `name` names.

    A relative path begins in the directory `base`, by default the current one.

    Raises:
        Mistake: it is neither.
    """
    version = name.removeprefix("cylc-flow").lstrip("-=@")
    if _VERSION.fullmatch(version):
        return version
    path = Path(base or "", Path(name).expanduser()).resolve()
    if not name or not path.is_dir():
        raise Mistake(
            f"{name!r} is neither a release nor a directory",
            f"give a version such as {KNOWN[-1]}, or the path of a checkout",
        )
    if not (path / "pyproject.toml").is_file() and not (path / "setup.py").is_file():
        raise Mistake("pip cannot install this directory", "give the root of a checkout", path)
    return str(path)


def is_checkout(resolved: str) -> bool:
    """Tell whether what `resolve` returned is the path of a checkout."""
    return not _VERSION.fullmatch(resolved)


def find(name: str, interpreters: Sequence[Interpreter]) -> Implementation:
    """Return what a version, such as 8.5.4, or the path of a checkout names.

    Raises:
        Mistake: it is neither.
    """
    resolved = resolve(name)
    if match := _VERSION.fullmatch(resolved):
        minor = int(match[1])
        pythons = next(pythons for last, pythons in _PYTHONS if minor <= last)
        old = (_OLD_SETUPTOOLS,) if minor <= _LAST_WITH_PKG_RESOURCES else ()
        return Implementation(resolved, (f"cylc-flow=={resolved}", *old), pythons)
    wanted = _requires_python(Path(resolved))
    newest = sorted({one.version for one in interpreters}, reverse=True)
    fits = [".".join(map(str, one[:2])) for one in newest if ".".join(map(str, one)) in wanted]
    return Implementation(Path(resolved).name, (f"--editable={resolved}",), tuple(fits))


def _requires_python(checkout: Path) -> SpecifierSet:
    """Return the versions of Python that a checkout says it runs with; all if it says nothing."""
    text = ""
    if (place := checkout / "pyproject.toml").is_file():
        document = tomllib.loads(place.read_text(encoding="utf-8"))
        text = document.get("project", {}).get("requires-python", "")
    if not text and (place := checkout / "setup.cfg").is_file():
        settings = ConfigParser()
        settings.read(place, encoding="utf-8")
        text = settings.get("options", "python_requires", fallback="")
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise Mistake(
            f"{text!r} is no requirement of Python versions", "correct it", place
        ) from None


def interpreter(
    one: Implementation, interpreters: Iterable[Interpreter], fails: Iterable[str]
) -> Interpreter:
    """Return the interpreter that suits an implementation best.

    Raises:
        Mistake: there is none; it tells what there is, and what does not work.
    """
    by_minor = {found.minor: found for found in reversed(list(interpreters))}
    for minor in one.pythons:
        if minor in by_minor:
            return by_minor[minor]
    there = ", ".join(sorted(by_minor, key=lambda text: int(text.partition(".")[2]))) or "none"
    broken = "".join(f"\n    does not work: {why}" for why in fails)
    raise Mistake(
        f"{one.name} runs with Python {' or '.join(one.pythons) or 'of no version here'}, "
        f"and there is {there}{broken}",
        "install one of them, for example with pyenv or uv",
    )
