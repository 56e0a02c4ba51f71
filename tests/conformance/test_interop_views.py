"""Views of a matrix: the words and tables in the terminal, Markdown, and what the page embeds."""

import base64
import copy
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import matrices
from wri_conformance import schemas
from wri_conformance.interop import page, ranges, reading, summary, views
from wri_conformance.interop.verdicts import MISSING, SYMBOLS, WORDS, Verdict, worst
from wri_conformance.mistakes import Mistake

VERDICTS = [verdict.value for verdict in Verdict]


def sentences(rule: matrices.Rule, **more: Any) -> list[str]:
    document = matrices.document(rule, **more)
    return [str(one) for one in ranges.statements(reading.matrix(document))]


def failing(*bad: tuple[str, str], what: str = "cli/hold/task") -> matrices.Rule:
    return lambda c, s, o: "failed" if (c, s) in bad and o == what else "ok"


def mixed(client: str, server: str, identity: str) -> str | None:
    """Come to each verdict somewhere; leave something out."""
    if (client, server) == ("8.0.4", "8.1.4"):
        return None
    known = {("8.5.4", "8.0.4"): "inconclusive", ("8.5.4", "8.1.4"): "failed"}
    if identity == "cli/hold/task" and (client, server) in known:
        return known[client, server]
    if identity == "cli/hold/family" and matrices.older(server, client):
        return "refused" if server == "8.3.6" else "silently-different"
    return matrices.cylc(client, server, identity)


def test_what_the_builder_makes_is_valid() -> None:
    for rule in (matrices.cylc, mixed):
        document = matrices.document(rule, [*matrices.RELEASES, "reference"])
        assert schemas.explain(schemas.problems("interop.json", document)) == ""
    seen = {cell["verdict"] for cell in matrices.document(mixed)["cells"]}
    assert seen == set(VERDICTS)


# -- words


def test_what_does_not_work_is_said_in_ranges() -> None:
    assert sentences(matrices.cylc) == ["cylc set: clients ≥ 8.3 → servers ≤ 8.2: silently ignored"]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("8.5.4", "8.3.6")], "client 8.5 → server 8.3"),
        ([("8.5.4", "8.3.6"), ("8.5.4", "8.4.4")], "client 8.5 → servers 8.3–8.4"),
        ([("8.6.5", "8.0.4"), ("8.7.0", "8.0.4")], "clients ≥ 8.6 → server 8.0"),
        ([("8.7.0", "8.0.4"), ("8.7.0", "8.1.4")], "client 8.7 → servers ≤ 8.1"),
        ([("8.1.4", "8.7.0"), ("8.3.6", "8.7.0")], "clients 8.1, 8.3 → server 8.7"),
        (
            [("8.1.4", "8.0.4"), ("8.2.7", "8.0.4"), ("8.2.7", "8.1.4")],
            "client 8.1 → server 8.0; client 8.2 → servers ≤ 8.1",
        ),
        ([("8.7.0", name) for name in matrices.RELEASES], "client 8.7 → all servers"),
        ([(name, "8.0.4") for name in matrices.RELEASES], "all clients → server 8.0"),
    ],
)
def test_ranges(pairs: list[tuple[str, str]], words: str) -> None:
    assert sentences(failing(*pairs)) == [f"cylc hold (task): {words}: failed"]


def test_the_words_say_neither_more_nor_less_than_the_pairs() -> None:
    """Blocks of any set of pairs have these pairs, each once."""
    names = [str(number) for number in range(4)]
    every = [(a, b) for a in names for b in names]
    for bits in range(1, 1 << len(every), 7):
        pairs = frozenset(pair for place, pair in enumerate(every) if bits >> place & 1)
        listed = [(a, b) for first, second in ranges.blocks(pairs) for a in first for b in second]
        assert sorted(listed) == sorted(pairs)


def test_a_range_goes_across_those_without_the_operation_only() -> None:
    def rule(client: str, server: str, identity: str) -> str:
        if identity != "cli/hold/task" or server != "8.0.4":
            return "not-applicable" if (client, identity) == ("8.5.4", "cli/hold/task") else "ok"
        return {"8.4.4": "failed", "8.5.4": "not-applicable", "8.6.5": "failed"}.get(client, "ok")

    assert sentences(rule) == ["cylc hold (task): clients 8.4–8.6 → server 8.0: failed"]


def test_other_programs_are_named_and_in_no_range() -> None:
    names = [*matrices.RELEASES, "reference"]

    def rule(client: str, server: str, identity: str) -> str:
        wrong = client in {"8.6.5", "8.7.0", "reference"} and server == "8.0.4"
        return "failed" if wrong and identity == "api/list/endpoints" else "ok"

    assert sentences(rule, names=names) == [
        "endpoint list: clients ≥ 8.6, reference → server 8.0: failed"
    ]


def test_verdicts_and_operations_are_told_apart_and_the_worst_comes_first() -> None:
    def rule(client: str, server: str, identity: str) -> str:
        if (client, server) != ("8.7.0", "8.0.4"):
            return "ok"
        return {"cli/hold/task": "refused", "cli/set/output": "silently-different"}.get(
            identity, "ok" if identity != "cli/hold/family" else "failed"
        )

    where = "client 8.7 → server 8.0"
    assert sentences(rule) == [
        f"cylc set (output): {where}: silently different",
        f"cylc hold (family): {where}: failed",
        f"cylc hold (task): {where}: refused",
    ]


def test_the_most_common_reasons_are_given_together() -> None:
    bad = [("8.7.0", server) for server in ("8.0.4", "8.1.4", "8.2.7", "8.3.6")]
    document = matrices.document(failing(*bad))
    why = {"8.0.4": "seldom", "8.1.4": "often", "8.2.7": "often", "8.3.6": "also"}
    for cell in document["cells"]:
        if cell["verdict"] == "failed":
            cell["reason"] = why[cell["server"]]
    (one,) = ranges.statements(reading.matrix(document))
    assert one.reason == "often; or: seldom …"


def test_reasons_are_one_line_and_do_not_differ_by_numbers() -> None:
    bad = [("8.7.0", server) for server in ("8.0.4", "8.1.4", "8.2.7")]
    document = matrices.document(failing(*bad))
    for number, cell in enumerate(c for c in document["cells"] if c["verdict"] == "failed"):
        cell["reason"] = f"port 4300{number} is taken\nTraceback"
    (one,) = ranges.statements(reading.matrix(document))
    assert one.reason == "port 43000 is taken"


LIKE_THE_REAL_ONES = {
    "api/api": "the endpoint api",
    "api/pb_data_elements/tasks": "the elements of the type tasks",
    "graphql/job": "the query job",
    "graphql/jobs": "the query jobs",
    "cli/dump": "cylc dump WORKFLOW",
    "cli/dump/raw": "cylc dump --raw WORKFLOW",
    "cli/set/out": "cylc set --out=x WORKFLOW//1/a",
    "graphql/mutation/set": "the mutation set",
    "graphql/mutation/set/out": "the mutation set",
    "stream/subscription": "a subscription",
}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("cli/dump", "cylc dump (plain)"),
        ("cli/dump cli/dump/raw", "cylc dump"),
        ("cli/dump/raw cli/set/out", "cylc dump (raw), set"),
        ("cli/dump cli/dump/raw cli/set/out", "all of cylc"),
        ("graphql/job graphql/jobs", "all queries"),
        ("graphql/jobs", "query jobs"),
        ("graphql/mutation/set", "mutation set (plain)"),
        ("graphql/mutation/set graphql/mutation/set/out", "mutation set"),
        ("api/api api/pb_data_elements/tasks stream/subscription", "all endpoints, stream sub"),
    ],
)
def test_operations_have_names_for_people(chosen: str, words: str) -> None:
    def group(identity: str) -> str:
        return identity.replace("/mutation", "").split("/")[1]

    every = [
        reading.Operation(identity, group(identity), identity.split("/")[0], title)
        for identity, title in LIKE_THE_REAL_ONES.items()
    ]
    assert ranges.called(chosen.split(), every).startswith(words)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["8.3.6", "8.4.4"], ["8.3", "8.4"]),
        (["8.4.3", "8.4.4"], ["8.4.3", "8.4.4"]),
        (["8.4.4", "reference"], ["8.4", "reference"]),
    ],
)
def test_labels_are_short_and_never_ambiguous(names: list[str], labels: list[str]) -> None:
    matrix = reading.matrix(matrices.document(names=names))
    assert list(ranges.labels(matrix.implementations).values()) == labels


def test_a_checkout_counts_as_the_version_that_it_leads_to() -> None:
    checkout = matrices.implementation("work", version="8.8.0.dev0+g1234", kind="checkout")
    matrix = reading.matrix(matrices.document(names=["8.7.0", checkout]))
    assert str(matrix.implementations[1].release) == "8.8.0"
    assert list(ranges.labels(matrix.implementations).values()) == ["8.7", "8.8*"]


def test_silence_is_worse_than_a_failure_that_is_told() -> None:
    assert worst([Verdict.OK, Verdict.FAILED, Verdict.SILENTLY_IGNORED]) is (
        Verdict.SILENTLY_IGNORED
    )
    assert worst([Verdict.OK, Verdict.REFUSED]) is Verdict.REFUSED
    assert worst([Verdict.OK, Verdict.NOT_APPLICABLE]) is Verdict.OK
    assert worst([]) is Verdict.NOT_APPLICABLE


# -- the terminal


def test_nine_by_nine_fit_100_columns() -> None:
    document = matrices.document(mixed, [*matrices.RELEASES, "reference"])
    lines = views.lines(document, width=100)
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for verdict in Verdict:
        assert f"{SYMBOLS[verdict]} {WORDS[verdict]}" in text
    row = next(line for line in lines if line.startswith("8.5 "))
    assert re.split(r"\s{2,}", row)[1].startswith("≠1 ∅2 ?1"), row
    assert MISSING in next(line for line in lines if line.startswith("8.0 "))
    assert "nothing wrong: list (1), ping (1)" in text


def test_a_group_with_a_gap_is_not_said_to_be_fine() -> None:
    def rule(client: str, server: str, identity: str) -> str | None:
        gap = (client, server, identity) == ("8.1.4", "8.2.7", "cli/ping/workflow")
        return None if gap else "ok"

    lines = views.lines(matrices.document(rule))
    start = next(n for n, line in enumerate(lines) if line.startswith("ping (1)"))
    assert lines[start + 3].split() == ["8.1", "✓", "✓", MISSING, *"✓✓✓✓✓"]
    assert "✓ nothing wrong: list (1), hold (2), set (2)" in lines


def test_the_small_tables_show_each_pair_of_a_group() -> None:
    lines = views.lines(matrices.document(matrices.cylc))
    start = next(n for n, line in enumerate(lines) if line.startswith("set (2)"))
    assert lines[start + 1].split() == [".0", ".1", ".2", ".3", ".4", ".5", ".6", ".7"]
    shown = {line.split()[0]: line.split()[1:] for line in lines[start + 2 : start + 10]}
    assert shown["8.2"] == ["·"] * 8
    assert shown["8.3"] == ["∅"] * 3 + ["✓"] * 5
    assert "✓ nothing wrong: list (1), ping (1), hold (2)" in lines


def test_groups_that_look_the_same_share_a_table() -> None:
    def rule(client: str, server: str, identity: str) -> str:
        same = identity.startswith(("cli/ping", "cli/hold", "api"))
        return "failed" if same and (client, server) == ("8.7.0", "8.0.4") else "ok"

    lines = views.lines(matrices.document(rule))
    assert any(line.startswith("list +2 ") or line == "list +2" for line in lines)
    assert "list +2: ping, hold" in lines
    assert "✓ nothing wrong: set (2)" in lines


def test_the_totals_are_those_of_the_cells() -> None:
    lines = views.lines(matrices.document(matrices.cylc))
    assert lines[-1] == (
        "64 pairs, 384 cells:  · 48 not applicable  ✓ 306 ok  ∅ 30 silently ignored"
    )


def test_who_was_not_tried_in_a_role_has_no_row() -> None:
    document = matrices.document(lambda c, s, _: "ok" if c == "8.7.0" and s > "8.4" else None)
    lines = views.lines(document)
    assert "clients: 8.7.0" in lines
    assert "servers: 8.4.4, 8.5.4, 8.6.5, 8.7.0" in lines
    rows = [line for line in summary.render(document).splitlines() if line.startswith("| **")]
    assert rows == ["| **8.7** | ✓ | ✓ | ✓ | ✓ |"]


def test_colours_are_a_matter_of_the_terminal() -> None:
    document = matrices.document(matrices.cylc)
    plain = views.lines(document)
    assert "\x1b" not in "".join(plain)
    painted = views.lines(document, colour=True)
    assert "\x1b[31;1m∅" in "".join(painted)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in painted] == plain


def test_a_matrix_of_nothing() -> None:
    document = matrices.document(lambda *_: None)
    assert views.lines(document) == ["nothing was tried"]
    assert "0 cells" in summary.render(document)
    assert "__DATA__" not in page.render(document)


# -- Markdown


def test_the_summary_has_the_table_and_the_sentences() -> None:
    text = summary.render(matrices.document(matrices.cylc))
    assert "| **8.3** | ∅ 2 | ∅ 2 | ∅ 2 | ✓ | ✓ | ✓ | ✓ | ✓ |" in text
    assert "- ∅ **cylc set**: clients ≥ 8.3 → servers ≤ 8.2: silently ignored – exit" in text


def test_the_summary_escapes() -> None:
    document = matrices.document(failing(("8.0.4", "8.0.4")))
    for cell in document["cells"]:
        cell["reason"] = "<b>|*x* `y`"
    assert r"&lt;b>\|\*x\* \`y\`" in summary.render(document)


# -- the page


def embedded(text: str) -> Any:
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start : text.index("</script>", start)])


def unpacked(text: str, number: int) -> Any:
    found = re.search(rf'id="packed{number}">([A-Za-z0-9+/=]*)</script>', text)
    assert found is not None
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_the_page_has_everything_of_each_cell() -> None:
    document = matrices.document(mixed, [*matrices.RELEASES, "reference"])
    text = page.render(document)
    shown = embedded(text)
    count = 0
    for pair, cells in shown["cells"].items():
        client, server = (shown["implementations"][int(part)]["name"] for part in pair.split(","))
        for operation, verdict, reason, told in cells:
            identity = shown["operations"][operation]["id"]
            cell = next(
                one
                for one in document["cells"]
                if (one["client"], one["server"], one["operation"]) == (client, server, identity)
            )
            count += 1
            assert shown["verdicts"][verdict][0] == cell["verdict"]
            assert shown["texts"][reason] == cell["reason"]
            assert shown["texts"][told] == cell["told"]["text"]
    assert count == len(document["cells"])
    for number, operation in enumerate(document["operations"]):
        details = unpacked(text, number)
        texts = details["texts"]
        mine = [cell for cell in document["cells"] if cell["operation"] == operation["id"]]
        assert len(details["cells"]) == len(mine)
        for cell in mine:
            told, expected, found, changes, command, seconds, attempts, trace = details["cells"][
                f"{cell['client']}\n{cell['server']}"
            ]
            assert (told[0], told[1], texts[told[2]]) == (
                cell["told"]["outcome"],
                cell["told"]["status"],
                cell["told"]["text"],
            )
            assert [texts[expected], texts[found]] == [cell["expected"], cell["found"]]
            assert [texts[change] for change in changes] == cell["changes"]
            assert [command, seconds, attempts] == [
                cell["command"],
                cell["seconds"],
                cell["attempts"],
            ]
            assert [
                {"t": t, "peer": peer, "direction": way, "frames": [texts[f] for f in frames]}
                for t, peer, way, *frames in trace
            ] == cell["trace"]


def test_the_page_cannot_be_broken_by_what_a_peer_sent() -> None:
    evil = "</script><!-- <script>alert(1)</script> __PACKED__ __DATA__"
    document = matrices.document()
    document["cells"][0]["reason"] = evil
    document["cells"][0]["told"]["text"] = evil
    document["cells"][0]["trace"][0]["frames"] = [evil]
    text = page.render(document)
    assert "<!--" not in text
    assert text.count("</script>") == 2 + len(document["operations"])
    assert evil in embedded(text)["texts"]
    assert evil in unpacked(text, 0)["texts"]


def test_the_page_loads_nothing() -> None:
    text = page.render(matrices.document(mixed))
    for word in ("http://", "https://", "src=", "@import", "url(", "<link"):
        assert word not in text


def test_the_same_document_makes_the_same_page() -> None:
    document = matrices.document(mixed)
    assert page.render(document) == page.render(copy.deepcopy(document))


# -- reading


def written(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "interop.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["cells"][0].update(verdict="pass"), "'pass'|\"pass\""),
        (lambda d: d.pop("cells"), "cells"),
        (lambda d: d["cells"].append(d["cells"][0]), "twice"),
        (lambda d: d["cells"][0].update(client="9.9"), "does not list"),
        (lambda d: d["cells"][0].update(operation="cli/x"), "does not list"),
        (lambda d: d["operations"].append(d["operations"][0]), "same name"),
        (lambda d: d["implementations"].append(d["implementations"][0]), "same name"),
    ],
)
def test_what_is_no_matrix_is_told(tmp_path: Path, change: Any, words: str) -> None:
    document = matrices.document()
    change(document)
    path = written(tmp_path, document)
    with pytest.raises(Mistake, match=words) as caught:
        reading.read(path)
    assert caught.value.path == path


@pytest.mark.parametrize("text", ["", "{", "\xff", "[" * 100_000])
def test_what_is_no_json_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "interop.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Mistake):
        reading.read(path)
    with pytest.raises(Mistake):
        reading.read(tmp_path / "gone.json")
    with pytest.raises(Mistake):
        reading.read(tmp_path)


def test_of_several_matrices_the_worst_verdict_of_a_cell_counts() -> None:
    good = reading.matrix(matrices.document(names=["8.6.5", "8.7.0"]))
    bad = reading.matrix(matrices.document(failing(("8.7.0", "8.7.0")), names=["8.5.4", "8.7.0"]))
    for order in ([good, bad], [bad, good]):
        both = reading.merged(order)
        assert [one.name for one in both.implementations] == ["8.5.4", "8.6.5", "8.7.0"]
        assert both.cells["8.7.0", "8.7.0", "cli/hold/task"].verdict is Verdict.FAILED
        assert len(both.pairs) == 4 + 4 - 1
    other = matrices.document(names=[matrices.implementation("8.7.0", version="8.7.1")])
    with pytest.raises(Mistake, match=r"8\.7\.1"):
        reading.merged([good, reading.matrix(other)])


def test_where_the_page_would_be_too_large_only_what_is_well_is_shortened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = matrices.document(failing(("8.0.4", "8.0.4")), ["8.0.4", "8.1.4"])
    event = document["cells"][0]["trace"][0]
    for cell in document["cells"]:
        cell["trace"] = [{**event, "t": n, "frames": [f"{n:03}" * 100]} for n in range(30)]
    number = list(matrices.OPERATIONS).index("cli/hold/task")
    whole = unpacked(page.render(document), number)
    assert {len(cell[-1]) for cell in whole["cells"].values()} == {30}
    monkeypatch.setattr(page, "_LARGEST", 1000)
    short = unpacked(page.render(document), number)
    assert short["cells"]["8.0.4\n8.0.4"][-1][-1][3:] != []
    assert len(short["cells"]["8.0.4\n8.0.4"][-1]) == 30
    assert "007" * 100 in short["texts"]
    trace = short["cells"]["8.1.4\n8.0.4"][-1]
    assert [entry[0] for entry in trace] == [0, 1, 2, 3, 4, 26, 27, 28, 29]
    assert "22 events are left out" in short["texts"][trace[4][3]]


# -- the page in a browser


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[[Any, str], str]:
    """Return what a browser makes of a page at an address in it: the document, as HTML."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium")

    def draw(document: Any, address: str) -> str:
        path = tmp_path / "interop.html"
        path.write_text(page.render(document), encoding="utf-8")
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=10000", "--dump-dom"),
            f"file://{path}{address}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        body, _, script = done.stdout.partition('<script type="application/json" id="data">')
        assert script
        return body

    return draw


def test_a_browser_draws_the_matrix(drawn: Callable[[Any, str], str]) -> None:
    text = drawn(matrices.document(matrices.cylc, [*matrices.RELEASES, "reference"]), "")
    assert text.count('data-at="') == 81
    assert 'aria-label="client 8.5.4, server 8.2.7: 2 silently ignored, 4 ok"' in text
    assert "81 pairs, 486 cells, 36 of them not ok" in text
    assert "clients ≥ 8.3, reference → servers ≤ 8.2: silently ignored" in text
    assert "wire trace" not in text


def test_an_address_opens_a_cell_down_to_the_trace(drawn: Callable[[Any, str], str]) -> None:
    document = matrices.document(matrices.cylc)
    for cell in document["cells"]:
        frame = f"{cell['client']} to {cell['server']} by {cell['operation']} <b>"
        cell["trace"][0]["frames"] = [frame]
    text = drawn(document, "#8.5.4/8.2.7/cli/set/output")
    assert "8.5.4 to 8.2.7 by cli/set/output &lt;b&gt;" in text
    assert text.count("wire trace (") == 1, "nothing else is unpacked"
    assert "success, exit status 0" in text


def test_an_address_filters(drawn: Callable[[Any, str], str]) -> None:
    document = matrices.document(matrices.cylc)
    text = drawn(document, "#?client=8.5.4&among=g:set&verdict=silently-ignored")
    assert text.count('data-at="') == 8
    assert "3 pairs, 6 cells, 6 of them not ok" in text
    assert 'aria-label="client 8.5.4, server 8.3.6: nothing"' in text
    text = drawn(document, "#?text=nothing+changed")
    assert "15 pairs, 30 cells, 30 of them not ok" in text
