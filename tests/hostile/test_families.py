"""Codes and refresh families as a state machine: whatever is tried in whatever order, on two replicas, across
restarts and clock steps, a family has at most one living leaf, a revoked one never lives again, and every token
verifies. The model below says which answer is right; the issuer must agree at every step."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from loguru import logger
from tests.support.oauth import REDIRECT_URI, answer_of, challenge_of, claims

from issuer.app import create_app
from issuer.settings import load
from issuer.storage import schema

ISSUER, START = "http://127.0.0.1:9000", 1_800_000_000
GRACE, CODE, IDLE, TOTAL, ACCESS = 60, 60, 3 * 86_400, 10 * 86_400, 900
MOST_FAILURES, MOST_RESTARTS = 5, 2
VERIFIER = "v" * 64
CLIENTS = ("first", "second")
OTHER = {"first": "second", "second": "first"}
STEPS = [1, 1, GRACE, GRACE, ACCESS, -3600, IDLE, TOTAL]
RETRIES = [0, 0, GRACE - 1, GRACE, GRACE + 1, -GRACE, -GRACE - 1]


@dataclass
class Family:
    client: str
    began_at: int
    revoked: bool = False
    leaf: str = ""


@dataclass
class Code:
    client: str
    value: str
    expires_at: int
    failures: int = 0
    family: Family | None = None


@dataclass
class Refresh:
    value: str
    family: Family
    expires_at: int
    spent_at: int | None = None
    successor: Refresh | None = None
    parent: Refresh | None = None
    salted: bool = False  # an honest retry is still possible


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty database and a key, made once and copied for each run of the machine."""
    folder = tmp_path_factory.mktemp("template")
    schema.upgrade(str(folder / "issuer.db"))
    Families.template = folder
    logger.disable("issuer")
    yield
    logger.enable("issuer")


@dataclass
class World:
    """Two replicas on one database, with one clock."""

    folder: Path
    now: int = START
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    replicas: list[httpx.AsyncClient] = field(default_factory=list)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def start(self) -> None:
        environment = {
            "ISSUER_DATABASE": str(self.folder / "issuer.db"),
            "ISSUER_KEYS_DIR": str(Families.template / "keys"),
            "ISSUER_SIGNING_ALG": "ES256",  # reading an RSA key takes a tenth of a second
            "ISSUER_AUTO_APPROVE": "alice",
            "ISSUER_CODE_SECONDS": str(CODE),
            "ISSUER_REFRESH_IDLE_SECONDS": str(IDLE),
            "ISSUER_REFRESH_TOTAL_SECONDS": str(TOTAL),
            "ISSUER_ACCESS_TOKEN_SECONDS": str(ACCESS),
        }
        for _ in range(2):
            self.run(self._open(environment))

    async def _open(self, environment: dict[str, str]) -> None:
        app = create_app(load(environment), lambda: self.now)
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        self.replicas.append(httpx.AsyncClient(transport=transport, base_url=ISSUER))

    def stop(self) -> None:
        self.run(self.stack.aclose())
        self.replicas.clear()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def ask(self, replica: int, method: str, path: str, **request: Any) -> httpx.Response:
        answer: httpx.Response = self.run(self.replicas[replica].request(method, path, **request))
        assert answer.status_code < 500, answer.text
        return answer


class Families(RuleBasedStateMachine):
    template: Path
    codes: Bundle[Code] = Bundle("codes")
    used: Bundle[Code] = Bundle("used")
    replica = st.integers(0, 1)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="families"))
        shutil.copy(self.template / "issuer.db", self.folder)
        self.world = World(self.folder)
        self.world.start()
        self.families: list[Family] = []
        self.accesses: list[tuple[str, Family]] = []
        self.tokens: list[Refresh] = []
        self.restarts = 0
        document = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"}
        document["grant_types"] = ["authorization_code", "refresh_token"]
        self.ids = {name: self.world.ask(0, "POST", "/register", json=document).json()["client_id"] for name in CLIENTS}
        self.keys = jwt.PyJWKSet.from_dict(self.world.ask(0, "GET", "/.well-known/jwks.json").json())

    def teardown(self) -> None:
        self.world.stop()
        self.world.loop.close()
        shutil.rmtree(self.folder)

    # -- what clients, thieves, operators and time do --------------------------------------------------------

    @initialize(target=used)
    def one_grant_each(self) -> Any:
        """Walks begin where there is something to walk on."""
        return multiple(*(self.redeem(self.authorize(client, 0), 0) for client in CLIENTS))

    @rule(target=codes, client=st.sampled_from(CLIENTS), replica=replica)
    def authorize(self, client: str, replica: int) -> Code:
        asked = {"response_type": "code", "client_id": self.ids[client], "redirect_uri": REDIRECT_URI}
        asked |= {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
        asked |= {"scope": "openid mcp:tools"}
        answer = answer_of(self.world.ask(replica, "GET", "/authorize", params=asked))
        return Code(client, answer["code"], self.world.now + CODE)

    @rule(target=used, code=consumes(codes), replica=replica)
    def redeem(self, code: Code, replica: int) -> Any:
        answer = self._redeem(code, replica, code.client, VERIFIER)
        if code.failures >= MOST_FAILURES or code.expires_at <= self.world.now:
            return self._refused(answer)
        code.family = Family(code.client, self.world.now)
        self.families.append(code.family)
        self._issued(code.family, self._granted(answer, code.family))
        return code

    @rule(code=consumes(used), replica=replica)
    def replay(self, code: Code, replica: int) -> None:
        assert code.family is not None
        self._refused(self._redeem(code, replica, code.client, "w" * 64))
        self.no_resurrection_and_one_leaf()  # a replay that cannot prove the rest ends nothing
        self._refused(self._redeem(code, replica, code.client, VERIFIER))
        code.family.revoked = True

    @rule(code=codes, replica=replica, times=st.integers(1, MOST_FAILURES))
    def guess_the_verifier(self, code: Code, replica: int, times: int) -> None:
        for _ in range(times):
            self._refused(self._redeem(code, replica, code.client, "w" * 64))
            if code.expires_at > self.world.now:
                code.failures += 1

    @rule(data=st.data(), replica=replica)
    def refresh_the_newest(self, data: st.DataObject, replica: int) -> None:
        """What an honest client does, and the way to long families."""
        self._refresh(data.draw(st.sampled_from(self.tokens[-3:])), replica)

    @rule(data=st.data(), replica=replica, seconds=st.sampled_from(RETRIES))
    def refresh_any(self, data: st.DataObject, replica: int, seconds: int) -> None:
        """An honest retry, or theft: it depends on how much later, and on what happened since."""
        token = data.draw(st.sampled_from(self.tokens[-8:]))
        self.world.now += seconds
        self._refresh(token, replica)

    @rule(data=st.data(), replica=replica)
    def refresh_twice_at_once(self, data: st.DataObject, replica: int) -> None:
        """Both replicas are asked in the same moment; each gets the one successor, or each is refused."""
        token = data.draw(st.sampled_from(self.tokens[-8:]))
        form = self._form(token.family.client, grant_type="refresh_token", refresh_token=token.value)

        async def both() -> list[httpx.Response]:
            return await asyncio.gather(*(http.post("/token", data=form) for http in self.world.replicas))

        for answer in self.world.run(both()):
            self._judge(token, answer)

    @rule(code=codes, data=st.data(), replica=replica)
    def come_as_another_client(self, code: Code, data: st.DataObject, replica: int) -> None:
        self._refused(self._redeem(code, replica, OTHER[code.client], VERIFIER))
        token = data.draw(st.sampled_from(self.tokens))
        form = self._form(OTHER[token.family.client], grant_type="refresh_token", refresh_token=token.value)
        self._refused(self.world.ask(replica, "POST", "/token", data=form))

    @precondition(lambda self: len(self.tokens) > 4)
    @rule(data=st.data(), replica=replica)
    def revoke(self, data: st.DataObject, replica: int) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        form = self._form(token.family.client, token=token.value)
        assert self.world.ask(replica, "POST", "/revoke", data=form).status_code == 200
        token.family.revoked = True

    @rule(data=st.data(), replica=replica)
    def use_an_access_token(self, data: st.DataObject, replica: int) -> None:
        """It opens /userinfo for as long as it lives and its family does."""
        access, family = data.draw(st.sampled_from(self.accesses))
        headers = {"authorization": f"Bearer {access}"}
        answer = self.world.ask(replica, "GET", "/userinfo", headers=headers)
        stands = not family.revoked and claims(access)["exp"] > self.world.now
        assert answer.status_code == (200 if stands else 401), answer.text

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @precondition(lambda self: self.restarts < MOST_RESTARTS)
    @rule()
    def restart(self) -> None:
        self.restarts += 1
        self.world.stop()
        self.world.stack = AsyncExitStack()
        self.world.start()

    # -- what must hold --------------------------------------------------------------------------------------

    @invariant()
    def no_resurrection_and_one_leaf(self) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "issuer.db")) as database:
            leaves = database.execute(
                "SELECT family, COUNT(*) FROM refresh_tokens WHERE spent_at IS NULL GROUP BY family"
            ).fetchall()
            stored = database.execute("SELECT COUNT(*), COUNT(revoked_at) FROM families").fetchone()
        assert all(count == 1 for _, count in leaves), leaves
        assert stored == (len(self.families), sum(family.revoked for family in self.families))

    def _redeem(self, code: Code, replica: int, client: str, verifier: str) -> httpx.Response:
        form = self._form(client, grant_type="authorization_code", code=code.value, redirect_uri=REDIRECT_URI)
        return self.world.ask(replica, "POST", "/token", data={**form, "code_verifier": verifier})

    def _refresh(self, token: Refresh, replica: int) -> None:
        form = self._form(token.family.client, grant_type="refresh_token", refresh_token=token.value)
        self._judge(token, self.world.ask(replica, "POST", "/token", data=form))

    def _judge(self, token: Refresh, answer: httpx.Response) -> None:
        """Compare the answer with what the model says of this token, and let the model follow."""
        match self._verdict(token):
            case "new":
                token.spent_at, token.salted = self.world.now, True
                if token.parent is not None:
                    token.parent.salted = False
                token.successor = self._issued(token.family, self._granted(answer, token.family), token)
            case "same":
                assert token.successor is not None
                assert self._granted(answer, token.family) == token.successor.value, "the family forked"
            case "theft":
                self._refused(answer)
                token.family.revoked = True
            case None:
                self._refused(answer)

    def _verdict(self, token: Refresh) -> Literal["new", "same", "theft"] | None:
        """What a refresh with this token is now; None: its time or its family is over."""
        if token.family.revoked or token.expires_at <= self.world.now:
            return None
        if token.spent_at is None:
            return "new"
        return "same" if token.salted and abs(self.world.now - token.spent_at) <= GRACE else "theft"

    def _issued(self, family: Family, value: str, parent: Refresh | None = None) -> Refresh:
        # Never before the one it follows, wherever the clock was set to.
        idle = max(self.world.now + IDLE, parent.expires_at if parent else 0)
        expires_at = min(idle, family.began_at + TOTAL)
        self.tokens.append(Refresh(value, family, expires_at, parent=parent))
        return self.tokens[-1]

    def _form(self, client: str, **fields: str) -> dict[str, str]:
        return {"client_id": self.ids[client], **fields}

    @staticmethod
    def _refused(answer: httpx.Response) -> Any:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"] == "invalid_grant"
        return multiple()

    def _granted(self, answer: httpx.Response, family: Family) -> str:
        """The refresh token of a good answer, whose access token verifies and is the person's while it lives."""
        assert answer.status_code == 200, answer.text
        access = answer.json()["access_token"]
        key = self.keys[jwt.get_unverified_header(access)["kid"]]
        checks: Any = {"verify_exp": False, "verify_iat": False}
        found = jwt.decode(access, key, ["ES256"], audience="http://127.0.0.1:8000/mcp", issuer=ISSUER, options=checks)
        assert found["iat"] == self.world.now
        assert found["client_id"] == self.ids[family.client]
        self.accesses.append((access, family))
        value: str = answer.json()["refresh_token"]
        return value


TestFamilies = pytest.mark.usefixtures("template")(Families.TestCase)
Families.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
