"""Faults of adapters that a check of a client or subscriber has to notice."""
