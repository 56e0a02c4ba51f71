"""Wrong peers of all roles, each with one fault: every check of the suite can fail."""

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
"""The modules with faults of servers and publishers."""

PEERS = ("clients", "lookups", "subscribers", "stores")
"""Those with faults of clients, subscribers, data stores and adapters."""
