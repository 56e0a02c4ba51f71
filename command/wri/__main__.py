"""The `wri` command: finds its subcommands among the installed entry points."""

import os
import sys
from importlib.metadata import EntryPoint, entry_points

from wri import __version__

_GROUP = "wri.commands"


def _usage(commands: dict[str, EntryPoint]) -> str:
    lines = [
        f"wri {__version__}: specification, reference and conformance suite of the",
        "Workflow Runtime Interface (WRI) of Cylc 8",
        "",
        "usage: wri COMMAND [ARGUMENTS]     wri COMMAND --help",
        "",
    ]
    width = max(map(len, commands), default=0)
    for name in sorted(commands):
        doc = (commands[name].load().__doc__ or "").strip().splitlines()
        lines.append(f"  {name:<{width}}  {doc[0] if doc else ''}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand and return its exit status; 4 is bad usage, as in pytest."""
    args = sys.argv[1:] if argv is None else argv
    commands = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if not args or args[0] in {"-h", "--help", "help"}:
        print(_usage(commands))
        return 0 if args else 4
    if args[0] in {"-V", "--version"}:
        print(f"wri {__version__}")
        return 0
    if args[0] not in commands:
        known = ", ".join(sorted(commands)) or "none: install wri again"
        print(f"wri: no command {args[0]!r}; there are: {known}", file=sys.stderr)
        return 4
    try:
        return int(commands[args[0]].load()(args[1:]) or 0)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
