"""The reference implementation of the Workflow Runtime Interface."""
