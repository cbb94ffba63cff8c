"""A real Chromium that acts as a person: signs in, approves, and notes what it saw.

As a command it is the "browser" that programs open: `python -m tests.pair.clients.browser URL NOTES PERSON`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright
from tests.support.machine import ROOT, chromium

PATIENCE = 60
MOST_PAGES = 4
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Browser:
    """What programs find on PATH and in BROWSER when they want a page opened; `folder` holds its notes."""

    folder: Path
    person: str = "alice"

    def environment(self) -> dict[str, str]:
        """The variables that make a program open its pages here.

        Like every browser's command this one returns at once, and acts in the background.
        """
        command = self.folder / "xdg-open"
        act = shlex.join([sys.executable, "-m", "tests.pair.clients.browser"])
        command.write_text(
            f"""#!/bin/sh
note={shlex.quote(str(self.folder))}/$$
: >"$note.opened"
cd {shlex.quote(str(ROOT))} && {act} "$1" "$note.json" {shlex.quote(self.person)} </dev/null >"$note.log" 2>&1 &
"""
        )
        command.chmod(0o755)
        return {"BROWSER": str(command), "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}

    def open(self, url: str) -> None:
        """Open one page."""
        subprocess.run([self.environment()["BROWSER"], url], check=True)

    def visits(self) -> list[dict[str, Any]]:
        """What was noted, one entry for each page that a program opened; waits for those still under way."""
        deadline = time.monotonic() + PATIENCE
        opened = sorted(self.folder.glob("*.opened"), key=lambda path: path.stat().st_mtime)
        while not all(path.with_suffix(".json").exists() for path in opened):
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(path.with_suffix(".log").read_text() for path in opened))
            time.sleep(0.05)
        return [json.loads(path.with_suffix(".json").read_text()) for path in opened]


def act(page: Page, url: str, person: str) -> dict[str, Any]:
    """Open `url`, sign in as `person` and approve, until the browser has left the issuer."""
    issuer = urlsplit(url).netloc
    problems: list[str] = []

    def at_issuer() -> bool:
        return urlsplit(page.url).netloc == issuer

    def note(problem: str) -> None:
        if at_issuer():
            problems.append(problem)

    page.on("pageerror", lambda error: note(str(error)))
    page.on("console", lambda message: note(message.text) if message.type == "error" else None)
    seen: list[str] = []
    page.goto(url)
    while at_issuer() and len(seen) < MOST_PAGES:
        seen.append(page.title())
        button = page.get_by_role("button", name=f"Continue as {person}").or_(
            page.get_by_role("button", name="Approve", exact=True)
        )
        with page.expect_navigation():
            button.click()
    return {"opened": url, "pages": seen, "ended": page.url, "problems": problems}


def main(url: str, notes: str, person: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page()
        try:
            noted = act(page, url, person)
        except Exception as error:
            noted = {"opened": url, "failed": str(error), "text": page.inner_text("body")}
        browser.close()
    partial = Path(notes).with_suffix(".part")
    partial.write_text(json.dumps(noted))
    partial.rename(notes)


if __name__ == "__main__":
    main(*sys.argv[1:4])
