"""`wri policy`: what is promised, what is evidence, and what a person is told."""

import datetime as dt
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import frozen

from tests.conformance import matrices
from tests.conformance.conftest import Done, Wri
from wri.data import root
from wri_conformance.interop import reading
from wri_conformance.mistakes import Mistake
from wri_conformance.policy import display, promises
from wri_conformance.policy.judging import Judgement, judge
from wri_conformance.verdict import Exit

TODAY = dt.date(2026, 11, 28)
WINDOW = {"name": "the window", "window": {"newer": 4, "older": 1}}
EXCUSE = {"match": "cli/set/*", "reason": "known for a long time"}


@frozen
class Policy:
    """Makes policies in a directory, and judges."""

    base: Path

    def load(self, **more: Any) -> promises.Policy:
        path = self.base / "policy.yaml"
        path.write_text(
            yaml.safe_dump({"title": "a policy", "promises": [WINDOW], **more}), encoding="utf-8"
        )
        return promises.load(path)

    def judge(
        self,
        rule: matrices.Rule = matrices.all_ok,
        *,
        names: Any = matrices.RELEASES,
        only: tuple[str, ...] = (),
        **more: Any,
    ) -> Judgement:
        matrix = reading.matrix(matrices.document(rule, names))
        return judge(self.load(**more), matrix, TODAY, only)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(tmp_path)


def wrong(verdict: str, client: str, server: str, identity: str = "cli/hold/task") -> matrices.Rule:
    return lambda c, s, o: verdict if (c, s, o) == (client, server, identity) else "ok"


def broken(judgement: Judgement) -> set[tuple[str, str, str]]:
    return set(judgement.broken)


# -- the window


@pytest.mark.parametrize(
    ("client", "server", "inside"),
    [
        ("8.4.4", "8.4.4", True),
        ("8.4.4", "8.0.4", True),
        ("8.5.4", "8.0.4", False),
        ("8.3.6", "8.4.4", True),
        ("8.3.6", "8.5.4", False),
    ],
)
def test_what_is_wrong_in_the_window_breaks_the_promise(
    policy: Policy, client: str, server: str, inside: bool
) -> None:
    found = policy.judge(wrong("silently-ignored", client, server))
    assert broken(found) == ({(client, server, "cli/hold/task")} if inside else set())
    assert [cell.key for cell in found.outside] == (
        [] if inside else [(client, server, "cli/hold/task")]
    )
    assert found.exit is (Exit.NOT_CONFORMANT if inside else Exit.CONFORMANT)


def test_all_is_well(policy: Policy) -> None:
    found = policy.judge()
    assert found.exit is Exit.CONFORMANT
    assert found.pairs == 8 + 7 + 7 + 6 + 5 + 4, "the same, one older, one to four newer"
    assert found.judged == found.pairs * len(matrices.OPERATIONS)
    assert display.last(found) == "the promise is kept"


@pytest.mark.parametrize("verdict", ["refused", "failed", "silently-different", "inconclusive"])
def test_nothing_but_ok_is_accepted_by_default(policy: Policy, verdict: str) -> None:
    assert policy.judge(wrong(verdict, "8.5.4", "8.4.4")).exit is Exit.NOT_CONFORMANT


def test_patch_releases_of_a_minor_version_are_no_distance(policy: Policy) -> None:
    names = ["8.4.0", "8.4.4"]
    one = [{"name": "x", "window": {"newer": 0}}]
    found = policy.judge(wrong("failed", "8.4.0", "8.4.4"), names=names, promises=one)
    assert broken(found) == {("8.4.0", "8.4.4", "cli/hold/task")}


@pytest.mark.parametrize("version", ["8.8.0.dev0", "8.8.0.dev0+g12ab", "8.8rc1", "8.8.0"])
def test_a_checkout_counts_as_the_version_that_it_leads_to(policy: Policy, version: str) -> None:
    work = matrices.implementation("work", version=version, kind="checkout")
    names = ["8.3.6", "8.4.4", "8.7.0", work]

    def rule(client: str, server: str, identity: str) -> str:
        return "failed" if identity == "cli/hold/task" and client != server else "ok"

    found = policy.judge(rule, names=names)
    work_pairs = {(c, s) for c, s, _ in broken(found) if "work" in (c, s)}
    assert work_pairs == {("work", "8.7.0"), ("work", "8.4.4"), ("8.7.0", "work")}


def test_another_major_version_is_in_no_window(policy: Policy) -> None:
    found = policy.judge(wrong("failed", "9.0.0", "8.9.0"), names=["8.9.0", "9.0.0"])
    assert found.exit is Exit.CONFORMANT
    assert found.pairs == 2


def test_other_programs_are_judged_if_they_count_as_a_version(policy: Policy) -> None:
    names = ["8.6.5", "8.7.0", "reference"]
    bad = wrong("failed", "reference", "8.6.5")
    found = policy.judge(bad, names=names)
    assert found.exit is Exit.CONFORMANT
    assert found.unjudged == ("reference",)
    found = policy.judge(bad, names=names, counts_as={"reference": "8.7"})
    assert broken(found) == {("reference", "8.6.5", "cli/hold/task")}
    assert found.unjudged == ()


# -- what is promised


def test_operations_groups_and_surfaces_restrict(policy: Policy) -> None:
    def judged(**more: Any) -> set[str]:
        found = policy.judge(lambda *_: "failed", promises=[{**WINDOW, **more}])
        return {identity for _, _, identity in found.broken}

    every = set(matrices.OPERATIONS)
    assert judged() == every
    assert judged(operations="cli/hold/*") == {"cli/hold/task", "cli/hold/family"}
    assert judged(operations=["api/*", "cli/ping/*"], groups="ping") == {"cli/ping/workflow"}
    assert judged(surfaces=["api"]) == {"api/list/endpoints"}
    assert judged(not_operations=["cli/set/*"]) == every - {
        "cli/set/output",
        "cli/set/prerequisite",
    }


@pytest.mark.parametrize(
    "key", ["operations", "not_operations", "groups", "surfaces", "may_refuse"]
)
def test_what_the_matrix_does_not_have_is_no_evidence(policy: Policy, key: str) -> None:
    known = {"groups": "hold", "surfaces": "cli"}.get(key, "cli/hold/*")
    found = policy.judge(promises=[{**WINDOW, key: [known, "hald"]}])
    assert found.exit is Exit.NOT_CONFORMANT
    assert len(found.lacking) == 1
    assert "hald" in found.lacking[0]


def test_a_refusal_is_accepted_where_it_is_allowed(policy: Policy) -> None:
    bad = wrong("refused", "8.5.4", "8.4.4")
    assert policy.judge(bad).exit is Exit.NOT_CONFORMANT
    may = {**WINDOW, "may_refuse": "cli/hold/*"}
    assert policy.judge(bad, promises=[may]).exit is Exit.CONFORMANT
    assert policy.judge(bad, promises=[{**WINDOW, "may_refuse": "cli/set/*"}]).exit == 1
    accept = {**WINDOW, "accept": ["ok", "refused"]}
    assert policy.judge(bad, promises=[accept]).exit is Exit.CONFORMANT
    worse = wrong("failed", "8.5.4", "8.4.4")
    assert policy.judge(worse, promises=[{**accept, **may}]).exit is Exit.NOT_CONFORMANT


def test_each_promise_is_to_be_kept(policy: Policy) -> None:
    both = [
        {"name": "strict", "window": {"newer": 0}},
        {**WINDOW, "accept": ["ok", "refused"]},
    ]
    assert policy.judge(wrong("refused", "8.5.4", "8.5.4"), promises=both).exit == 1
    assert policy.judge(wrong("refused", "8.5.4", "8.4.4"), promises=both).exit == 0


@pytest.mark.parametrize(
    ("clients", "covered"),
    [
        (">=8.5", True),
        (">8.5", False),
        ("<=8.5", True),
        ("<8.5", False),
        ("==8.5", True),
        ("==8.5.*", True),
        ("!=8.5", False),
        ("8.5", True),
        ("8.5.4", True),
        ("8.5.3", False),
        (">8.5.3", True),
        ("~=8.4", True),
        (">=8.1,<8.5.4", False),
        ("8.5.4*", True),
        ("reference", False),
    ],
)
def test_a_minor_version_in_a_range_is_all_of_it(
    policy: Policy, clients: str, covered: bool
) -> None:
    bad = wrong("failed", "8.5.4", "8.4.4")
    more = [{**WINDOW, "clients": clients}, {"name": "x", "window": {"newer": 0}}]
    assert bool(policy.judge(bad, promises=more).broken) is covered


# -- no evidence is no pass


def without(*keys: tuple[str, str, str]) -> matrices.Rule:
    return lambda *key: None if key in keys else "ok"


def test_a_promised_cell_that_was_not_tried_fails(policy: Policy) -> None:
    key = ("8.5.4", "8.4.4", "cli/hold/task")
    found = policy.judge(without(key))
    assert found.missing == {key}
    assert found.exit is Exit.NOT_CONFORMANT
    assert policy.judge(without(("8.5.4", "8.0.4", "cli/hold/task"))).exit is Exit.CONFORMANT
    rest = [{**WINDOW, "not_operations": "cli/hold/task"}]
    assert policy.judge(without(key), promises=rest).exit is Exit.CONFORMANT


def test_a_promised_pair_that_was_not_tried_fails(policy: Policy) -> None:
    gap = without(*(("8.5.4", "8.4.4", identity) for identity in matrices.OPERATIONS))
    found = policy.judge(gap)
    assert found.untried == {("8.5.4", "8.4.4")}
    assert found.exit is Exit.NOT_CONFORMANT
    told = display.evidence(reading.matrix(matrices.document(gap)), found)
    assert told == ["client 8.5 → server 8.4: these pairs are not in the matrix"]


def test_releases_have_to_be_in_the_matrix(policy: Policy) -> None:
    names = ["8.5.4", "8.6.5"]
    assert policy.judge(names=names).exit is Exit.CONFORMANT
    assert policy.judge(names=names, releases=["8.5", "8.6"]).exit is Exit.CONFORMANT
    found = policy.judge(names=names, releases=["8.4", "8.5", "8.6"])
    assert found.exit is Exit.NOT_CONFORMANT
    assert found.lacking == (
        "promised as a client, and not in the matrix: 8.4",
        "promised as a server, and not in the matrix: 8.4",
    )
    assert display.last(found) == (
        "there is no evidence that the promise is kept; 2 gaps in the evidence"
    )


def test_releases_have_to_be_there_in_the_role_that_is_promised(policy: Policy) -> None:
    server = matrices.implementation("8.4.4", roles=["server"])
    found = policy.judge(names=[server, "8.5.4"], releases=["8.4", "8.5"])
    assert found.lacking == ("promised as a client, and not in the matrix: 8.4",)
    newer = [{"name": "newer", "window": {"newer": 4}, "clients": ">=8.5"}]
    found = policy.judge(names=[server, "8.5.4"], releases=["8.4", "8.5"], promises=newer)
    assert found.exit is Exit.CONFORMANT


def test_inconclusive_is_no_pass_and_no_exception_excuses_it_unasked(policy: Policy) -> None:
    bad = wrong("inconclusive", "8.5.4", "8.4.4", "cli/set/output")
    assert policy.judge(bad).undecided == {("8.5.4", "8.4.4", "cli/set/output")}
    assert policy.judge(bad, exceptions=[EXCUSE]).exit is Exit.NOT_CONFORMANT
    asked = {**EXCUSE, "verdicts": ["inconclusive"]}
    assert policy.judge(bad, exceptions=[asked]).exit is Exit.CONFORMANT


def test_what_does_not_apply_is_no_evidence_of_anything(policy: Policy) -> None:
    old = policy.judge(matrices.cylc, promises=[{"name": "x", "window": {"newer": 0}}])
    assert old.exit is Exit.CONFORMANT, "a client that has no such command breaks nothing"
    assert old.judged == 8 * 6 - 3 * 2

    def nothing(client: str, server: str, identity: str) -> str:
        return "not-applicable" if client == "8.5.4" else "ok"

    found = policy.judge(nothing)
    assert found.exit is Exit.NOT_CONFORMANT
    assert "nothing applies between client 8.5.4 and server 8.4.4" in found.lacking

    def here(client: str, server: str, identity: str) -> str:
        return "not-applicable" if (client, server) == ("8.5.4", "8.4.4") else "ok"

    assert len(policy.judge(here).undecided) == 6, "elsewhere the client has them"


def test_nothing_judged_is_no_pass(policy: Policy) -> None:
    for names in ([], ["reference"]):
        found = policy.judge(names=names)
        assert found.exit is Exit.NOTHING
        assert display.last(found).startswith("nothing was judged")
    assert policy.judge(lambda *_: "not-applicable").exit is Exit.NOTHING
    assert policy.judge(lambda *_: None).exit is Exit.NOTHING
    unused = [WINDOW, {**WINDOW, "name": "later", "clients": ">=9"}]
    found = policy.judge(promises=unused)
    assert found.exit is Exit.NOT_CONFORMANT
    assert found.lacking == ("nothing of the promise 'later' could be judged",)


# -- only


def test_only_pairs_of_something_are_judged(policy: Policy) -> None:
    work = matrices.implementation("work", version="8.8.0.dev0", kind="checkout")
    names: list[Any] = ["8.6.5", "8.7.0", work]
    old = wrong("silently-ignored", "8.7.0", "8.6.5")
    assert policy.judge(old, names=names).exit is Exit.NOT_CONFORMANT
    for only in ("work", "checkout", "w*"):
        found = policy.judge(old, names=names, only=(only,))
        assert (found.exit, found.outside) == (Exit.CONFORMANT, ())
        assert found.pairs == 1 + 2 + 1
        matrix = reading.matrix(matrices.document(old, names))
        of_the_policy = judge(policy.load(only=only), matrix, TODAY)
        assert (of_the_policy.pairs, of_the_policy.exit) == (found.pairs, Exit.CONFORMANT)
        new = wrong("failed", "work", "8.6.5")
        assert policy.judge(new, names=names, only=(only,)).exit is Exit.NOT_CONFORMANT
    gap = without(*(("8.7.0", "8.6.5", identity) for identity in matrices.OPERATIONS))
    assert policy.judge(gap, names=names, only=("checkout",)).exit is Exit.CONFORMANT
    gap = without(*(("work", "8.6.5", identity) for identity in matrices.OPERATIONS))
    assert policy.judge(gap, names=names, only=("checkout",)).exit is Exit.NOT_CONFORMANT


def test_only_something_that_is_not_there_is_no_pass(policy: Policy) -> None:
    found = policy.judge(only=("checkout",))
    assert found.exit is Exit.NOTHING
    assert "checkout is to be judged, and is not in the matrix" in found.lacking
    found = policy.judge(only=("8.5.4", "8.9.9"))
    assert found.exit is Exit.NOT_CONFORMANT


def test_releases_are_looked_for_as_partners_of_what_is_judged(policy: Policy) -> None:
    work = matrices.implementation("work", version="8.8.0.dev0", kind="checkout")
    names: list[Any] = ["8.6.5", "8.7.0", work]
    releases = ["8.0", "8.3", "8.4", "8.5", "8.6", "8.7"]
    found = policy.judge(names=names, only=("checkout",), releases=releases)
    assert found.lacking == ("promised as a server, and not in the matrix: 8.4, 8.5",)


# -- exceptions


def test_an_exception_excuses_what_it_says_and_no_more(policy: Policy) -> None:
    inside = [(c, s) for c in matrices.RELEASES for s in matrices.RELEASES if s < "8.3" <= c]
    found = policy.judge(matrices.cylc)
    assert {(c, s) for c, s, _ in found.broken} == {
        (c, s) for c, s in inside if int(c[2]) - int(s[2]) <= 4
    }
    all_of_it = {**EXCUSE, "clients": ">=8.3", "servers": "<8.3"}
    found = policy.judge(matrices.cylc, exceptions=[all_of_it])
    assert found.exit is Exit.CONFORMANT
    ((excuse, count),) = found.excuses.values()
    assert (excuse.reason, count) == (EXCUSE["reason"], 2 * (3 + 3 + 2 + 1))
    for less in (
        {"clients": ">=8.4"},
        {"servers": "<8.2"},
        {"match": "cli/set/output"},
        {"verdicts": ["failed", "refused"]},
    ):
        assert policy.judge(matrices.cylc, exceptions=[{**all_of_it, **less}]).exit == 1


@pytest.mark.parametrize(
    ("excuse", "words"),
    [
        ({"match": "cli/set/*"}, "excuses what does not fail"),
        ({"match": "cli/hald/*"}, "matches no operation"),
        ({"match": ["cli/hold/task", "cli/ping/*"]}, "cli/ping/* (line 2) excuses what does not"),
        ({"match": "cli/hold/task", "servers": "8.3"}, "excuses what does not fail"),
        ({"match": "cli/hold/task", "clients": ">=9"}, "excuses what is not promised"),
        ({"match": "cli/hold/task", "verdicts": ["refused"]}, "excuses what does not fail"),
    ],
)
def test_a_stale_exception_fails(policy: Policy, excuse: Any, words: str) -> None:
    needed = {**EXCUSE, "match": "cli/hold/*"}
    bad = wrong("failed", "8.5.4", "8.4.4")
    assert policy.judge(bad, exceptions=[needed]).exit is Exit.CONFORMANT
    found = policy.judge(bad, exceptions=[{**EXCUSE, **excuse}, needed])
    assert found.exit is Exit.NOT_CONFORMANT
    (told,) = found.stale
    assert words in told
    assert display.last(found) == "the policy is out of date; 1 stale exception"


def test_an_exception_is_not_stale_by_what_was_not_judged(policy: Policy) -> None:
    work = matrices.implementation("work", version="8.8.0.dev0", kind="checkout")
    names: list[Any] = ["8.6.5", "8.7.0", work]
    old = {**EXCUSE, "match": "cli/hold/*", "clients": "8.7.0", "servers": "8.6.5"}
    found = policy.judge(names=names, only=("checkout",), exceptions=[old])
    assert (found.exit, found.stale) == (Exit.CONFORMANT, ())
    gap = without(("8.7.0", "8.6.5", "cli/hold/task"))
    found = policy.judge(gap, names=names, exceptions=[{**old, "match": "cli/hold/task"}])
    assert found.stale == ()
    assert found.exit is Exit.NOT_CONFORMANT


def test_an_exception_expires(policy: Policy) -> None:
    bad = wrong("failed", "8.5.4", "8.4.4")
    excuse = {**EXCUSE, "match": "cli/hold/task"}
    late = policy.judge(bad, exceptions=[{**excuse, "expires": "2026-11-28"}])
    assert late.exit is Exit.NOT_CONFORMANT
    assert [count for _, count in late.expired.values()] == [1]
    early = policy.judge(bad, exceptions=[{**excuse, "expires": "2026-11-29"}])
    assert early.exit is Exit.CONFORMANT


# -- mistakes

GOOD = """\
title: a policy
releases: ["8.6"]
counts_as:
  reference: "8.7"
promises:
  - name: all of it
    window: {newer: 4}
    clients: ">=8.3"
    accept: [ok]
exceptions:
  - match: cli/set/*
    reason: known for a long time
    expires: "2027-01-01"
"""


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("title:", "titel:", 1, ["titel", "title"]),
        ('["8.6"]', "[8.6]", 2, ["8.6", "quotes"]),
        ('["8.6"]', '["8.6.5"]', 2, ["8.6.5"]),
        ('"8.7"', '"8.x"', 4, ["8.x", "8.7.0"]),
        ("window:", "windows:", 7, ["windows", "window"]),
        ("newer: 4", "newer: -1", 7, ["-1"]),
        ('">=8.3"', '">=8.x"', 8, [">=8.x", ">=8.1,<8.4"]),
        ("[ok]", "[ok, silently-ignored]", 9, ["silently-ignored", "refused"]),
        ("    reason: known for a long time\n", "", 11, ["reason"]),
        ("2027-01-01", "2027-13-01", 13, ["2027-13-01", "YYYY-MM-DD"]),
        ("match: cli", "match: cli\n    match: cli", 12, ["second time"]),
    ],
)
def test_a_mistake_is_told_with_its_line_and_fix(
    tmp_path: Path, before: str, after: str, line: int, words: list[str]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD, encoding="utf-8")
    promises.load(path)
    assert before in GOOD
    path.write_text(GOOD.replace(before, after), encoding="utf-8")
    with pytest.raises(Mistake) as caught:
        promises.load(path)
    assert caught.value.path == path
    assert caught.value.line == line, caught.value
    for word in words:
        assert word in str(caught.value)


# -- what comes with wri


def test_the_policy_of_cylc_says_what_the_project_says() -> None:
    policy = promises.load(promises.find("cylc"))
    same, window = policy.promises
    assert (same.newer, same.older, set(same.accept)) == (0, 0, {"ok"})
    assert (window.newer, window.older, set(window.accept)) == (4, 1, {"ok", "refused"})
    assert policy.releases == tuple(f"8.{minor}" for minor in range(8))


# -- the command line


@pytest.fixture
def judged(wri: Wri) -> Callable[..., Done]:
    def run(*arguments: str, rule: matrices.Rule = matrices.all_ok, **more: Any) -> Done:
        document = matrices.document(rule, **more)
        (wri.base / "interop.json").write_text(json.dumps(document), encoding="utf-8")
        done = wri("policy", *arguments, "--matrix", "interop.json")
        assert "Traceback (most" not in done.err
        assert "\x1b" not in done.out
        return done

    return run


def test_a_promise_that_is_kept(judged: Callable[..., Done]) -> None:
    done = judged()
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "the promise is kept"
    assert "37 promised pairs of 64 in the matrix" in done.out


def test_a_promise_that_is_broken(judged: Callable[..., Done], wri: Wri) -> None:
    done = judged("cylc", "--markdown", "judgement.md", rule=matrices.cylc)
    assert (done.status, done.err) == (1, "")
    assert max(map(len, done.out.splitlines())) <= 100
    text = " ".join(done.out.split())
    assert (
        "∅ cylc set: clients 8.3–8.4 → servers ≤ 8.2; client 8.5 → servers 8.1–8.2; client 8.6 → "
        "server 8.2: silently ignored exit status 0 and nothing changed"
    ) in text
    assert (
        "silent failures where nothing is promised ∅ cylc set: client 8.5 → server 8.0; client "
        "8.6 → servers ≤ 8.1; client 8.7 → servers ≤ 8.2: silently ignored"
    ) in text
    assert done.out.splitlines()[-1] == "the promise is broken; 18 cells break it (18 silently)"
    page = (wri.base / "judgement.md").read_text(encoding="utf-8")
    assert page.startswith("## ❌ the promise is broken; 18 cells break it (18 silently)\n")
    assert "### Silent failures where nothing is promised" in page


def test_ranges_are_those_of_the_whole_matrix(judged: Callable[..., Done]) -> None:
    done = judged(rule=wrong("failed", "8.5.4", "8.4.4"))
    assert "  ✗ cylc hold (task): client 8.5 → server 8.4: failed\n" in done.out
    done = judged(rule=wrong("silently-different", "8.7.0", "8.0.4"))
    assert "≠ cylc hold (task): client 8.7 → server 8.0: silently different\n" in done.out
    done = judged(rule=without(("8.5.4", "8.4.4", "cli/hold/task")))
    assert "□ cylc hold (task): client 8.5 → server 8.4: not tried\n" in done.out


def test_a_matrix_of_too_little_is_no_pass(judged: Callable[..., Done]) -> None:
    done = judged(names=["8.6.5", "8.7.0"])
    assert done.status == 1
    assert (
        "□ promised as a server, and not in the matrix: 8.0, 8.1, 8.2, 8.3, 8.4, 8.5\n" in done.out
    )
    done = judged("--only", "8.7.0", names=["8.6.5", "8.7.0"])
    assert done.status == 1
    assert "□ promised as a server, and not in the matrix: 8.3, 8.4, 8.5\n" in done.out
    done = judged(names=["reference"])
    assert done.status == 5
    assert done.out.splitlines()[-1].startswith("nothing was judged: no verdict")


def test_several_matrices_are_judged_as_one(judged: Callable[..., Done], wri: Wri) -> None:
    work = matrices.implementation("work", version="8.8.0.dev0", kind="checkout")
    old = [f"8.{minor}.0" for minor in range(4, 8)]
    halves: dict[str, list[Any]] = {
        "new.json": [{**work, "roles": ["client"]}, *old],
        "old.json": [work, "8.7.0"],
    }
    for name, names in halves.items():
        document = matrices.document(names=names)
        (wri.base / name).write_text(json.dumps(document), encoding="utf-8")
    done = wri("policy", "--only", "checkout", "--matrix", "new.json", "--matrix", "old.json")
    assert (done.status, done.err) == (0, ""), done.out
    assert wri("policy", "--only", "checkout", "--matrix", "old.json").status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.yaml"], ["there is no policy 'gone.yaml'", "cylc"]),
        (["interop.json"], ["interop.json: a policy is a YAML file", "--matrix"]),
        (["--matrix", "gone.json"], ["gone.json", "wri interop"]),
        (["bad.yaml"], ["bad.yaml:2: unknown key 'promise'", "fix: use one of"]),
        (["--matrix", "bad.json"], ["bad.json", "cells"]),
        (["--markdown", "gone/x.md"], ["gone/x.md cannot be written"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_bad_usage_is_status_4(
    judged: Callable[..., Done], wri: Wri, arguments: list[str], words: list[str]
) -> None:
    (wri.base / "bad.yaml").write_text("title: x\npromise: []\n", encoding="utf-8")
    (wri.base / "bad.json").write_text('{"format": 1}', encoding="utf-8")
    done = judged(*arguments)
    assert done.status == 4
    for word in words:
        assert word in done.err


def test_the_matrix_is_where_wri_interop_puts_it(wri: Wri) -> None:
    done = wri("policy")
    assert done.status == 4
    assert "wri-results/interop/interop.json: there is no such file" in done.err


# -- the guide


GUIDE = (root() / "conformance" / "POLICY.md").read_text(encoding="utf-8")
WORKFLOW = root() / "conformance" / "policies" / "github-actions.yml"


def test_the_policy_of_the_guide_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    path = tmp_path / "policy.yaml"
    path.write_text(example, encoding="utf-8")
    policy = promises.load(path)
    assert [promise.newer for promise in policy.promises] == [0, 4]
    assert policy.exceptions[0].expires == dt.date(2027, 6, 1)


def test_every_key_is_explained() -> None:
    schema = json.loads((root() / "schemas" / "policy.json").read_bytes())
    keys = [
        *schema["properties"],
        *schema["$defs"]["promise"]["properties"],
        *schema["$defs"]["exception"]["properties"],
    ]
    for key in keys:
        assert f"`{key}`" in GUIDE or f"\n{key}:" in GUIDE or f" {key}:" in GUIDE, key


def test_the_workflow_file_uses_what_there_is(wri: Wri) -> None:
    document = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    steps = document["jobs"]["interoperation"]["steps"]
    commands = [
        shlex.split(line)
        for step in steps
        for line in step.get("run", "").splitlines()
        if line.startswith("wri ")
    ]
    assert [command[1] for command in commands] == [
        *("fetch", "interop", "interop", "policy", "diff"),
    ]
    told = wri("policy", "--help").out
    for word in commands[3]:
        if word.startswith("--"):
            assert word in told
    minors = [version.rpartition(".")[0] for version in document["env"]["SERVERS"].split()]
    assert minors == [f"8.{minor}" for minor in range(4, 8)], "four before a checkout of 8.8"
