r"""Play a scheduler without the suite, to confirm by hand what the suite says of a client.

python reproduce_client.py WORKFLOW [--after SECONDS] [FRAME …]    replies with these frames, or not
python reproduce_client.py WORKFLOW --publish FRAME [FRAME …]      publishes them every second

It prints what it is asked, and removes its contact file in the end. \\xNN is a byte of a frame.
"""

import contextlib
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import zmq
import zmq.auth

workflow, *words = sys.argv[1:]
option = words.pop(0) if words[:1] in (["--after"], ["--publish"]) else ""
after = float(words.pop(0)) if option == "--after" else 0
frames = [word.encode("latin-1").decode("unicode_escape").encode("latin-1") for word in words]

service = Path.home() / "cylc-run" / workflow / ".service"
service.mkdir(parents=True, exist_ok=True)
(service.parent / "flow.cylc").write_text("[scheduling]\n[[graph]]\nR1 = a\n[runtime]\n[[a]]\n")
zmq.auth.create_certificates(service, "server")
(service / "server.key_secret").chmod(0o600)
shutil.copy(service / "server.key_secret", service / "client.key_secret")
public, secret = zmq.auth.load_certificate(service / "server.key_secret")

context, host, sockets = zmq.Context(), socket.getfqdn(), []
for kind in (zmq.REP, zmq.PUB):
    one = context.socket(kind)
    one.linger, one.curve_server = 0, True
    one.curve_publickey, one.curve_secretkey = public, secret or b""
    sockets.append((one, one.bind_to_random_port(f"tcp://{socket.gethostbyname(host)}")))
(server, port), (publisher, publish_port) = sockets
arguments = Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0")
(service / "contact").write_text(f"""CYLC_API=5
CYLC_VERSION=8.5.4
CYLC_WORKFLOW_COMMAND={" ".join(arguments)}
CYLC_WORKFLOW_HOST={host}
CYLC_WORKFLOW_ID={workflow}
CYLC_WORKFLOW_OWNER={Path.home().owner()}
CYLC_WORKFLOW_PID={os.getpid()}
CYLC_WORKFLOW_PORT={port}
CYLC_WORKFLOW_PUBLISH_PORT={publish_port}
CYLC_WORKFLOW_UUID=86641c11-f1b3-455c-a030-1853979b0500
""")
with contextlib.suppress(KeyboardInterrupt):
    while True:
        if option == "--publish":
            publisher.send_multipart(frames)
            time.sleep(1)
        elif not server.poll(1000):
            continue
        else:
            print(b" + ".join(server.recv_multipart()).decode("utf-8", "replace"), flush=True)
            time.sleep(after)
            if frames:
                server.send_multipart(frames)
            else:
                time.sleep(86400)
(service / "contact").unlink(missing_ok=True)
