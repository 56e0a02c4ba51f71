"""The connections of one scenario: who is connected, and with which keys."""

from collections.abc import Callable, Mapping
from typing import Any

import zmq
from attrs import define, field

from wri_conformance.peers import Missing, Peer, Security
from wri_conformance.probe import address, security
from wri_conformance.runs import Run
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace


@define
class Connections:
    """Peers by name, on one ZeroMQ context.

    `other` starts the second workflow of the scenario, whose keys a peer may be given; `keys`
    are those that were observed and saved.
    """

    trace: Trace
    other: Callable[[], Run]
    keys: dict[str, Mapping[str, KeyPair]] = field(factory=dict)
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _peers: dict[str, Peer] = field(factory=dict)

    def connect(self, name: str, run: Run, spec: Mapping[str, Any]) -> Peer:
        """Open what a `connect` step describes, in place of a connection of the same name.

        Raises:
            Missing: the contact file or a key is not there.
        """
        if name in self._peers:
            self._peers.pop(name).close()
        keys = Security(
            spec.get("mechanism", "CURVE"),
            self._client_key(run, spec.get("client_key", "own")),
            self._server_key(run, spec.get("server_key", "own")),
        )
        self._peers[name] = Peer.open(
            self._context,
            name,
            spec.get("socket", "REQ"),
            address(run, spec.get("to", "request")),
            keys,
            self.trace,
            correlate=spec.get("correlate", False),
            topics=spec.get("topics", ()),
            stingy=spec.get("stingy", False),
        )
        return self._peers[name]

    def client(self, name: str, run: Run) -> Peer:
        """Return the peer of this name, connected as an ordinary client if it is not there."""
        if name not in self._peers:
            self._peers[name] = self.passing(name, run)
        return self._peers[name]

    def passing(self, name: str, run: Run) -> Peer:
        """Return an ordinary client that the caller closes."""
        return Peer.open(
            self._context, name, "REQ", address(run, "request"), security(run), self.trace
        )

    def get(self, name: str) -> Peer:
        """Return the peer of this name.

        Raises:
            Missing: it has no connection.
        """
        if name not in self._peers:
            raise Missing(f"{name} has no connection")
        return self._peers[name]

    @property
    def admitted(self) -> bool:
        """Whether the handshake of any of them has succeeded."""
        return any(peer.admitted for peer in self._peers.values())

    def drop(self, peer: Peer) -> None:
        """Forget a peer and close it, whatever it waits for."""
        self._peers.pop(peer.name, None)
        peer.close()

    def close(self) -> None:
        """Close all of them."""
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        self._context.destroy(linger=0)

    def _client_key(self, run: Run, source: Any) -> KeyPair:
        if source == "unknown":
            return KeyPair.new()
        if source == "other":
            return _own_key(self.other().keys)
        if isinstance(source, Mapping):
            return _own_key(self.keys[source["saved"]])
        own = _own_key(run.keys)
        return KeyPair(own.public, KeyPair.new().secret) if source == "unmatched" else own

    def _server_key(self, run: Run, source: Any) -> bytes:
        if source == "unknown":
            return KeyPair.new().public
        if source == "other":
            keys: Mapping[str, KeyPair] = self.other().keys
        elif isinstance(source, Mapping):
            keys = self.keys[source["saved"]]
        else:
            keys = run.keys
        if "server.key" not in keys:
            raise Missing("there is no public key in .service/server.key")
        return keys["server.key"].public


def _own_key(keys: Mapping[str, KeyPair]) -> KeyPair:
    pair = keys.get("client.key_secret")
    if pair is None or pair.secret is None:
        raise Missing("there is no key pair in .service/client.key_secret")
    return pair
