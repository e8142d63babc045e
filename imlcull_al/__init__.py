"""Learn from a few answers which photos a person would keep, and copy the keepers to the next stage.

from imlcull_al import open_session
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["ImlcullError", "Session", "Views", "open_session"]


def __getattr__(name: str) -> Any:
    # imported lazily, so that `import imlcull_al` is fast
    if name in ("Session", "open_session"):
        from .session import session

        return getattr(session, name)
    if name == "ImlcullError":
        from .errors import ImlcullError

        return ImlcullError
    if name == "Views":
        from .photos.read import Views

        return Views
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
