"""Work on one stage: the public `Session`, its background jobs and its visitors."""

from .session import Session, open_session

__all__ = ["Session", "open_session"]
