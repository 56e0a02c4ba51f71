"""Protobuf replies: what is one, what is not, and what is said of it."""

import json

import pytest

from wri_conformance import decode, schemas
from wri_proto.v1 import data_store_pb2 as pb

SNAPSHOT = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id="~u/w", is_held_total=0))


def test_every_message_of_the_scenario_schema_is_one() -> None:
    for name in decode.MESSAGES:
        step = {"request": {"command": "x", "args": {}}, "decode": name}
        assert not list(schemas.named("scenario.json#/$defs/step").iter_errors(step)), name


def test_the_json_form_has_what_is_present() -> None:
    message = decode.parse("PbEntireWorkflow", SNAPSHOT.SerializeToString())
    assert decode.to_json(message) == {"workflow": {"id": "~u/w", "isHeldTotal": 0}}


def test_no_bytes_are_a_message_without_fields() -> None:
    assert decode.to_json(decode.parse("WDeltas", b"")) == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "no such type"}, "cylc_version": "8"}', "response: no such type$"),
        (b'{"error": {"message": "\\ud800"}}', r"response: \\ud800$"),
        (b'{"error": {"message": 7}}', 'response: {"error": {"message": 7}}$'),
        (b'{"error": "told"}', 'response: {"error": "told"}$'),
        (b'{"data": [NaN]}', 'not a PbEntireWorkflow: {"data": '),
        (b"[]", "not a PbEntireWorkflow"),
        (json.dumps({"data": [1], "cylc_version": "8"}).encode(), '{"data": \\[1\\]'),
        (b"\xff\xff\xff", "not a PbEntireWorkflow"),
        (b"\x08\x07", "no field of one"),
    ],
)
def test_what_is_no_message_is_told(body: bytes, words: str) -> None:
    with pytest.raises(decode.NotThatError, match=words):
        decode.parse("PbEntireWorkflow", body)


def test_unknown_fields_are_noticed_at_any_depth() -> None:
    known = SNAPSHOT.SerializeToString()
    assert not decode.has_unknown_fields(decode.parse("PbEntireWorkflow", known))
    newer = b"\x0a\x05\xf8\x7f\x01\x4a" + b"\x00"  # workflow: {2047: 1, 9: ""}
    assert decode.has_unknown_fields(decode.parse("PbEntireWorkflow", newer))
