"""Security headers of every response: framing and Content-Security-Policy.

The policy is as strict as Gradio 6.31 allows. Besides 'self' it permits

- `script-src`: the page's inline scripts, by hash, since they hold the configuration, and `'unsafe-eval'`, since Gradio
  evaluates text: templates, and the imports that start our screens' modules (`js_on_load`, `js=`);
- `style-src`: `'unsafe-inline'`, since components create style attributes and elements;
- `img-src`: `data:` and `blob:`, for icons in style sheets and photos prefetched by the Label tab.

Inline event handlers (`onerror=`) and all other hosts stay blocked.
"""

import base64
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import Message, Send

NOWHERE: tuple[str, ...] = ()
SPACE = ("https://huggingface.co",)
"""Allowed to frame a Space's page. Not `*.hf.space`, where anybody can host a page."""
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SOURCES = (
    "default-src 'none'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:", "font-src 'self'",
    "connect-src 'self'", "manifest-src 'self'", "object-src 'none'", "base-uri 'self'", "form-action 'none'",
)  # fmt: skip
_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def policy(html: bytes = b"", ancestors: Sequence[str] = NOWHERE) -> str:
    """The Content-Security-Policy of a response; only the inline scripts of `html` may run.

    `ancestors`: sites that may frame it.
    """
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(html)]
    scripts = " ".join(["script-src 'self' 'unsafe-eval'", *(f"'sha256-{each}'" for each in hashes)])
    return "; ".join([*_SOURCES, scripts, " ".join(["frame-ancestors", *(ancestors or ["'none'"])])])


class Sealed:
    """An ASGI `send` that adds the headers. Buffers HTML until complete, to hash its inline scripts."""

    def __init__(self, send: Send, ancestors: Sequence[str], cookie: str = "") -> None:
        """`cookie`: Set-Cookie value for HTML pages."""
        self._send = send
        self._ancestors = ancestors
        self._cookie = cookie
        self._start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        """Send or buffer a message."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_FIXED)
            if not self._ancestors:
                headers["X-Frame-Options"] = "DENY"
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
            headers["Content-Security-Policy"] = policy(ancestors=self._ancestors)
        elif self._start:
            self._html += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(scope=self._start)
            headers["Content-Security-Policy"] = policy(self._html, self._ancestors)
            if self._cookie:
                headers.append("Set-Cookie", self._cookie)
            await self._send(self._start)
            message, self._start = {"type": "http.response.body", "body": self._html}, None
        await self._send(message)


def cookie_policy(request: HTTPConnection) -> str:
    """Cookie attributes. A Space is framed by another site, where browsers keep only SameSite=None; Secure cookies."""
    if request.headers.get("x-forwarded-proto", request.url.scheme).startswith("https"):
        return "HttpOnly; SameSite=None; Secure; Partitioned"
    return "HttpOnly; SameSite=Strict"
