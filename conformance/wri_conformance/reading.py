"""Files that an implementation has written, or has put something else in the place of."""

import errno
import os
import shutil
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes of a contact file or key file that are read; a correct one has less than a thousand."""

_SEARCHED: Final = 512 << 20  # bytes that are looked through
_CHUNK: Final = 1 << 20


def content(path: Path, most: int = LARGEST) -> bytes:
    """Return what is in a file, without waiting for anybody who writes it.

    Raises:
        OSError: there is no file, it is no regular one, or it has more than `most` bytes.
    """
    with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123 - pathlib has no flags
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
    return data


def text(path: Path) -> str:
    """Return the text in a small file.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return content(path).decode("utf-8")


def ends(path: Path, most: int) -> bytes:
    """Return the first and the last `most` bytes of a file, and all of it if it has no more.

    Raises:
        OSError: it cannot be read.
    """
    with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123 - see above
        size = os.fstat(file.fileno()).st_size
        if size <= 2 * most:
            return file.read(2 * most)
        begin = file.read(most)
        file.seek(-most, os.SEEK_END)
        return begin + b"\n" + file.read(most)


def holds(path: Path, needles: Collection[bytes]) -> bool:
    """Tell whether one of some short texts is in a file.

    Raises:
        OSError: it cannot be read; EFBIG: it is larger than the suite looks through.
    """
    with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123 - see above
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return False
        overlap = max(map(len, needles), default=0)
        before, left = b"", _SEARCHED
        while data := file.read(_CHUNK):
            left -= len(data)
            if left < 0:
                raise OSError(errno.EFBIG, f"more than {_SEARCHED} bytes", str(path))
            if any(needle in before + data for needle in needles):
                return True
            before = data[-overlap:]
    return False


def replace(path: Path, data: bytes) -> None:
    """Write a file, in the place of whatever is there.

    Raises:
        OSError: it cannot be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    path.write_bytes(data)


# What is no file, such as a FIFO or a terminal, is opened without waiting for it or taking it.
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
