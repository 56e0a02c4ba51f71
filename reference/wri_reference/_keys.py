"""Keys: certificates as text (SEC-3) and the decision whom to admit (ZAP), without sockets."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from wri_reference._errors import RemoteProtocolError

_PROPERTY = re.compile(r"""\s*(public|secret)-key\s*=\s*(["'])(.*)\2\s*""")
_Z85 = re.compile(rb"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")

_ZAP_VERSION = b"1.0"
_ZAP_FRAMES = 7  # version, request id, domain, address, identity, mechanism, public key


class KeyPair(NamedTuple):
    """A CURVE key pair, each key 40 characters in Z85; never printed (CLI-21)."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Return what may be shown in a log or a traceback."""
        return f"KeyPair(public={self.public!r}, secret=…)"


def format_public(keys: KeyPair) -> bytes:
    """Return the public certificate of a pair."""
    return b'metadata\ncurve\n    public-key = "' + keys.public + b'"\n'


def format_secret(keys: KeyPair) -> bytes:
    """Return the secret certificate of a pair."""
    return format_public(keys) + b'    secret-key = "' + keys.secret + b'"\n'


def parse_public(text: bytes) -> bytes:
    """Return the public key of a certificate, public or secret.

    Raises:
        RemoteProtocolError: there is none.
    """
    return _key(text, "public")


def parse_pair(text: bytes) -> KeyPair:
    """Return the key pair of a secret certificate.

    Raises:
        RemoteProtocolError: one of the keys is missing. The message shows nothing of the text.
    """
    return KeyPair(_key(text, "public"), _key(text, "secret"))


def authenticate(request: Sequence[bytes], authorised: Collection[bytes]) -> list[bytes]:
    """Answer a ZAP request: 200 for CURVE with an authorised key, 400 for all else.

    `authorised` holds public keys of 32 bytes. libzmq asks this about each connection before
    its handshake ends (SEC-11 to SEC-18); that the peer owns the secret key of the public key
    that it shows, libzmq has proved itself.
    """
    identity = request[1] if len(request) > 1 else b""
    if (
        len(request) == _ZAP_FRAMES
        and request[0] == _ZAP_VERSION
        and request[5] == b"CURVE"
        and request[6] in authorised
    ):
        return [_ZAP_VERSION, identity, b"200", b"OK", b"", b""]
    return [_ZAP_VERSION, identity, b"400", b"unknown key", b"", b""]


def _key(text: bytes, kind: str) -> bytes:
    for line in text.decode("utf-8", "replace").splitlines():
        match = _PROPERTY.fullmatch(line)
        if match and match[1] == kind:
            key = match[3].encode("utf-8")
            if _Z85.fullmatch(key):
                return key
    raise RemoteProtocolError(f"has no {kind} key")
