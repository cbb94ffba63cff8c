"""What the Python drivers share: arguments, the work done once connected, one JSON line as the answer."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Connected(Protocol):
    """What both Python clients offer once they are connected."""

    async def list_tools(self) -> Any: ...
    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any: ...


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="the MCP endpoint")
    parser.add_argument("--transport", choices=["http", "sse"], default="http")
    parser.add_argument("--era", choices=["auto", "legacy"], default="auto")
    parser.add_argument("--token", help="a bearer token, or")
    parser.add_argument("--store", help="where OAuth credentials are kept between starts")
    parser.add_argument("--document", help="the https URL of a client ID metadata document, instead of registering")
    parser.add_argument("--idle", type=float, help="seconds to wait before `whoami` is called once more")
    parser.add_argument("--remember", help="a note to keep and to read, which takes more scope each time")
    return parser.parse_args()


async def use_tools(client: Connected, idle: float | None = None, note: str | None = None) -> dict[str, Any]:
    """Lists the tools and calls each."""

    async def call(name: str, /, **arguments: Any) -> Any:
        result = await client.call_tool(name, arguments)
        if getattr(result, "is_error", False):
            raise RuntimeError(result.content[0].text)
        content = result.structured_content
        return content.get("result", content)

    tools = await client.list_tools()
    work = {
        "tools": [tool.name for tool in getattr(tools, "tools", tools)],
        "hello": await call("hello", name="Ada"),
        "sum": await call("add_numbers", a=2, b=3),
        "whoami": await call("whoami"),
    }
    if idle is not None:
        await asyncio.sleep(idle)
        work["later"] = await call("whoami")
    if note is not None:
        work["remember"] = await call("remember", text=note)
        work["recall"] = await call("recall")
        work["later"] = await call("whoami")
    return work


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def answer(work: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Prints `{"result": ...}`, or `{"error": ...}` and exits with 1."""
    try:
        print(json.dumps({"result": asyncio.run(work())}))  # type: ignore[arg-type]
    except Exception as error:
        cause = innermost(error)
        print(json.dumps({"error": {"name": type(cause).__name__, "message": str(cause)}}))
        sys.exit(1)
