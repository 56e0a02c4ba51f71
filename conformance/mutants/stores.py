"""Faults of the data stores that subscribers keep."""
