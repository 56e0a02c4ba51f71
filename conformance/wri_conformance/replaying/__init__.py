"""Recorded streams of deltas, and the stores into which they are replayed."""
