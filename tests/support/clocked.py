"""The issuer with a clock that tests can move: the file named by CLOCK holds the seconds to add to the true time."""

from __future__ import annotations

import os
import time
from pathlib import Path

from issuer import app, log, settings, wire
from issuer.storage import schema

shift = Path(os.environ["CLOCK"])


def now() -> int:
    return int(time.time()) + int(shift.read_text() or "0")


def main() -> None:
    loaded = settings.load()
    log.configure(loaded.ISSUER_LOG_LEVEL, loaded.ISSUER_LOG_FORMAT)
    schema.upgrade(loaded.ISSUER_DATABASE)
    wire.serve(
        app.create_app(loaded, now),
        wire.listen(loaded.ISSUER_HOST, loaded.ISSUER_PORT),
        drain=loaded.ISSUER_DRAIN_SECONDS,
    )


if __name__ == "__main__":
    main()
