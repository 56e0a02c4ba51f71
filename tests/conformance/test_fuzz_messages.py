"""What the fuzzer sends, how it is made simpler, described and written down: without a network."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wri_conformance import scenario, schemas
from wri_conformance.bodies import frames_of
from wri_conformance.fuzzing import generate, saving
from wri_conformance.fuzzing.conversation import REQUIREMENTS, Symptom, wrong
from wri_conformance.fuzzing.display import Display
from wri_conformance.fuzzing.hunt import Failure, Hunt, Unreproduced
from wri_conformance.fuzzing.messages import (
    API,
    LONGEST,
    Damage,
    Double,
    Drop,
    Frames,
    Literal,
    Message,
    Put,
    Repeat,
    Route,
    Spell,
    Splice,
    Whole,
    fair,
)
from wri_conformance.fuzzing.simplify import cost, shorter, simpler
from wri_conformance.fuzzing.traits import Offer, traits
from wri_conformance.introspection import expected
from wri_conformance.peers import Reply
from wri_conformance.specification import load

SPECIFICATION = load()
SCHEMA = generate.fuzzed(expected("8.5.4"), mutations=True)
OFFER = Offer(("api", "graphql", "pb_data_elements", "pb_entire_workflow"), SCHEMA)
STOCK = generate.Stock(
    OFFER, ["{ workflows { id } }", 'mutation { pause(workflows: ["*"]) { result } }']
)
ARGS = {"command": "api", "args": {"endpoint": "graphql"}, "meta": {"prog": "x"}}
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def described(message: Message) -> set[str]:
    return set(map(str, traits(message, OFFER)))


# -- valid requests


@pytest.mark.parametrize(
    "name",
    [
        *("request.json", "meta.json", "api.json#/$defs/args", "data.json#/$defs/args"),
        *("graphql.json#/$defs/args", "api.json#/$defs/ping"),
    ],
)
def test_what_is_made_from_a_schema_is_valid(name: str) -> None:
    validator = schemas.named(name)

    @QUICK
    @given(generate.valid(name))
    def check(value: Any) -> None:
        assert validator.is_valid(value)

    check()


def test_a_schema_that_asks_for_more_is_refused() -> None:
    with pytest.raises(generate.UnsupportedError, match="uses additionalProperties"):
        generate.valid("contact.json")


@QUICK
@given(STOCK.requests)
def test_a_request_without_damage_is_valid_and_nothing_special(request: dict[str, Any]) -> None:
    message = Message(request)
    assert json.loads(message.frames[0]) == request
    assert schemas.named("request.json").is_valid(request)
    assert message.well_framed
    assert not {t for t in described(message) if "wrong type" in t or "missing" in t or "not " in t}


def test_the_same_seed_makes_the_same_messages() -> None:
    def first(seed: int) -> list[list[tuple[bytes, ...]]]:
        sessions = itertools.islice(generate.stream(Offer(("api", "graphql")), seed), 20)
        return [[step.message.wire for step in session] for session in sessions]

    once = first(7)
    assert once == first(7)
    assert once != first(8)
    assert all(sum(map(len, wire)) < LONGEST + 5000 for session in once for wire in session)


def test_nothing_that_ends_a_server_by_right_is_made() -> None:
    assert SCHEMA.mutation_type is not None
    assert "stop" not in SCHEMA.mutation_type.fields
    assert "hold" in SCHEMA.mutation_type.fields
    assert generate.fuzzed(expected(None), mutations=False).mutation_type is None


# -- damage


META = '"meta":{"prog":"x"}}'
HEAD = '{"command":"api","args":{"endpoint":"graphql"'


@pytest.mark.parametrize(
    ("damage", "body"),
    [
        (Put((), []), "[]"),
        (Put(("command",), None), '{"command":null,"args":{"endpoint":"graphql"},' + META),
        (Put(("args", "new"), Literal("NaN")), f'{HEAD},"new":NaN}},{META}'),
        (Put(("args",), Repeat("[", 2, close="]")), '{"command":"api","args":[[]],' + META),
        (Drop(("meta",)), HEAD + "}}"),
        (Drop(("nowhere", "at", "all")), f"{HEAD}}},{META}"),
        (Double(("args", "endpoint"), 1), f'{HEAD},"endpoint":1}},{META}'),
        (Whole(b"x"), "x"),
        (Splice(-1, 1, b"]"), f"{HEAD}}},{META}]"),
    ],
)  # fmt: skip
def test_damage(damage: Damage, body: str) -> None:
    assert Message(ARGS, (damage,)).frames == (body.encode(),)


@pytest.mark.parametrize("spelling", ["spaces", "escapes"])
def test_other_spellings_say_the_same(spelling: str) -> None:
    request = {"command": "api", "args": {'a"\\b': "ä\\u00e4\n\U0001f600"}}
    plain, other = Message(request), Message(request, (Spell(spelling),))
    assert json.loads(other.frames[0]) == request
    assert other.frames != plain.frames


@pytest.mark.parametrize(
    ("damages", "well_framed", "body"),
    [
        ((), True, (b"x",)),
        ((Route(("a", "b", "")),), True, (b"x",)),
        ((Route(()),), False, ()),
        ((Route(("a",)),), False, ()),
        ((Route(("", "")),), True, (b"", b"x")),
        ((Route(()), Frames(before=(b"",))), True, (b"x",)),
        ((Route(()), Frames(after=(b"",))), False, ()),
        ((Frames((b"a",), (b"", b"c")),), True, (b"a", b"x", b"", b"c")),
    ],
)
def test_the_first_empty_frame_is_the_delimiter(
    damages: tuple[Damage, ...], well_framed: bool, body: tuple[bytes, ...]
) -> None:
    message = Message(API, (Whole(b"x"), *damages))
    assert message.well_framed is well_framed
    assert message.body == body


@pytest.mark.parametrize(
    ("damages", "fair_"),
    [
        ((), True),
        ((Route(()),), True),
        ((Route(()), Whole(b"")), False),
        ((Route(("a",)), Whole(b"")), False),
        ((Whole(b"x" * 1_000_001),), False),
        ((Whole(b"x" * 1_000_000),), True),
        ((Put(("args", "request_string"), "a " * 5001),), False),
        ((Put(("args", "request_string"), "a " * 5000),), True),
    ],
)
def test_only_that_is_sent_of_which_the_specification_says_what_becomes_of_it(
    damages: tuple[Damage, ...], fair_: bool
) -> None:
    assert fair(Message(API, damages)) is fair_


@pytest.mark.parametrize("spelling", ["utf-8", "escapes", "utf-16"])
def test_a_command_is_seen_however_it_is_spelt(spelling: str) -> None:
    request = {"command": "graphql", "args": {"request_string": "mutation {…}"}}
    assert generate.commands([generate.Step(0, Message(request, (Spell(spelling),)))])
    assert generate.commands([generate.Step(0, Message(API, (Whole(b"mutation"),)))])
    assert not generate.commands([generate.Step(0, Message(API, (Spell(spelling),)))])


# -- traits


@pytest.mark.parametrize(
    ("damages", "found"),
    [
        ((), set()),
        ((Whole(b"\xff"),), {"body: not UTF-8"}),
        ((Spell("utf-16"),), {"body: not UTF-8"}),
        ((Spell("utf-8-sig"),), {"body: byte order mark"}),
        ((Whole(b"{"),), {"body: not JSON"}),
        ((Whole(b""),), {"body: not JSON"}),
        ((Whole(b"[]"),), {"body: not an object"}),
        ((Put((), Repeat("[", 50_000, close="]")),), {"body: nested deeply"}),
        ((Frames(after=(b"",)),), {"body: several frames"}),
        ((Route(()),), {"envelope: no delimiter"}),
        ((Route(("a", "")),), {"envelope: frames before the delimiter"}),
        ((Drop(("command",)),), {"command: missing"}),
        ((Put(("command",), 1),), {"command: wrong type"}),
        ((Put(("command",), "nope"),), {"command: no endpoint"}),
        ((Put(("command",), "__class__"),), {"command: a name of the language"}),
        ((Put(("args",), []),), {"args: wrong type"}),
        ((Put(("args", "endpoint"), 1),), {"api args.endpoint: wrong type"}),
        ((Put(("meta",), 3),), {"meta: wrong type"}),
        ((Put(("meta", "prog"), 3),), {"meta.prog: wrong type"}),
        ((Put(("meta", "comms_method"), "x"),), {"meta.comms_method: unknown value"}),
        ((Put(("more",), 3),), {"members: unknown member"}),
        ((Double(("command",), "api"),), {"command: the same name twice"}),
        ((Put(("args", "x"), Literal("NaN")),), {"args.x: no number of JSON"}),
        ((Put(("args", "x"), Literal(r'"\ud800"')),), {"args.x: lone surrogate"}),
        ((Put(("args", "x"), 10**18),), {"args.x: huge number"}),
        ((Put(("args", "x"), Repeat("9", 5000)),), {"args.x: number of many digits"}),
        ((Put(("args", "x"), Repeat("9", 50, before="0.")),), {"args.x: number of many digits"}),
    ],
)  # fmt: skip
def test_traits(damages: tuple[Damage, ...], found: set[str]) -> None:
    assert described(Message({**API, "meta": {}}, damages)) == found


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("{ workflows { id } }", set()),
        ("{ workflows", {"graphql args.request_string: not GraphQL"}),
        ("{ nothing }", {"graphql args.request_string: not valid for the schema"}),
        ('mutation { pause(workflows: ["*"]) { result } }', {"mutation pause: arguments"}),
    ],
)
def test_traits_of_documents(document: str, found: set[str]) -> None:
    message = Message({"command": "graphql", "args": {"request_string": document}})
    assert described(message) == found


# -- simpler ones


@QUICK
@given(generate.messages(STOCK))
def test_simpler_messages_are_simpler(message: Message) -> None:
    found = simpler(message)
    assert all(cost(one) < cost(message) for one in found)
    assert [cost(one) for one in found] == sorted(cost(one) for one in found)
    assert len({one.wire for one in found}) == len(found)


def _simplest(message: Message, fatal: Callable[[Message], bool]) -> Message:
    while (one := next(filter(fatal, simpler(message)), None)) is not None:
        message = one
    return message


@pytest.mark.parametrize(
    ("fatal", "left"),
    [
        (lambda m: "command: wrong type" in described(m), b'{"command":0,"args":{}}'),
        (lambda m: "body: not an object" in described(m), b"0"),
        (
            lambda m: {"args: wrong type"} <= described(m) and b'"meta":{' in m.frames[0],
            b'{"command":"api","args":0,"meta":{}}',
        ),
    ],
)
def test_what_is_left_is_what_does_it(fatal: Callable[[Message], bool], left: bytes) -> None:
    @settings(QUICK, max_examples=20)
    @given(generate.messages(STOCK))
    def check(message: Message) -> None:
        if fatal(message):
            (frame,) = _simplest(message, fatal).frames
            assert len(frame) <= len(left) + 3

    check()
    noise: tuple[Damage, ...] = (Put(("meta", "x"), "y"), Double(("args", "endpoint"), 1))
    cause = {b"0": Put((), [1]), b'{"command":0,"args":{}}': Put(("command",), {"a": [1]})}
    start = Message(ARGS, (*noise, cause.get(left, Put(("args",), ["x", 1]))))
    assert fatal(start)
    assert _simplest(start, fatal).frames == (left,)


def test_a_document_of_several_fields_comes_to_one() -> None:
    fields = [
        "pause(workflows: [])",
        'hold(tasks: ["a"], workflows: ["b"])',
        "resume(workflows: [])",
    ]
    text = f"mutation {{ {' '.join(f'{one} {{ result }}' for one in fields)} }}"
    message = Message({"command": "graphql", "args": {"request_string": text, "variables": None}})
    one = _simplest(message, lambda m: "mutation hold: arguments" in described(m))
    (frame,) = one.frames
    assert b"hold" in frame
    assert b"pause" not in frame
    assert b"variables" not in frame


def test_a_failure_is_not_made_into_another_one() -> None:
    hunt = Hunt(None, OFFER)  # type: ignore[arg-type]  # no server is needed
    message = Message(ARGS, (Put(("command",), "__reduce__"), Put(("meta",), 1)))
    found = hunt._simpler(message)
    assert any(described(one) == {"command: a name of the language"} for one in found)
    assert not any("command: wrong type" in described(one) for one in found)


def test_shorter_sequences_come_to_the_cause() -> None:
    steps: tuple[int, ...] = tuple(range(37))
    while smaller := next((s for s in shorter(steps) if {3, 30} <= set(s)), None):
        steps = smaller
    assert steps == (3, 30)


# -- scenarios


@QUICK
@given(generate.messages(STOCK))
def test_a_scenario_sends_the_same_bytes(message: Message) -> None:
    spec = yaml.safe_load(yaml.safe_dump(saving.body(message, message.frames), sort_keys=False))
    assert tuple(frames_of(spec)) == message.frames


@settings(QUICK, max_examples=10)
@given(generate.sessions(STOCK), st.sampled_from(sorted(REQUIREMENTS)))
def test_every_failure_makes_a_scenario(
    tmp_path_factory: pytest.TempPathFactory, session: generate.Session, kind: str
) -> None:
    base = tmp_path_factory.mktemp("scenarios")
    steps = session[:3]
    symptom = Symptom(kind, "it \x00 said '\ud800'", 0)
    found = sorted({trait for step in steps for trait in traits(step.message, OFFER)})
    path = base / f"{saving.slug(found, symptom)}.yaml"
    saving.write(path, saving.scenario(steps, symptom, found, ["core", "graphql", "control"]))
    (case,) = scenario.load_all(base, SPECIFICATION)
    assert case.server == "own"
    assert [step.action for step in case.steps].count("send") == len(steps)
    assert case.steps[-1].action == "alive"


def test_what_repeats_itself_is_written_as_such(tmp_path: Path) -> None:
    deep = Message(API, (Put(("args", "x"), Repeat("[", 40_000, close="]")),))
    spec = saving.body(deep, deep.frames)
    assert spec["fill"]["times"] == 40_000
    assert len(json.dumps(spec)) < 200
    assert tuple(frames_of(spec)) == deep.frames


# -- replies


def reply(*frames: bytes) -> Reply:
    return Reply(frames, envelope_kept=True, seconds=0.0)


@pytest.mark.parametrize(
    ("command", "frames", "why"),
    [
        ("api", (b'{"data": 1, "cylc_version": "8"}',), ""),
        ("api", (b'{"error": {"message": "x"}, "cylc_version": "8"}',), ""),
        ("pb_entire_workflow", (b'{"error": {"message": "x"}, "cylc_version": "8"}',), ""),
        ("pb_entire_workflow", (b"",), ""),
        ("api", (b'{"data": %s, "cylc_version": "8"}' % (b"9" * 6000),), ""),
        ("api", (b"",), "not JSON"),
        ("api", (b"", b""), "2 frames"),
        ("api", (b"\xff",), "not JSON"),
        ("api", (b"\xef\xbb\xbf{}",), "not JSON"),
        ("api", (b'{"data": NaN, "cylc_version": "8"}',), "NaN"),
        ("api", (b"[]",), "no response"),
        ("api", (b'{"data": 1}',), "no response"),
        ("api", (b'{"error": {"message": ""}, "cylc_version": "8"}',), "no response"),
        ("api", (b'{"data": 1, "error": {"message": "x"}, "cylc_version": "8"}',), "no response"),
        ("pb_entire_workflow", (b"nonsense",), "PbEntireWorkflow"),
    ],
)
def test_what_is_wrong_with_a_reply(command: str, frames: tuple[bytes, ...], why: str) -> None:
    told = wrong(reply(*frames), Message({"command": command, "args": {}}))
    assert (why in told) if why else not told


ESCAPED = b'"command": "' + b"".join(b"\\u%04x" % c for c in b"pb_data_elements") + b'"'


@pytest.mark.parametrize(
    "body",
    [
        b"{" + ESCAPED + b', "args": {"element_type": "jobs"}}',
        b"{" + ESCAPED + b', "args": {"element_type": "jobs"}, "meta": ' + b"9" * 5000 + b"}",
        b"{" + ESCAPED + b', "args": {"x": ' + b"[" * 9000 + b"]" * 9000 + b"}}",
    ],
    ids=["plain", "many-digits", "nested"],
)
def test_who_asks_in_escapes_may_get_bytes(body: bytes) -> None:
    message = Message(API, (Whole(body),))
    assert not wrong(reply(b"\x12\x00"), message)
    assert wrong(reply(b"\xff\xff nonsense"), message)


def test_who_asks_for_something_else_in_escapes_gets_no_bytes() -> None:
    message = Message(API, (Whole(b'{"command": "\\u0061pi", "args": {}}'),))
    assert wrong(reply(b"\x12\x00"), message)


def test_the_endpoints_of_an_implementation_answer_as_they_like() -> None:
    message = Message({"command": "picture", "args": {}})
    own = Offer(("api", "picture", "pb_entire_workflow")).own
    assert own == {"picture"}
    assert not wrong(reply(b"\x89PNG"), message, own)
    assert wrong(reply(b"\x89", b"PNG"), message, own)
    assert wrong(reply(b"\x89PNG"), message)


# -- what is shown


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(out: io.StringIO) -> str:
    hunt = Hunt(None, OFFER, messages=1234)  # type: ignore[arg-type]  # no server is needed
    display = Display(SPECIFICATION, out)
    display.progress(hunt, 60)
    step = generate.Step(0, Message(API, (Put(("command",), 0), Route(("a", "")))))
    trait = sorted(traits(step.message, OFFER))
    failure = Failure((step,), Symptom("dead", "it is dead", 0), tuple(trait), 1.5)
    hunt.failures.append(failure)
    hunt.unreproduced.append(Unreproduced(failure.symptom, Message(API), 2.0))
    display.failure(failure, Path("fuzz/dead.yaml"))
    display.summary(hunt, "server 1", 7, [Path("fuzz/dead.yaml")], "wri test it", cut=False)
    return out.getvalue()


def test_a_terminal_has_a_line_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = shown(Terminal())
    assert text.startswith("\r0 of 60 s, 1,234 messages (1234/s), no failures\r")
    assert "\x1b[31;1m✗ command: wrong type" in text


def test_a_file_has_plain_lines() -> None:
    text = shown(io.StringIO())
    assert "\r" not in text
    assert "\x1b" not in text
    assert "(WRI-LIM-1)" in text
    assert 'sent      {"command":0,"args":{}}  (before it: a + "")' in text
    assert "server 1, seed 7: 1,234 messages" in text
    assert "not reproduced, and so no failure: dead after 2 s: it is dead" in text
    assert "1 distinct failure\n" in text
    assert text.endswith("play them:  wri test it\n")
