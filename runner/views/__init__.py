"""Tables and documents for people: pure functions from records to rows and to JSON.

Each view has `document(...)`, the JSON of `--json` without its `version`, and `table(...)`, what a terminal
shows. Nothing here asks for the time, reads a file or knows a terminal: those are arguments.
"""
