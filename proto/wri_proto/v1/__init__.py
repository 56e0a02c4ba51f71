"""Version 1 of the messages: those of cylc-flow 8."""
