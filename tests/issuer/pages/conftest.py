"""A real browser and a server that shows the gallery. Module by module: Playwright keeps an event loop running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from tests.issuer.pages.gallery import app
from tests.pair.clients.browser import FLAGS
from tests.support.machine import chromium


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The gallery on a free port."""
    server = uvicorn.Server(uvicorn.Config(app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the gallery did not start"
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, origin: str) -> Iterator[Callable[..., Page]]:
    """`opened(name, **context)` shows a page of the gallery in a browser context of its own."""
    contexts = []

    def show(name: str, **context: object) -> Page:
        contexts.append(browser.new_context(base_url=origin + "/", **context))  # type: ignore[arg-type]
        page = contexts[-1].new_page()
        page.goto(name)
        return page

    yield show
    for context in contexts:
        context.close()
