"""Adapters that do not keep their protocol: each has its own message, and scores nothing."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.conftest import Done, Wri

ADAPTER = """\
import base64, json, os, sys, time

FAULT = sys.argv[1]

def say(line):
    os.write(1, line + b"\\n")

def answer(command):
    do = command["do"]
    if do == "capabilities":
        claimed = [] if FAULT == "can-nothing" else ["request", "subscribe"]
        return {"result": "capabilities", "protocol": 1, "capabilities": claimed}
    if do == "no-such-command":
        return {"result": "done" if FAULT == "knows-everything" else "unsupported"}
    if do == "request" and FAULT == "says-data":
        return {"result": "data", "data": command["args"]}
    if do == "request" and FAULT == "says-timeout":
        return {"result": "timeout", "message": "nobody answered"}
    if do == "receive" and FAULT == "says-published":
        return {"result": "data", "topic": "shutdown", "bytes": base64.b64encode(b"x").decode()}
    if do == "receive" and FAULT == "bad-base64":
        return {"result": "data", "topic": "shutdown", "bytes": "AAA"}
    if do == "connect" and FAULT == "fails":
        return {"result": "adapter-error", "message": "no idea what a connection is"}
    if FAULT == "odd-result":
        return {"result": "ok"}
    if do == "request" and FAULT == "no-data":
        return {"result": "data"}
    if do == "connect" and FAULT == "no-message":
        return {"result": "stopped"}
    return {"result": "done"}

if FAULT == "exits":
    print("the library is not there", file=sys.stderr)
    sys.exit(3)
if FAULT == "closes-output":
    os.close(1)
    time.sleep(3600)
for line in sys.stdin:
    command = json.loads(line)
    if FAULT == "hangs":
        time.sleep(3600)
    if FAULT == "rubbish":
        say(b"Hello, I am an adapter")
    if FAULT == "not-utf8":
        say(b'{"\\xff": 1}')
    if FAULT == "no-object":
        say(b"[1]")
    if FAULT == "wrong-id":
        command["id"] += 1
    if FAULT == "exits-later" and command["do"] == "connect":
        os._exit(0)
    say(json.dumps({"id": command["id"], **answer(command)}).encode())
    if FAULT == "twice":
        say(json.dumps({"id": command["id"], **answer(command)}).encode())
if FAULT == "never-ends":
    time.sleep(3600)
if FAULT == "bad-status":
    sys.exit(7)
"""


def manifest(wri: Wri, fault: str, role: str = "client") -> str:
    (wri.base / "adapter.py").write_text(ADAPTER, encoding="utf-8")
    capability = {"client": "request", "subscriber": "subscribe"}[role]
    roles = {
        role: {
            "capabilities": [capability],
            "adapter": [sys.executable, "{manifest_dir}/adapter.py", fault],
        }
    }
    document: dict[str, Any] = {"name": "bad", "version": "1", "roles": roles}
    path = wri.base / f"{fault}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def check(wri: Wri, name: str) -> Done:
    done = wri("check-adapter", name, "--patience", "0.2")
    assert wri.leftovers() == []
    assert not re.search("^Traceback", done.out + done.err, re.MULTILINE), "an adapter's is quoted"
    return done


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exits", "ended with status 3"),
        ("exits", "| the library is not there"),
        ("closes-output", "closed its standard output"),
        ("hangs", "waits for ever"),
        ("rubbish", "not JSON: Hello, I am an adapter (standard output is for answers"),
        ("not-utf8", "not UTF-8"),
        ("no-object", "it is no object with the id of a command"),
        ("odd-result", "'ok' is no result; use one of capabilities, done"),
        ("no-data", "such as undefined"),
        ("wrong-id", "answers with the id 2, which no open command has"),
        ("twice", "answers with the id 1, which no open command has"),
        (
            "can-nothing",
            "claims request, which the adapter does not name among its capabilities: none",
        ),
        ("knows-everything", "the result is done instead of unsupported"),
        ("says-data", "nothing ever connected"),
        ("says-data", "reports data, although the scheduler has sent no reply"),
        ("says-timeout", "no request came to the scheduler: nothing ever connected"),
        ("fails", "it failed itself: no idea what a connection is"),
        ("no-message", "lacks the member"),
        ("exits-later", "ended with status 0"),
    ],
)
def test_each_mistake_of_a_client_s_adapter_is_named(wri: Wri, fault: str, message: str) -> None:
    done = check(wri, manifest(wri, fault))
    assert done.status == 1
    assert message in done.out
    assert "the adapter: " in done.out
    assert done.out.endswith("an adapter cannot be used\n")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("says-nothing", "the scheduler saw no subscription"),
        ("never-connects", "the scheduler saw no subscription"),
    ],
)
def test_each_mistake_of_a_subscriber_s_adapter_is_named(
    wri: Wri, fault: str, message: str
) -> None:
    done = check(wri, manifest(wri, fault, "subscriber"))
    assert done.status == 1
    assert message in done.out


REFERENCE = Path(__file__).parents[2] / "conformance" / "implementations"
VARIANT = """\
import asyncio, base64, sys
sys.path.insert(0, {reference!r})
from reference_adapter import Adapter

class Variant(Adapter):
    async def do(self, do, connection="", **more):
{body}
        return await super().do(do, connection, **more)

async def main():
    await Variant().serve()
{end}

asyncio.run(main())
"""


def variant(wri: Wri, role: str, body: str = "        pass", end: str = "") -> str:
    text = VARIANT.format(reference=str(REFERENCE), body=body, end=end)
    (wri.base / "variant.py").write_text(text, encoding="utf-8")
    capability = {"client": ["request", "protobuf"], "subscriber": ["subscribe", "store"]}[role]
    adapter = [sys.executable, "{manifest_dir}/variant.py"]
    document = {
        "name": "variant",
        "version": "1",
        "roles": {role: {"capabilities": capability, "adapter": adapter}},
    }
    path = wri.base / "variant.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("role", "body", "end", "message"),
    [
        ("client", "        pass", "    await asyncio.sleep(3600)", "it still runs 3 s after"),
        ("client", "        pass", "    sys.exit(7)", "its exit status is 7"),
        (
            "client",
            "        if do in {'connect', 'request', 'close'}: connection = 'one'",
            "",
            "ended with status 1",
        ),
        (
            "client",
            (
                "        if more.get('command') == 'pb_entire_workflow':\n"
                "            return {'result': 'data', 'bytes': ''}"
            ),
            "",
            "the client reports data",
        ),
        (
            "subscriber",
            (
                "        if do == 'receive':\n"
                "            return {'result': 'data', 'topic': 'shutdown', 'bytes': 'eA=='}"
            ),
            "",
            "a publication that was never made: 'shutdown' with 1 bytes",
        ),
        (
            "subscriber",
            "        if do == 'receive': return {'result': 'data', 'topic': 'x', 'bytes': 'A'}",
            "",
            "what the adapter gives as base64 is none",
        ),
        (
            "subscriber",
            "        if do == 'store': return {'result': 'data', 'bytes': ''}",
            "",
            "the store is not what the scheduler sent",
        ),
    ],
)
def test_an_adapter_that_lies_is_found_out(
    wri: Wri, role: str, body: str, end: str, message: str
) -> None:
    done = check(wri, variant(wri, role, body, end))
    assert done.status == 1, done.out
    assert message in done.out


def test_a_mistake_of_the_client_is_not_one_of_the_adapter(wri: Wri) -> None:
    body = (
        "        from wri_reference import RequestError\n"
        "        try:\n"
        "            return await super().do(do, connection, **more)\n"
        "        except RequestError as error:\n"
        "            return {'result': 'client-error', 'message': str(error)}\n"
    )
    done = check(wri, variant(wri, "client", body))
    assert done.status == 0, done.out
    assert "the client, it seems: the result is client-error (the reason is this)" in done.out


def test_both_adapters_of_the_reference_can_be_used(wri: Wri) -> None:
    done = check(wri, "reference")
    assert done.status == 0, done.out
    assert done.out.count("✓") == 12
    assert "✗" not in done.out


@pytest.mark.parametrize("fault", ["exits", "hangs", "rubbish", "says-data", "says-timeout"])
def test_an_adapter_that_cannot_be_used_scores_nothing(wri: Wri, fault: str) -> None:
    done = wri.test(manifest(wri, fault), "--patience", "0.2", "-n", "2")
    assert done.status == 1
    counts = done.document()["summary"]["counts"]
    assert counts["pass"] == 0
    assert counts["fail"] > 0
    assert done.document()["summary"]["conforms_to"] == []
    assert "the adapter cannot be used" in done.document()["summary"]["fatal"]
    assert "the adapter cannot be used" in done.out


def test_an_adapter_that_does_not_exist_is_a_mistake_of_the_manifest(wri: Wri) -> None:
    path = Path(manifest(wri, "exits"))
    path.write_text(path.read_text(encoding="utf-8").replace(sys.executable, "no-such-program"))
    done = check(wri, str(path))
    assert done.status == 4
    assert "there is no program 'no-such-program'" in done.err


def test_an_adapter_that_is_not_executable_is_told_apart(wri: Wri) -> None:
    path = Path(manifest(wri, "exits"))
    text = path.read_text(encoding="utf-8").replace(sys.executable, str(wri.base / "adapter.py"))
    path.write_text(text)
    done = check(wri, str(path))
    assert done.status == 4
    assert "adapter.py is not executable" in done.err
    assert "name its interpreter" in done.err


def test_a_manifest_without_an_adapter_cannot_be_checked(wri: Wri) -> None:
    path = wri.base / "server.yaml"
    document = {
        "name": "s",
        "version": "1",
        "roles": {"server": {"capabilities": ["core"], "start": {"paused": ["true"]}}},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = check(wri, str(path))
    assert done.status == 4
    assert "names no adapter" in done.err
