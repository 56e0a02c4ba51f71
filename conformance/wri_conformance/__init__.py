"""The conformance suite of the Workflow Runtime Interface: scenarios, player, verdicts, reports."""
