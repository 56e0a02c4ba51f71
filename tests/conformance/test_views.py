"""The pure parts around a run: traces, key files, contact files, privacy, Markdown, the page."""

import getpass
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import zmq

from wri_conformance import evidence, markdown, schemas, service, specification, webpage
from wri_conformance.bodies import frames_of
from wri_conformance.peers import Reply, greeting, parse_greeting
from wri_conformance.privacy import Redaction
from wri_conformance.trace import Trace, readable
from wri_conformance.verdict import Result, Verdict

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def document() -> Any:
    return json.loads((EXAMPLES / "results" / "valid-failure.json").read_text(encoding="utf-8"))


# -- bytes as text


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (b'{"a": 1}', '{"a": 1}'),
        ("é ☃".encode(), "é ☃"),
        (b"\xff\x00", "hex:ff 00"),
        (b"a\nb\x1b[31m", '"a\\nb\\u001b[31m"'),
        (b"", ""),
    ],
)
def test_a_frame_is_readable(frame: bytes, shown: str) -> None:
    assert readable(frame) == shown


def test_a_long_frame_is_shortened_and_says_so() -> None:
    shown = readable(b"x" * 1_000_000)
    assert len(shown) < 500
    assert "1000000 bytes" in shown


@pytest.mark.parametrize("unit", [b"\xff", "☃".encode(), b"\x00"])
def test_a_long_frame_of_anything_is_bounded(unit: bytes) -> None:
    assert len(readable(unit * 500_000)) < 4000


def test_a_trace_has_no_secret_that_is_known() -> None:
    trace = Trace(secrets={b"s3cret"})
    trace.note("p", "→", [b"x s3cret y", b"s3cret"])
    trace.note("p", "·", "it said s3cret")
    shown = [frame for event in trace.events for frame in event["frames"]]
    assert shown == ["x (a secret key) y", "(a secret key)", "it said (a secret key)"]


def test_a_trace_is_bounded_and_keeps_both_ends() -> None:
    trace = Trace()
    for number in range(1000):
        trace.note("p", "→", [str(number).encode()])
    assert len(trace.events) <= 200
    assert trace.events[0]["frames"] == ["0"]
    assert trace.events[-1]["frames"] == ["999"]
    assert trace.dropped == 1000 - len(trace.events)


# -- messages


@pytest.mark.parametrize(
    ("spec", "frames"),
    [
        ({"json": {"a": [1, None]}}, [b'{"a":[1,null]}']),
        ({"text": "é"}, ["é".encode()]),
        ({"hex": "ff 00"}, [b"\xff\x00"]),
        ({"fill": {"before": "<", "unit": "ab", "times": 3, "after": ">"}}, [b"<ababab>"]),
        ({"frames": [{"text": "a"}, {"text": ""}]}, [b"a", b""]),
    ],
)
def test_bodies(spec: Any, frames: list[bytes]) -> None:
    assert frames_of(spec) == frames


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b"\xff", b"", b"{} x", b"\xef\xbb\xbf{}"])
def test_what_is_no_json_is_none(body: bytes) -> None:
    reply = Reply((body,), envelope_kept=True, seconds=0)
    assert reply.describe()["json"] is False
    with pytest.raises(ValueError, match=r"."):
        reply.json()


def test_a_reply_describes_itself() -> None:
    seen = Reply((b"\xef\xbb\xbf{}", b"x"), envelope_kept=False, seconds=0.5).describe()
    assert (seen["frames"], seen["bom"], seen["utf8"]) == (2, True, True)
    assert (seen["envelope_kept"], seen["seconds"]) == (False, 0.5)


def test_greetings() -> None:
    assert parse_greeting(greeting("CURVE")) == {"version": [3, 1], "mechanism": "CURVE"}
    assert len(greeting("NULL")) == 64
    assert parse_greeting(b"HTTP/1.1 400 Bad Request" * 4) == {}
    assert parse_greeting(greeting("CURVE")[:63]) == {}


# -- files


def key_file(tmp_path: Path, name: str, text: str, mode: int = 0o600) -> Any:
    (tmp_path / name).write_text(text, encoding="utf-8")
    os.chmod(tmp_path / name, mode)  # noqa: PTH101 - Path.chmod follows the umask just as little
    return service.describe_keys(tmp_path)[name]


def certificate(public: bytes, secret: bytes) -> str:
    return (
        "# a comment\n\nmetadata\ncurve\n"
        f'    public-key = "{public.decode()}"\n    secret-key = "{secret.decode()}"\n'
    )


def test_a_good_key_file(tmp_path: Path) -> None:
    public, secret = zmq.curve_keypair()
    seen = key_file(tmp_path, "client.key_secret", certificate(public, secret))
    assert seen["well_formed"]
    assert seen["pair"]
    assert not seen["others_can_access"]
    assert seen["public"] == public.decode()
    assert secret.decode() not in json.dumps(seen), "secret keys are never shown"


def test_bad_key_files(tmp_path: Path) -> None:
    public, secret = zmq.curve_keypair()
    other = zmq.curve_keypair()[0]
    name = "client.key_secret"
    good = certificate(public, secret)
    assert not key_file(tmp_path, name, certificate(other, secret))["pair"]
    assert key_file(tmp_path, name, good, 0o640)["others_can_access"]
    assert not key_file(tmp_path, name, good.replace("curve\n", ""))["well_formed"]
    assert not key_file(tmp_path, name, good.replace('"', ""))["well_formed"]
    assert not key_file(tmp_path, name, "")["well_formed"]
    assert not key_file(tmp_path, "server.key", good)["well_formed"], "no place for a secret"
    assert service.describe_keys(tmp_path / "gone")[name] == {"exists": False}


def test_contact_files(tmp_path: Path) -> None:
    assert service.describe_contact(tmp_path) == {"exists": False}
    path = tmp_path / "contact"
    path.write_bytes(b"A=1\n\nB = 2=3\nA=2\nC")
    seen = service.describe_contact(tmp_path)
    assert seen["wrong_lines"] == ["\n", "C"]
    assert seen["keys"].count("A") == 2
    assert seen["fields"] == {"A": "2", "B": "2=3"}
    path.write_bytes(b"\xff")
    assert service.describe_contact(tmp_path)["utf8"] is False


# -- views of results


def test_identities_are_replaced() -> None:
    text = f"{Path.home()}/x on {socket.gethostname()} by {getpass.getuser()}."
    redacted = Redaction()({"a": [text]})["a"][0]
    assert str(Path.home()) not in redacted
    assert redacted.startswith("<home>/x on ")


def test_the_block_of_a_failure() -> None:
    result = Result(
        "server/x::refused::WRI-ERR-2",
        "server/x",
        "refused",
        "WRI-ERR-2",
        Verdict.FAIL,
        "no reply in 5 s",
        sent="{}",
        expected={"required": ["error"]},
    )
    text = "\n".join(evidence.block(result, specification.load()))
    for part in ("FAIL  server/x::refused", "A server MUST", "spec/06", "{}", "no reply in 5 s"):
        assert part in text


def test_the_same_reason_is_told_once() -> None:
    results = [
        Result(f"s::{n}::WRI-ERR-2", "s", n, "WRI-ERR-2", Verdict.FAIL, "dead")
        for n in ("a", "b", "c")
    ]
    text = evidence.report(results, [], specification.load(), "wri test x")
    assert text.count("A server MUST") == 1
    assert text.count("for the same reason") == 2
    assert text.endswith("run only this again:  wri test x")


def test_markdown_shows_the_failure_and_escapes() -> None:
    shown = document()
    shown["scenarios"][0]["results"][0]["message"] = "<script> | `x`"
    text = markdown.render(shown)
    assert "server/errors/unknown-endpoint::refused::WRI-ERR-2" in text
    assert "<script>" not in text
    assert "**Does not conform to:** core" in text


def test_the_page_cannot_be_broken_by_what_a_server_sent() -> None:
    shown = document()
    evil = "</script><!-- <script>alert(1)</script>"
    shown["scenarios"][0]["results"][0]["actual"] = evil
    page = webpage.render(shown, specification.load())
    assert evil not in page
    assert page.count("</script>") == 2
    start = page.index('id="data">') + len('id="data">')
    embedded = json.loads(page[start : page.index("</script>", start)])
    assert embedded["results"]["scenarios"][0]["results"][0]["actual"] == evil
    assert "WRI-ERR-2" in embedded["requirements"]


def test_the_page_loads_nothing() -> None:
    page = webpage.render(document(), specification.load())
    for word in ("http://", "https://", "src=", "@import", "url("):
        assert word not in page


def test_the_example_of_results_is_what_the_views_expect() -> None:
    assert schemas.explain(schemas.named("results.json").iter_errors(document())) == ""


def test_what_stands_in_the_place_of_a_file_is_there(tmp_path: Path) -> None:
    assert service.describe_contact(tmp_path) == {"exists": False}
    assert service.describe_keys(tmp_path)["server.key_secret"] == {"exists": False}
    os.mkfifo(tmp_path / "contact")
    (tmp_path / "server.key_secret").mkdir()
    assert service.describe_contact(tmp_path) == {"exists": True}
    assert service.describe_keys(tmp_path)["server.key_secret"] == {"exists": True}
