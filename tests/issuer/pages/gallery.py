"""Every page with sample data, friendly and hostile, and a server to look at them:
`python -m tests.issuer.pages.gallery` prints its address.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from issuer.web import pages
from issuer.web.pages import Connection, ScopeLine

NASTY = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{7*7}} ${7*7} \u202egnp.exe\u202c \ud800" + "W" * 200
)
LONG_HOST = "claude.ai." + ".".join(["signin-with-a-very-long-label"] * 6) + ".evil.example:65535"
NOTES = [
    ScopeLine("notes:read", "Read your notes"),
    ScopeLine("notes:write", "Write, change and delete your notes"),
    ScopeLine("offline_access", "Stay connected while you are away"),
]
TOOLS = [ScopeLine("mcp:tools", "Use the tools of this server")]
FORM_POST = [("code", "c-1"), ("state", "<\"'>&amp; \u00e9"), ("submit", "x")]
ARABIC = "\u0628\u0631\u0646\u0627\u0645\u062c \u0627\u0644\u0645\u0644\u0627\u062d\u0638\u0627\u062a"


def sign_in(**values: object) -> HTMLResponse:
    return pages.sign_in(**{"transaction": "t-1", "client_name": "MCP Inspector", **values})  # type: ignore[arg-type]


def consent(**values: object) -> HTMLResponse:
    sample: dict[str, object] = {
        "transaction": "t-2",
        "client_name": "Notebook",
        "client_id_host": None,
        "verified": True,
        "redirect_host": "notebook.example.com",
        "redirect_is_loopback": False,
        "scopes": NOTES,
        "resource": "https://mcp.example.com/mcp",
        "person": "alice",
        "can_show_callback": False,
    }
    return pages.consent(**(sample | values))  # type: ignore[arg-type]


def connection(number: int, name: str, host: str | None, scopes: list[ScopeLine], used: int) -> Connection:
    return Connection(f"f-{number}", name, host, scopes, "https://mcp.example.com/mcp", 1795428000 + number, used)


GALLERY: dict[str, Callable[[], HTMLResponse]] = {
    "sign_in": lambda: sign_in(),
    "sign_in_to_account": lambda: sign_in(client_name=None, login_hint="alice@example.com"),
    "sign_in_development": lambda: sign_in(quick_people=["alice", "bob"]),
    "sign_in_wrong": lambda: sign_in(failed=True, login_hint="alice"),
    "sign_in_wait": lambda: sign_in(failed=True, retry_after=42, quick_people=["alice", "bob"]),
    "sign_in_nasty": lambda: sign_in(client_name=NASTY, login_hint=NASTY),
    "consent": lambda: consent(),
    "consent_loopback": lambda: consent(
        client_name="MCP Inspector",
        verified=False,
        redirect_host="127.0.0.1:6274",
        redirect_is_loopback=True,
        scopes=TOOLS,
        resource="http://127.0.0.1:8000/mcp",
        can_show_callback=True,
    ),
    "consent_document": lambda: consent(
        client_name="Claude Code",
        client_id_host="claude.ai",
        verified=False,
        redirect_host="localhost:51723",
        redirect_is_loopback=True,
        can_show_callback=True,
    ),
    "consent_right_to_left": lambda: consent(client_name=ARABIC, verified=False),
    "consent_nasty": lambda: consent(
        client_name=NASTY,
        client_id_host=LONG_HOST,
        verified=False,
        redirect_host=LONG_HOST,
        scopes=[ScopeLine(NASTY, NASTY), ScopeLine("a" * 300, "a" * 300)],
        resource="https://" + LONG_HOST,
        person=NASTY,
    ),
    "callback": lambda: pages.callback(
        url=f"http://127.0.0.1:6274/oauth/callback?code=mcp_ac_{'Zk3v' * 11}&state={'q7' * 21}&iss=https%3A%2F%2Fa.b",
        client_name="MCP Inspector",
        seconds=600,
    ),
    "callback_nasty": lambda: pages.callback(url="http://127.0.0.1/?" + NASTY, client_name=NASTY, seconds=60),
    "form_post": lambda: pages.form_post(action="received", fields=FORM_POST),
    "error": lambda: pages.error(
        status=403,
        title="This page is too old",
        explain="It was already used, or it lay open for more than ten minutes.",
        fix="Go back to the program you came from and start the sign-in again.",
        request_id="01JD9ZK3Q4",
    ),
    "error_development": lambda: pages.error(
        status=400,
        title="Unknown redirect URI",
        explain="The program asked to be answered at an address that it has not registered.",
        fix="Register this redirect URI for the program, or start it with one that is registered.",
        details=[
            ("client_id", "mcp_client_5bHhYw0Vd1bXwq0m8kqv2A"),
            ("redirect_uri, as sent", "http://127.0.0.1:6274/oauth/callback/debug"),
            ("redirect_uri, registered", "http://127.0.0.1:6274/oauth/callback"),
            ("state, as sent", NASTY[:200]),
        ],
        request_id="01JD9ZK3Q4",
    ),
    "signed_out": lambda: pages.signed_out(client_name="Notebook", return_to="https://notebook.example.com/bye"),
    "signed_out_alone": lambda: pages.signed_out(),
    "confirm_sign_out": lambda: pages.confirm_sign_out(transaction="t-3", person="alice"),
    "account": lambda: pages.account(
        person="alice",
        transaction="t-4",
        connections=[
            connection(1, "Claude Code", "claude.ai", NOTES, 1795514400),
            connection(2, "MCP Inspector", None, TOOLS, 1795514000),
            connection(3, NASTY, LONG_HOST, [ScopeLine(NASTY, NASTY)], 1795514400),
        ],
        access_seconds=900,
        revoked="Notebook",
    ),
    "account_empty": lambda: pages.account(person="bob", transaction="t-5", connections=[], access_seconds=900),
}


def app() -> Starlette:
    """Serves the gallery; a post to any address answers with that address and the fields it received, in order."""

    async def received(request: Request) -> Response:
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        return JSONResponse([request.url.path, *fields])

    index = HTMLResponse("".join(f'<p><a href="{name}">{name}</a>' for name in GALLERY))
    shown = [Route(f"/{name}", lambda _, sample=sample: sample(), methods=["GET"]) for name, sample in GALLERY.items()]
    posts = Route("/{rest:path}", received, methods=["POST"])
    return Starlette(routes=[Route("/", lambda _: index), *shown, posts])


if __name__ == "__main__":
    uvicorn.run(app(), host="127.0.0.1", port=0)
