"""Fields of protobuf are counted as a decoder would find them, without decoding."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_conformance import decode, fields, streams
from wri_conformance.streams import Publication, Stream
from wri_conformance.truth import Truth
from wri_proto.v1 import data_store_pb2 as pb

TWO = b"\xfa\x7f\x04abcd" * 2  # of which fewer are left if one begins to read it too late


def whole(*proxies: dict[str, Any]) -> pb.PbEntireWorkflow:
    return pb.PbEntireWorkflow(task_proxies=[pb.PbTaskProxy(**one) for one in proxies])


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (pb.PbEntireWorkflow(), 0),
        (whole({}), 1),
        (whole({}, {}), 2),
        (whole({"id": "x" * 500, "job_submits": 10**6}), 3),
        (whole({"id": "a"}, {"namespace": ["root", "FAM", "b"]}), 6),
        (pb.PbEntireWorkflow(workflow=pb.PbWorkflow(state_totals={"waiting": 2, "x": 1})), 7),
        (pb.TPDeltas(time=1.5, checksum=7), 2),
        *((whole({"id": "x" * long}, {"id": "y"}), 4) for long in (127, 128, 129, 20_000)),
    ],
)
def test_each_field_counts_at_every_depth(message: Any, number: int) -> None:
    assert fields.count(type(message), message.SerializeToString()) == number


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b"\xfa\x7f\x04abcd" * 3, 3),  # unknown, with a length
        (b"\x85\x08abcd" + TWO, 3),  # unknown, four bytes
        (b"\x81\x08abcdefgh" + TWO, 3),  # unknown, eight bytes
        (b"\x80\x08\xff\xff\x01\x1a\x00", 2),  # unknown, a number
        (b"\x83\x08\x1a\x00\x84\x08" + TWO, 5),  # a group, which may hold anything
        (b"\x1e\x1a\x00", 1),  # there is no such type: the end
        (b"\x1a", 1),
        (b"\x1a\xff", 1),
        (b"\x1a\x05ab", 2),
        (b"\xff", 1),
    ],
)
def test_what_is_not_known_and_what_is_none_is_counted_as_far_as_it_goes(
    body: bytes, number: int
) -> None:
    assert fields.count(pb.PbEntireWorkflow, body) == number


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(body: bytes) -> None:
    for kind in (pb.PbEntireWorkflow, pb.AllDeltas, pb.TPDeltas):
        assert 0 <= fields.count(kind, body) <= len(body)


def test_what_would_fill_the_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MOST", 50)
    bomb = b"\x1a\x00" * 51
    assert decode.parse("PbEntireWorkflow", b"\x1a\x00" * 50)
    with pytest.raises(decode.NotThatError, match="more than 50 fields"):
        decode.parse("PbEntireWorkflow", bomb)
    assert Publication.of([b"task_proxies", b"\x1a\x00" * 50]).delta is not None
    assert Publication.of([b"task_proxies", bomb]).delta is None
    (told, *_) = Truth().compare(b"\x1a\x00" * 50)["differences"]
    assert told.startswith("task")
    found = Truth().compare(bomb)
    assert (found["equal"], found["differences"]) == (False, ["the bytes have more than 50 fields"])
    assert fields.count(pb.PbEntireWorkflow, b"\x1a\x00" * 10_000) == 51


def test_what_is_inside_counts_when_the_outside_is_just_not_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fields, "MOST", 50)
    body = whole(*({"id": "a"} for _ in range(50))).SerializeToString()
    assert fields.count(pb.PbEntireWorkflow, body) > 50


def test_nor_is_a_stream_that_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST_FIELDS", 100)
    one = [b"task_proxies", b"\x1a\x00" * 5]
    assert len(Stream.received([one] * 20).publications) == 20
    assert len(Stream.received([[b"other", b"x"]] * 200).publications) == 200
    with pytest.raises(ValueError, match="more than 100 fields"):
        Stream.received([one] * 21)
