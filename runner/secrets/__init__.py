"""Secrets: looked up when they are used, never stored, and hidden by one masker wherever text leaves the house."""

from __future__ import annotations

from runner.secrets.lookup import Secrets, View
from runner.secrets.masker import MASK, Masker, MaskingStream

__all__ = ["MASK", "Masker", "MaskingStream", "Secrets", "View"]
