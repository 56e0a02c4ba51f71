"""The Workflow Runtime Interface: the `wri` command and the data that both halves share."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("wri")
except PackageNotFoundError:  # a bare checkout on sys.path
    __version__ = "0+unknown"
