"""HTML, CSS and JavaScript of the screens, as separate files.

The JavaScript is ES modules (see `ui/scripts.py`). `page.js` holds what the screens share; `label.js`, `review.js` and
`visitors.js` each start one, with modules of the same prefix. Modules in `logic/` know nothing of the page, so Node can
test them (tests/js).
"""

from importlib.resources import files


def asset(name: str) -> str:
    """Text of an asset file."""
    return (files(__name__) / name).read_text(encoding="utf-8")
