"""What a hostile peer says: bodies of replies and payloads of publications, from a seed.

Nothing here knows the suite or the reference: only what JSON and protobuf look like from outside.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Final

MIB: Final = 1 << 20
API: Final = ("api", "graphql", "pb_data_elements", "pb_entire_workflow")
TOPICS: Final = (
    *("all", "edges", "families", "family_proxies", "jobs", "tasks", "task_proxies", "workflow"),
    *("shutdown", "", "x" * 1000, "\x1b[2J", "ALL"),
)


def response(data: object) -> bytes:
    """Return a correct response."""
    return json.dumps({"data": data, "cylc_version": "8.5.4"}).encode()


def _spoilt(chance: random.Random) -> bytes:
    """A correct response, but for a few bytes."""
    body = bytearray(response(list(API)))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(body))
        how = chance.randrange(3)
        if how == 0:
            del body[place]
        elif how == 1:
            body[place] = chance.randrange(256)
        else:
            body.insert(place, chance.randrange(256))
    return bytes(body)


def _deep(chance: random.Random) -> bytes:
    depth = chance.choice([150, 480, 900, 990, 1200, 5000, 100_000])
    begin, end = chance.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"data":', b"}]")])
    whole = begin * depth + b"1" + end * depth
    return whole if chance.random() < 0.3 else b'{"data": %b, "cylc_version": "8.5.4"}' % whole


def _strange(chance: random.Random) -> bytes:
    """JSON that is nearly none, or whose text cannot be written everywhere."""
    value = chance.choice(
        [
            *("NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1e-999"),
            *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u001b[2J\\u0007"', '"\\u202e"'),
            *('"</script><script>alert(1)</script>"', '{"\\ud800": 1}', '{"": {"": ""}}'),
            *('{"data": 1, "data": 2, "data": 3}', "[null]", "7", '""', "false"),
        ]
    )
    return chance.choice(
        [
            f'{{"data": {value}, "cylc_version": "8.5.4"}}',
            f'{{"data": [{value}, "api"], "data": ["api", {value}]}}',
            f'{{"error": {{"message": {value}}}, "cylc_version": {value}}}',
            f'{{"error": {value}}}',
            value,
        ]
    ).encode()


def _undecodable(chance: random.Random) -> bytes:
    inside = chance.choice([b"\xed\xa0\x80", b"\xff\xfe", b"\xc0\xaf", b"\xf8\x88", b"\x80" * 500])
    return chance.choice(
        [
            b'{"data": ["' + inside + b'"]}',
            inside,
            b"\xef\xbb\xbf" + response(list(API)),
            response(list(API)).decode().encode("utf-16"),
            response(list(API)).decode().encode("utf-32-be"),
        ]
    )


def _digits(chance: random.Random) -> bytes:
    digits = b"7" * chance.choice([400, 5000, MIB])
    number = chance.choice([digits, b"-" + digits, b"0." + digits, b"1e" + digits])
    return b'{"data": %b, "cylc_version": "8.5.4"}' % number


def _huge(chance: random.Random) -> bytes:
    size = chance.choice([5, 20, 50, 80]) * MIB
    unit, begin, end = chance.choice(
        [
            (b"x", b'{"data": "', b'"}'),
            (b"x", b'{"error": {"message": "', b'"}, "cylc_version": "8.5.4"}'),
            (b"\xf0\x9f\x98\x80", b'{"data": "', b'"}'),
            (b"0,", b'{"data": [', b'"api"]}'),
            (b"[],", b'{"data": [', b'"api"]}'),
            (b'{"a":{}},', b'{"data": [', b'"api"]}'),
            (b'"api",', b'{"data": [', b'"api"]}'),
            (b"\0", b"", b""),
            (b"[", b"", b""),
        ]
    )
    return begin + unit * (size // len(unit)) + end


def _many_names(chance: random.Random) -> bytes:
    """The names of so many endpoints that nobody can ask for all of them."""
    return response(["api", *(f"e{n}" for n in range(chance.choice([300, 50_000])))])


def _told(chance: random.Random) -> bytes:
    """An error with a message that is not fit for a report."""
    message = chance.choice(["\n" * 5000, "x" * 300_000, "\x1b]0;\x07\x1b[31m", "]]>\ufffe\uffff"])
    return json.dumps({"error": {"message": message}, "cylc_version": "8.5.4"}).encode()


def protobuf(chance: random.Random) -> bytes:
    """Bytes for a reader of protobuf: garbage, or small ones that become large ones."""
    field = chance.choice([0x0A, 0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A])
    how = chance.randrange(6)
    if how == 0:
        return chance.randbytes(chance.choice([1, 10, 1000]))
    if how == 1:  # empty elements: each takes hundreds of bytes once it is decoded
        return bytes([field, 0]) * chance.choice([1000, MIB, 20 * MIB])
    if how == 2:  # messages inside messages
        body = b""
        for _ in range(chance.choice([50, 150])):
            body = bytes([field]) + _varint(len(body)) + body
        return body
    if how == 3:  # texts that are none
        text = b"\xff\xed\xa0\x80" * chance.choice([1, 100])
        inner = b"\x0a" + _varint(len(text)) + text
        return bytes([field]) + _varint(len(inner)) + inner
    if how == 4:  # fields that nobody knows
        return b"\xfa\x7f\x04abcd" * chance.choice([1, 100_000])
    text = b"~u/w//" + b"/" * chance.choice([1, 100_000])
    inner = b"\x0a" + _varint(len(text)) + text + b"\x12" + _varint(len(text)) + text
    element = bytes([field]) + _varint(len(inner)) + inner
    return element * chance.choice([1, 30])


def snapshot(workflow: str, status: str) -> bytes:
    """Return a PbEntireWorkflow of one task proxy, so that a server seems to be ready."""
    return _text(1, _text(2, workflow.encode()) + _text(4, status.encode())) + _text(
        3, _text(2, f"{workflow}//1/foo".encode())
    )


def _text(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


KINDS: Final[Mapping[str, Callable[[random.Random], bytes]]] = {
    "random": lambda chance: chance.randbytes(chance.choice([0, 1, 7, 100, 10_000])),
    "spoilt": _spoilt,
    "deep": _deep,
    "strange": _strange,
    "undecodable": _undecodable,
    "digits": _digits,
    "huge": _huge,
    "names": _many_names,
    "told": _told,
    "protobuf": protobuf,
}
"""By name, what makes a body."""
