"""`${{ }}`: sandboxed Jinja2 expressions, pure and bounded. shell.py keeps values out of script text."""

from __future__ import annotations

from runner.expressions.compared import compared, truths
from runner.expressions.filters import Raw, as_text
from runner.expressions.judge import check_command
from runner.expressions.render import check, evaluate, names, render, render_message
from runner.expressions.sandbox import FUNCTIONS
from runner.expressions.scan import Part, has_expression, parts
from runner.expressions.shell import Lifted, lift, refuse, without_comments

__all__ = [
    "FUNCTIONS",
    "Lifted",
    "Part",
    "Raw",
    "as_text",
    "check",
    "check_command",
    "compared",
    "evaluate",
    "has_expression",
    "lift",
    "names",
    "parts",
    "refuse",
    "render",
    "render_message",
    "truths",
    "without_comments",
]
