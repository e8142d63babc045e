"""One stage at work, and who works on it."""

from .session import Session, open_session

__all__ = ["Session", "open_session"]
