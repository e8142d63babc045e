"""HTML, style and script of the screens, as files that a browser's tools understand."""

from importlib.resources import files

PAGE = ("act.js", "outbox.js", "keys.js", "page.js")
"""What every screen that talks to the server itself begins with; all screens of a page share what it makes."""


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return (files(__name__) / name).read_text(encoding="utf-8")
