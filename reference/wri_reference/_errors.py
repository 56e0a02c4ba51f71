"""What can go wrong, and whose fault it was."""


class ProtocolError(Exception):
    """Somebody broke the protocol; the message is for people."""


class LocalProtocolError(ProtocolError):
    """This side was about to send what the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The other side, or what it left on disk, broke the protocol."""


class StartError(Exception):
    """A server could not start; nothing of another server was touched (LIFE-3)."""


class ClientError(Exception):
    """A request got no data: the server refused it, or it could not be asked (chapter 11)."""


class RequestError(ClientError):
    """The server answered with an error, whose message this is (CLI-2)."""


class ReplyError(ClientError):
    """What came in the place of a response is none (CLI-3, CLI-4)."""


class HandshakeRefused(ClientError):  # noqa: N818 - an outcome, named as the specification would
    """The security handshake failed, so that no request can reach the server (SEC-25)."""


class WorkflowMoved(ClientError):  # noqa: N818
    """The contact file names another address than the one that was asked (CLI-14)."""


class ClientTimeout(Exception):  # noqa: N818
    """Nothing came in time and the server may still be running (CLI-15)."""


class WorkflowStopped(Exception):  # noqa: N818
    """The workflow is not running (CLI-13, CLI-17, CLI-18)."""
