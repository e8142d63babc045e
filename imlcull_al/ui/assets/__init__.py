"""HTML, CSS and JavaScript of the screens, as separate files."""

from importlib.resources import files

PAGE = ("act.js", "outbox.js", "keys.js", "page.js")
"""Scripts that start every screen with its own JavaScript; the objects they create are shared by the whole page."""


def asset(name: str) -> str:
    """Text of an asset file."""
    return (files(__name__) / name).read_text(encoding="utf-8")
