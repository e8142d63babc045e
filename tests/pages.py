"""What the browser tests of one worker share, as each is expensive to start: running pages, and tabs of one Chromium.

A page goes on running and gets another desk; a tab stays open, since Chromium loads Gradio's scripts there in a third
of the time, and is emptied before the next test gets it.
"""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Error

from imlcull_al import ui
from imlcull_al.session.desk import Desk
from imlcull_al.session.workspaces import Workspaces


def start(place: Desk | Workspaces, auth: str | None = None, **options: Any) -> Any:
    """Serve a page on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return ui.serve(place, "127.0.0.1", port, auth, **options)


def close(page: Any) -> None:
    """Close it now: uvicorn would wait for streams and unfinished uploads, and Gradio five seconds for uvicorn."""
    page.server.force_exit = True
    page.close(verbose=False)


class Shared:
    """A running page whose desk is replaced."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ui, "_finder", lambda place: lambda request: self._desk)
            self.page = start(desk)

    def show(self, desk: Desk) -> None:
        self._desk = desk
        desk.watch()  # as `ui.serve` does


class Pages:
    """Serves desks and workspaces. A desk gets a shared page, unless it asks to be alone, for a password or options."""

    def __init__(self) -> None:
        self._free: list[Shared] = []

    @contextmanager
    def serving(
        self, place: Desk | Workspaces, auth: str | None = None, *, alone: bool = False, **options: Any
    ) -> Iterator[str]:
        """The address of the page of this place, which is closed afterwards."""
        if isinstance(place, Desk) and not (alone or auth or options):
            shared = self._taken(place)
            yield shared.page.local_url
            self._free.append(shared)
        else:
            page = start(place, auth, **options)
            yield page.local_url
            close(page)
        if isinstance(place, Desk):
            place.jobs.close()
            place.jobs.wait(20)
        else:
            place.close()

    def _taken(self, desk: Desk) -> Shared:
        if not self._free:
            return Shared(desk)
        shared = self._free.pop()
        shared.show(desk)
        return shared

    def close(self) -> None:
        for shared in self._free:
            close(shared.page)


class Window:
    """A browser context with one tab."""

    address = ""
    """Where the present visit began."""

    def __init__(self, browser: Any, options: dict[str, Any]) -> None:
        self.options = options
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(15_000)
        self._listeners: list[tuple[str, Any]] = []
        add = self.tab.on

        def on(event: str, listener: Any) -> None:
            self._listeners.append((event, listener))
            add(event, listener)

        self.tab.on = on

    def clear(self) -> None:
        """Leave nothing of the visit: pages, listeners, routes, cookies, storage."""
        for event, listener in self._listeners:
            self.tab.remove_listener(event, listener)
        self._listeners.clear()
        for page in self.context.pages:
            if page != self.tab:
                page.close()
        self.tab.unroute_all()
        self.context.unroute_all()
        self.context.set_offline(False)
        self.tab.goto(f"{self.address}robots.txt")  # a page of the same origin without scripts
        self.tab.evaluate("sessionStorage.clear(); localStorage.clear()")
        self.tab.mouse.move(0, 0)
        self.context.clear_cookies()


class Windows:
    """Windows of one Chromium. Each is used by one visit at a time, so two visits of a test are two browsers."""

    def __init__(self, browser: Any) -> None:
        """In the thread in which Playwright was started."""
        self.browser = browser
        self._loop = asyncio.get_running_loop()
        self._free: defaultdict[str, list[Window]] = defaultdict(list)

    def wake(self) -> None:
        """Mark Playwright's event loop as the running one of this thread, as Playwright expects."""
        asyncio._set_running_loop(self._loop)

    def sleep(self) -> None:
        """Mark no loop as running, so that other tests can run theirs."""
        asyncio._set_running_loop(None)

    def take(self, address: str, **options: Any) -> Window:
        """A window for a visit to this address. Options as of Playwright's `new_context`."""
        looks = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
        looks |= {name: options.pop(name) for name in looks if name in options}
        free = self._free[repr(options)]
        window = free.pop() if free else Window(self.browser, options)
        window.address = address
        window.tab.set_viewport_size(looks["viewport"])
        window.tab.emulate_media(color_scheme=looks["color_scheme"])
        return window

    def give_back(self, window: Window, *, is_usable: bool) -> None:
        """End a visit. After a failure nobody else gets the window, nor while its page is reloading itself."""
        with suppress(Error):
            if is_usable:
                window.clear()
                self._free[repr(window.options)].append(window)
                return
        window.context.close()
