"""`wri fuzz`: damaged messages without end, and what an implementation makes of them."""
