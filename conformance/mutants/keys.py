"""Faults of the key files (chapter 3.1)."""

import hashlib

import zmq
from zmq.utils import z85

from mutants.peer import Body, Message, Mutant
from mutants.registry import fault
from wri_reference import _keys
from wri_reference._claim import Claim
from wri_reference._keys import KeyPair

FILES = "server/security/key-files::"


def _other_pair() -> KeyPair:
    return KeyPair(*zmq.curve_keypair())


class _Forgets(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        self._directory.client_secret.unlink()
        return keys


@fault(
    "no-client-key",
    [f"{FILES}keys::*", f"{FILES}admitted::*", "server/security/admitted::*"],
)
class NoClientKey(Mutant):
    """Does not write client.key_secret."""

    claim = _Forgets


class _Nameless(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        self._directory.server_public.unlink()
        return keys


@fault("no-server-key", [f"{FILES}keys::WRI-SEC-1", f"{FILES}keys::WRI-SEC-3"])
class NoServerKey(Mutant):
    """Does not write server.key."""

    claim = _Nameless


class _KeepsToItself(Claim):
    def authorised(self) -> set[bytes]:
        clients = super().authorised()
        self._directory.client_public.unlink()
        return clients


@fault("admitted-keys-elsewhere", [f"{FILES}admitted::WRI-SEC-2"])
class AdmittedKeysElsewhere(Mutant):
    """Keeps the public keys that it admits in its memory only."""

    claim = _KeepsToItself


class _Malformed(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        with self._directory.server_public.open("ab") as file:
            file.write(b'    colour = "red"\n')
        return keys


@fault("key-file-with-a-colour", [f"{FILES}keys::WRI-SEC-3"])
class KeyFileWithAColour(Mutant):
    """Adds a property to the section of the key."""

    claim = _Malformed


class _SecretInPublic(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        self._directory.server_public.write_bytes(_keys.format_secret(keys))
        return keys


@fault("secret-in-public-file", [f"{FILES}keys::WRI-SEC-3"])
class SecretInPublicFile(Mutant):
    """Writes its secret key into server.key as well."""

    claim = _SecretInPublic


class _Open(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        self._directory.client_secret.chmod(0o644)
        return keys


@fault("secret-for-everybody", [f"{FILES}keys::WRI-SEC-4"])
class SecretForEverybody(Mutant):
    """Lets everybody read a secret key."""

    claim = _Open


class _Mismatched(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        wrong = KeyPair(_other_pair().public, keys.secret)
        self._directory.server_secret.write_bytes(_keys.format_secret(wrong))
        return keys


@fault("halves-of-two-pairs", [f"{FILES}keys::WRI-SEC-5"])
class HalvesOfTwoPairs(Mutant):
    """Writes a secret key with the public key of another pair."""

    claim = _Mismatched


class _NotItsOwn(Claim):
    def write_keys(self) -> KeyPair:
        keys = super().write_keys()
        self._directory.server_public.write_bytes(_keys.format_public(_other_pair()))
        return keys


@fault(
    "key-of-somebody-else",
    [
        "server/security/admitted::*",
        "publisher/admitted::*",
        "server/timeout/suspended::*",
        "server/discovery/contact-file::answered::WRI-DSC-11",
        "server/stopped/clean-stop::before::WRI-SEC-11",
    ],
)
class KeyOfSomebodyElse(Mutant):
    """Authenticates itself by another key than that in server.key."""

    claim = _NotItsOwn


class _Same(Claim):
    def write_keys(self) -> KeyPair:
        super().write_keys()
        digest = hashlib.sha256(str(self._directory.path).encode()).digest()
        secret = z85.encode(digest)
        keys = KeyPair(zmq.curve_public(secret), secret)
        for path in (self._directory.server_public, self._directory.client_public):
            path.write_bytes(_keys.format_public(keys))
        for path in (self._directory.server_secret, self._directory.client_secret):
            path.write_bytes(_keys.format_secret(keys))
        return keys


@fault(
    "same-keys-for-ever",
    [
        "server/stopped/restart-after-stop::second-keys::WRI-SEC-7",
        "server/stopped/restart-after-crash::keys::WRI-SEC-7",
        "server/stopped/restart-after-crash::old-client-key::WRI-LIFE-4",
        "server/stopped/restart-after-crash::old-server-key::WRI-SEC-19",
    ],
)
class SameKeysForEver(Mutant):
    """Has the same keys at each start."""

    claim = _Same


class _Remembers(Claim):
    def write_keys(self) -> KeyPair:
        path = self._directory.client_public
        old = path.read_bytes() if path.exists() else b""
        keys = super().write_keys()
        if old:
            path.with_name("old.key").write_bytes(old)
        return keys


@fault("old-keys-stay-valid", ["server/stopped/restart-after-crash::old-client-key::WRI-LIFE-4"])
class OldKeysStayValid(Mutant):
    """Admits the keys of the run before as well."""

    claim = _Remembers


@fault("secret-in-a-message", ["server/security/secrets::searched::WRI-SEC-8"])
class SecretInAMessage(Mutant):
    """Shows the files that it could not make sense of, a key file for one, in errors."""

    def amend(self, _body: Body, right: Message) -> Message:
        if "error" in right:
            right["error"]["message"] += self.directory.client_secret.read_text()
        return right


class _InContact(Claim):
    def write_contact(self, text: bytes) -> None:
        secret = _keys.parse_pair(self._directory.client_secret.read_bytes()).secret
        super().write_contact(text + b"CLIENT_KEY=" + secret + b"\n")


@fault("secret-in-the-contact-file", ["server/security/secrets::searched::WRI-SEC-8"])
class SecretInTheContactFile(Mutant):
    """Hands the secret key to clients by the contact file."""

    claim = _InContact
