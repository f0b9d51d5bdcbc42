"""Hands that run a step."""
