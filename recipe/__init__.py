"""How the built-in encoder's weights are made: `python -m recipe` (see imlcull_al/builtin/README.md)."""
