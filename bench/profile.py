"""Where a request spends its time: samples of py-spy under load, counted by whose code was at work."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench import load, peers
from bench.load import Load
from bench.servers import Running

SECONDS = 8
WORKS = ("token", "refresh", "register", "page", "tool")
# The first that fits a frame's file, looked for from the innermost frame outwards: Python's own modules, which fit
# none, count for who called them.
OWNERS = (
    ("RSA signature", ("jwt/algorithms.py",)),
    ("SQLite", ("issuer/storage/",)),
    ("pages (Jinja)", ("jinja2/", "markupsafe/", "issuer/web/templates/", "issuer/web/render.py")),
    ("issuer", ("issuer/",)),
    ("resource", ("resource_server/",)),
    ("FastMCP", ("fastmcp/", "key_value/", "uncalled_for/")),
    ("MCP SDK", ("mcp/", "mcp_types/")),
    ("pydantic", ("pydantic/", "pydantic_core/")),
    ("OpenTelemetry", ("opentelemetry/", "trace/__init__.py", "_decorator.py")),
    ("FastAPI and Starlette", ("fastapi/", "starlette/")),
    ("AnyIO", ("anyio/",)),
    ("metrics", ("prometheus_client/",)),
    ("HTTP and event loop", ("uvicorn/", "asyncio/", "selectors.py", "httptools/")),
)


def owner(stack: str) -> str:
    """Whose a folded stack of py-spy is, as `function (file:line);function (file:line)`, outermost first."""
    for frame in reversed(stack.split(";")):
        file = frame.rpartition("(")[2]
        for name, beginnings in OWNERS:
            if file.startswith(beginnings):
                return name
    return "the rest"


def shares(folded: Iterable[str]) -> dict[str, float]:
    """The share of each owner in the lines of a profile, each a stack and how often it was seen."""
    counted: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rstrip().rpartition(" ")
        counted[owner(stack)] += int(count)
    total = counted.total()
    return {name: round(count / total, 3) for name, count in counted.most_common()}


def take(server: Running, work: Load, core: int) -> Mapping[str, float]:
    """The shares of a server that does this work."""
    with tempfile.NamedTemporaryFile() as found:
        options = ["-f", "raw", "-r", "250", "-d", str(SECONDS), "-o", found.name, "-p", str(server.process.pid)]
        spy = Path(peers.install_python()).with_name("py-spy")
        sampling = subprocess.Popen([str(spy), "record", *options], stdout=subprocess.DEVNULL)
        load.run(work, server.port, SECONDS + 2, core, server.process.pid)
        if sampling.wait(60):
            raise load.LoadFailed("py-spy measured nothing: it needs the right to look into other processes")
        return shares(Path(found.name).read_text().splitlines())
