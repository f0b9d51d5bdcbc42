"""`${{ }}`: sandboxed Jinja2 expressions, pure and bounded. shell.py keeps values out of script text."""

from runner.expressions.render import check, evaluate, names, render, render_message
from runner.expressions.scan import has_expression
from runner.expressions.shell import Lifted, lift, refuse

__all__ = [
    "Lifted",
    "check",
    "evaluate",
    "has_expression",
    "lift",
    "names",
    "refuse",
    "render",
    "render_message",
]
