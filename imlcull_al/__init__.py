"""Learns which photos you would keep from few answers, and culls the rest into the next stage.

from imlcull_al import open_session
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["ImlcullError", "Session", "open_session"]


def __getattr__(name: str) -> Any:
    # looked up when first used, so that `import imlcull_al` costs nothing
    if name in ("Session", "open_session"):
        from .session import session

        return getattr(session, name)
    if name == "ImlcullError":
        from .errors import ImlcullError

        return ImlcullError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
