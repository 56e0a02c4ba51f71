"""Faults of subscribers: what they hand on."""
