"""Which client can talk to which scheduler: the matrix of all pairs, and its views."""
