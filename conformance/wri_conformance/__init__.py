"""The conformance suite of the Workflow Runtime Interface."""
