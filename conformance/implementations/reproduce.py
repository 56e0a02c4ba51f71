r"""Send one request to a running workflow without the suite, to confirm what the suite says.

python reproduce.py WORKFLOW FRAME [FRAME …], with \\xNN for bytes that cannot be typed.
"""

import sys
from pathlib import Path

import zmq
import zmq.auth

service = Path.home() / "cylc-run" / sys.argv[1] / ".service"
contact = dict(line.split("=", 1) for line in (service / "contact").read_text().splitlines())
sock = zmq.Context().socket(zmq.REQ)
sock.linger = 0
public, secret = zmq.auth.load_certificate(service / "client.key_secret")
sock.curve_publickey, sock.curve_secretkey = public, secret or b""
sock.curve_serverkey = zmq.auth.load_certificate(service / "server.key")[0]
sock.connect(f"tcp://{contact['CYLC_WORKFLOW_HOST']}:{contact['CYLC_WORKFLOW_PORT']}")
sock.send_multipart(
    [frame.encode("latin-1").decode("unicode_escape").encode("latin-1") for frame in sys.argv[2:]]
)
print(b" + ".join(sock.recv_multipart()).decode() if sock.poll(5000) else "no reply in 5 s")
