"""Files and messages of others are read, told and taken within bounds."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import zmq

from wri_conformance import intake, reading, telling
from wri_conformance.intake import Intake


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * reading.LARGEST)
    assert reading.content(tmp_path / "a") == b"x" * reading.LARGEST
    (tmp_path / "a").write_text("é", encoding="utf-8")
    assert reading.text(tmp_path / "a") == "é"


def nothing(_path: Path) -> None:
    pass


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def loop(path: Path) -> None:
    path.symlink_to(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, sparse, loop, device, Path.mkdir, nothing])
def test_what_is_no_small_file_is_not_waited_for(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "a")
    began = time.monotonic()
    with pytest.raises(OSError):  # noqa: PT011 - of whatever kind
        reading.content(tmp_path / "a")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("make", [fifo, loop, device, Path.mkdir, nothing])
def test_a_file_is_written_in_the_place_of_anything(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "a")
    reading.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert not (tmp_path / "a").is_symlink()


def test_of_a_long_file_both_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345678")
    assert reading.ends(tmp_path / "a", 4) == b"12345678"
    assert reading.ends(tmp_path / "a", 3) == b"123\n678"


@pytest.mark.parametrize("place", [0, 1000, (1 << 20) - 3, 1 << 20, (3 << 20) - 6])
def test_a_text_is_found_wherever_it_is(tmp_path: Path, place: int) -> None:
    data = bytearray(3 << 20)
    data[place : place + 6] = b"secret"
    (tmp_path / "a").write_bytes(data)
    assert reading.holds(tmp_path / "a", [b"other", b"secret"])
    assert not reading.holds(tmp_path / "a", [b"secreT"])


def test_a_file_that_cannot_be_looked_through_is_no_proof(tmp_path: Path) -> None:
    sparse(tmp_path / "a")
    with pytest.raises(OSError, match="more than"):
        reading.holds(tmp_path / "a", [b"secret"])


@pytest.mark.parametrize("value", [None, 1, "x" * 19_000, {"a": [1.5, True]}])
def test_what_fits_is_told_as_it_is(value: Any) -> None:
    assert telling.value(value) == value


@pytest.mark.parametrize("value", ["x" * 20_000, [0] * 10_000, float("inf"), [float("nan")], {1j}])
def test_what_does_not_is_told_as_text(value: Any) -> None:
    told = telling.value(value)
    assert isinstance(told, str)
    assert len(told) < 2100
    json.dumps(told, allow_nan=False)


def test_a_value_that_is_too_deep_is_told_as_text() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert isinstance(telling.value(deep), str)


@pytest.fixture
def sockets() -> Any:
    context: Any = zmq.Context()
    publisher = context.socket(zmq.PUB)
    publisher.linger = 0
    subscriber = context.socket(zmq.SUB)
    subscriber.subscribe(b"")
    subscriber.connect(f"tcp://127.0.0.1:{publisher.bind_to_random_port('tcp://127.0.0.1')}")
    taken = Intake(subscriber)
    while taken.take(time.monotonic() + 0.05) is None:
        publisher.send(b"hello")
    yield publisher, taken
    taken.close()
    context.destroy(linger=0)


def test_publications_are_taken_while_nobody_waits(sockets: Any) -> None:
    publisher, taken = sockets
    for number in range(3000):  # more than a socket keeps
        publisher.send(b"%d" % number)
        if number % 500 == 0:
            time.sleep(0.05)
    deadline, found = time.monotonic() + 20, []
    while b"2999" not in found and (frames := taken.take(deadline)) is not None:
        found += frames
    assert [one for one in found if one != b"hello"] == [b"%d" % n for n in range(3000)]
    assert not taken.flooded
    assert taken.take(time.monotonic()) is None


def test_not_more_is_taken_than_fits(sockets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher, taken = sockets
    monkeypatch.setattr(intake, "MOST_BYTES", 1_000_000)
    deadline = time.monotonic() + 20
    while not taken.flooded and time.monotonic() < deadline:
        publisher.send(b"x" * 100_000)
    assert taken.flooded
    found = 0
    while (frames := taken.take(time.monotonic())) is not None:
        found += sum(map(len, frames))
    assert found <= 1_000_000
    assert taken.take(time.monotonic() + 60) is None
