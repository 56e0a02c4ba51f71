"""Certificates and the decision whom to admit (chapter 3)."""

import pytest
import zmq
import zmq.auth

from wri_reference import _keys
from wri_reference._errors import RemoteProtocolError


@pytest.fixture
def keys() -> _keys.KeyPair:
    return _keys.KeyPair(*zmq.curve_keypair())


def test_keys_arrive_unchanged(keys: _keys.KeyPair) -> None:
    assert _keys.parse_pair(_keys.format_secret(keys)) == keys
    assert _keys.parse_public(_keys.format_public(keys)) == keys.public
    assert keys.secret not in _keys.format_public(keys)


def test_others_can_read_the_certificates(keys: _keys.KeyPair, tmp_path: str) -> None:
    path = f"{tmp_path}/x.key_secret"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(_keys.format_secret(keys))
    assert zmq.auth.load_certificate(path) == keys


def test_the_certificates_of_others_can_be_read(tmp_path: str) -> None:
    public, secret = zmq.auth.create_certificates(tmp_path, "x")
    with open(public, "rb") as one, open(secret, "rb") as two:  # noqa: PTH123
        pair = _keys.parse_pair(two.read())
        assert _keys.parse_public(one.read()) == pair.public
    assert zmq.curve_public(pair.secret) == pair.public


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b'curve\n    public-key = "short"\n',
        b'curve\n    public-key = "' + b"~" * 40 + b'"\n',
        b'#   public-key = "' + b"a" * 40 + b'"\n',
    ],
)
def test_what_is_no_certificate(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="has no public key"):
        _keys.parse_public(text)


def test_a_public_certificate_has_no_secret(keys: _keys.KeyPair) -> None:
    with pytest.raises(RemoteProtocolError, match="has no secret key"):
        _keys.parse_pair(_keys.format_public(keys))


def test_a_secret_key_is_not_shown(keys: _keys.KeyPair) -> None:
    assert keys.secret.decode() not in f"{keys} {keys!r}"


KEY = b"k" * 32


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"CURVE", KEY], b"200"),
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"CURVE", b"x" * 32], b"400"),
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"CURVE", b""], b"400"),
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"NULL"], b"400"),
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"PLAIN", KEY], b"400"),
        ([b"1.0", b"id", b"wri", b"127.0.0.1", b"", b"PLAIN", b"user", b"password"], b"400"),
        ([b"2.0", b"id", b"wri", b"127.0.0.1", b"", b"CURVE", KEY], b"400"),
        ([b"1.0", b"id"], b"400"),
    ],
)
def test_who_is_admitted(request_: list[bytes], status: bytes) -> None:
    reply = _keys.authenticate(request_, {KEY})
    assert reply[:3] == [b"1.0", b"id", status]
    assert len(reply) == 6


def test_nobody_is_admitted_without_a_request() -> None:
    assert _keys.authenticate([], {KEY})[2] == b"400"
