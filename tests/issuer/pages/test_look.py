"""Every page in a real browser, light and dark, on a phone and a desktop: pictures to look at (tests/output/pages),
nothing for axe-core to complain about, nothing blocked, nothing that sticks out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize
from tests.issuer.pages.gallery import GALLERY
from tests.support import node
from tests.support.machine import ROOT

pytestmark = pytest.mark.browser

PICTURES = ROOT / "tests" / "output" / "pages"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
STAY = "HTMLFormElement.prototype.submit = () => {}"  # so that the page that posts itself can be looked at
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Screen:
    """A page of one size and colour scheme, and what the browser said about it."""

    variant: str
    page: Page
    said: list[str]


@pytest.fixture(scope="module", params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def screen(request: pytest.FixtureRequest, browser: Browser, origin: str) -> Iterator[Screen]:
    size, scheme = request.param
    width, height = SIZES[size]
    viewport: ViewportSize = {"width": width, "height": height}
    context = browser.new_context(base_url=origin + "/", viewport=viewport, color_scheme=scheme)
    context.add_init_script(STAY)
    screen = Screen(f"{size}-{scheme}", context.new_page(), [])

    def note(message: ConsoleMessage) -> None:
        if "the server responded with a status of" not in message.text:
            screen.said.append(message.text)

    screen.page.on("console", note)
    screen.page.on("pageerror", lambda error: screen.said.append(str(error)))
    screen.page.on("dialog", lambda dialog: screen.said.append(dialog.message))
    yield screen
    context.close()


def complaints(page: Page) -> list[str]:
    """What axe-core finds: all of its rules, best practices included."""
    page.evaluate((node.modules() / "axe-core" / "axe.min.js").read_text())
    found: list[str] = page.evaluate(
        "axe.run({ resultTypes: ['violations'] }).then(results => results.violations"
        ".flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html}`)))"
    )
    return found


@pytest.mark.node
@pytest.mark.parametrize("name", GALLERY)
def test_page(name: str, screen: Screen) -> None:
    screen.said.clear()
    page = screen.page
    page.goto(name)
    page.screenshot(path=PICTURES / f"{name}.{screen.variant}.png", full_page=True)
    assert not complaints(page)
    assert not screen.said, "the browser blocked or refused something"
    assert not page.evaluate(TOO_WIDE), "something sticks out"
    assert page.locator("script").count() == (1 if name == "form_post" else 0)
    assert page.locator("img, iframe, object, link[rel=stylesheet]").count() == 0


@pytest.mark.node
def test_complaints_are_heard(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content('<title>x</title><img src="data:,"><input><p style="color: #ccc; background: #fff">pale</p>')
    assert {found.split(":")[0] for found in complaints(page)} >= {"image-alt", "label", "color-contrast", "region"}
    page.close()


@pytest.mark.parametrize("name", GALLERY)
def test_page_fits_the_narrowest_screen(name: str, opened: Callable[..., Page]) -> None:
    """WCAG 1.4.10 Reflow: 320 CSS pixels, which is also a desktop at 400 %."""
    page = opened(name, viewport={"width": 320, "height": 640}, java_script_enabled=False)
    assert not page.evaluate(TOO_WIDE)
