"""What every reply tells the browser: where the page may be shown, and from where it may load anything.

The policy is as tight as Gradio 6.31 allows. Beyond the page's own files it needs

- in `script-src` the inline scripts of its page, each by its hash, because they hold the configuration, and
  `'unsafe-eval'`, because the scripts of our screens reach it as text (`js_on_load`, `js=`);
- in `style-src` `'unsafe-inline'`: components style themselves with attributes and elements that they make;
- in `img-src` `data:` and `blob:`: icons inside style sheets, and photos that the Label tab loads ahead.

Handlers in attributes (`onerror=`) need none of it and are refused, and so is every other host.
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
"""Who frames the page of a Space. Not `*.hf.space`, where anybody can have a page."""
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
    """The Content-Security-Policy of a page, or of anything else: the inline scripts of `html` may run, no others.

    `ancestors`: the sites that may show it in a frame.
    """
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(html)]
    scripts = " ".join(["script-src 'self' 'unsafe-eval'", *(f"'sha256-{each}'" for each in hashes)])
    return "; ".join([*_SOURCES, scripts, " ".join(["frame-ancestors", *(ancestors or ["'none'"])])])


class Sealed:
    """A `send` that puts the headers on a reply. A page is held back until it is whole, for the hashes."""

    def __init__(self, send: Send, ancestors: Sequence[str], cookie: str = "") -> None:
        """`cookie`: goes with a page."""
        self._send = send
        self._ancestors = ancestors
        self._cookie = cookie
        self._start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        """Send it, or hold it back."""
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
    """What a cookie needs to be kept. A Space is shown in a frame of another site, where only such a cookie is."""
    if request.headers.get("x-forwarded-proto", request.url.scheme).startswith("https"):
        return "HttpOnly; SameSite=None; Secure; Partitioned"
    return "HttpOnly; SameSite=Strict"
