"""Servers and adapters that wish the suite ill, made from a seed."""
