"""What a person sees of replays: a table of streams and stores, and what went wrong in words."""

from collections.abc import Sequence
from typing import Final

from wri_conformance.interop.text import paint, wrapped
from wri_conformance.replaying.outcome import Outcome

_RED: Final = "31"
_GREEN: Final = "32"
_MOST: Final = 3  # examples of differences


def lines(outcomes: Sequence[Outcome], *, width: int, colour: bool) -> list[str]:
    """Return the table and what follows it, for a terminal of `width` columns."""
    streams = list(dict.fromkeys(one.stream for one in outcomes))
    stores = list(dict.fromkeys(one.store for one in outcomes))
    by = {(one.stream, one.store): one for one in outcomes}
    first = max(len("stream"), *map(len, streams))
    columns = {
        store: max(len(store), *(len(cell(by[stream, store])) for stream in streams))
        for store in stores
    }
    head = "  ".join([f"{'stream':<{first}}", *(f"{s:<{w}}" for s, w in columns.items())])
    text = [paint(head.rstrip(), "1", colour=colour)]
    for stream in streams:
        row = [f"{stream:<{first}}"]
        for store, wide in columns.items():
            one = by[stream, store]
            style = _GREEN if one.equal else _RED
            row.append(paint(f"{cell(one):<{wide}}", style, colour=colour))
        text.append("  ".join(row).rstrip())
    bad = [one for one in outcomes if not one.equal]
    if bad:
        text += ["", "! exceptions, # wrong checksums, ≠ differences from the last snapshot"]
    for one in bad:
        text += ["", *_bad(one, width, colour=colour)]
    good = len(outcomes) - len(bad)
    last = f"{good} of {len(outcomes)} replays: every checksum right, equal to the last snapshot"
    return [*text, "", paint(last, _RED if bad else _GREEN, colour=colour)]


def cell(one: Outcome) -> str:
    """Return what a replay came to: how many checksums were right, or what went wrong."""
    if one.equal:
        return f"✓ {one.right}"
    counts = (
        (len(one.exceptions), "!"),
        (len(one.wrong), "#"),
        (sum(one.kinds.values()), "≠"),
    )
    return " ".join(["✗", *(f"{number}{sign}" for number, sign in counts if number)])


def _bad(one: Outcome, width: int, *, colour: bool) -> list[str]:
    title = f"stream of {one.stream}, store of {one.store}: {one.deltas} deltas"
    rows = [f"{count} × {what}" for what, count in one.raised().items()]
    if one.wrong:
        topics = dict.fromkeys(text.partition(",")[0] for text in one.wrong)
        every = one.right + len(one.wrong)
        rows.append(f"{len(one.wrong)} of {every} checksums are wrong: {', '.join(topics)}")
    rows += [f"{count} × {kind}" for kind, count in one.kinds.items()]
    rows += [f"such as: {text}" for text in one.differences[:_MOST]]
    text = [paint(title, "1", colour=colour)]
    for row in rows:
        begin, *rest = wrapped(row, width - 4)
        text += [f"  {begin}", *(f"    {more}" for more in rest)]
    return text
