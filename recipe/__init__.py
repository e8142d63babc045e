"""Trains the built-in encoder: `python -m recipe` (see imlcull_al/builtin/README.md)."""
