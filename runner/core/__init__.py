"""WHAT FOLLOWS from specs and events: no I/O, no clock, no thread, no log, no randomness."""
