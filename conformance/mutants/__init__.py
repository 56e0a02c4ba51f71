"""Wrong servers, each with one fault, which prove that every check of the suite can fail."""

SUBJECTS = (
    "messages",
    "endpoints",
    "hostile",
    "framing",
    "discovery",
    "keys",
    "handshake",
    "publication",
    "lifecycle",
    "limits",
    "commands",
    "globs",
    "deltas",
    "snapshots",
    "queries",
    "documents",
)
"""The modules with faults."""
