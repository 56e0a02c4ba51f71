"""What differs on the wire between two implementations: observed, then compared."""
