"""A TCP relay before the ports of a server, which can spoil what libzmq does right by itself."""

import contextlib
import socket
import threading

import zmq

from mutants.peer import Mutant
from wri_reference._keys import KeyPair

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
VERSION = b"\x03"
GREETING_SIZE = 64
BACKLOG = 1024


class Front(Mutant):
    """A correct server whose clients and subscribers come through a relay."""

    backlog = BACKLOG

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        super()._open(context, keys, clients)
        self.behind = {"request": self.port, "publish": self.publish_port}
        self.port, self.publish_port = (self._listen(name) for name in self.behind)

    def _listen(self, name: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=self.backlog)
        threading.Thread(target=self._accept, args=(listener, name), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def _accept(self, listener: socket.socket, name: str) -> None:
        while True:
            self.serve(listener.accept()[0], name)

    def serve(self, client: socket.socket, name: str) -> None:
        """Serve a new connection to the port `name`."""
        threading.Thread(target=self.relay, args=(client, name), daemon=True).start()

    def relay(self, client: socket.socket, name: str) -> None:
        """Carry everything to and fro, until one side closes."""
        self.join(client, socket.create_connection(("127.0.0.1", self.behind[name])))

    def join(self, client: socket.socket, server: socket.socket) -> None:
        """Carry everything between two connections, until one side closes."""
        back = threading.Thread(target=self.carry, args=(server, client), daemon=True)
        back.start()
        self.carry(client, server)
        back.join()
        client.close()
        server.close()

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carry what comes from `source` to `target`, then tell it that no more comes."""
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
        self.ended(target)

    def ended(self, target: socket.socket) -> None:
        """Close a connection whose other side is gone."""
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


class SideDoor(Front):
    """Has a second server behind the relay, for those who come with another mechanism."""

    mechanism = b"NULL"

    def secure(self, context: zmq.Context[zmq.Socket[bytes]], bound: zmq.Socket[bytes]) -> None:
        """Prepare the sockets of the second server."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        super()._open(context, keys, clients)
        self.inside = zmq.Context()
        self.side, self.leak = self.inside.socket(zmq.REP), self.inside.socket(zmq.PUB)
        for bound, name in ((self.side, "request"), (self.leak, "publish")):
            bound.linger = 1000
            self.secure(self.inside, bound)
            port = bound.bind_to_random_port("tcp://127.0.0.1")
            self.behind[f"{name} for all"] = port
        threading.Thread(target=self._answer_all, daemon=True).start()

    def _answer_all(self) -> None:
        with contextlib.suppress(zmq.ZMQError):
            while True:
                self.side.send(self.receiver(self.side.recv_multipart()))

    def publish(self, topic: str, payload: bytes) -> None:
        super().publish(topic, payload)
        self.leak.send_multipart([topic.encode(), payload])

    def relay(self, client: socket.socket, name: str) -> None:
        """Find out with which mechanism a client comes, and let it in by the right door."""
        greeting = b""
        with contextlib.suppress(OSError):
            client.sendall(SIGNATURE + VERSION)
            greeting = client.recv(GREETING_SIZE, socket.MSG_WAITALL)
        wanted = greeting[12:32].rstrip(b"\0")
        name = f"{name} for all" if wanted == self.mechanism else name
        server = socket.create_connection(("127.0.0.1", self.behind[name]))
        server.sendall(greeting)
        server.recv(len(SIGNATURE + VERSION), socket.MSG_WAITALL)  # is sent already
        self.join(client, server)
