"""HTML, style and script of the screens, as files that a browser's tools understand."""

from importlib.resources import files


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return (files(__name__) / name).read_text(encoding="utf-8")
