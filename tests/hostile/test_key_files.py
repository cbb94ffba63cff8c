"""Rows KEY-04, KEY-07 and KEY-12: how an issuer starts, with real processes: spoilt keys, races, kills, bad names."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.faults.scale import fault
from tests.hostile.rows import row
from tests.support import servers
from tests.support.machine import ROOT

Record = Callable[[str, object], None]
NAME = "20260101T000000Z.rs256.pem"


def issuer(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One `mcp-issuer ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "issuer", *arguments],
        cwd=folder,
        env=servers.clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


GOOD = RSAKey.generate_key(2048)
SPOILT: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: GOOD.as_pem(private=True)[:600],
    "empty": lambda: b"",
    "not PEM": lambda: b"hello\n",
    "encrypted": lambda: GOOD.as_pem(private=True, password="secret"),
    "an EC key": lambda: ECKey.generate_key("P-256").as_pem(private=True),
    "1024 bits": lambda: RSAKey.generate_key(1024).as_pem(private=True),
    "public only": lambda: GOOD.as_pem(private=False),
    "binary junk": lambda: bytes(range(256)) * 8,
}


@row("KEY-04")
@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_key_ends_the_start_and_is_never_replaced(tmp_path: Path, what: str) -> None:
    path = tmp_path / "keys" / NAME
    path.parent.mkdir()
    path.write_bytes(content := SPOILT[what]())
    ended = issuer(tmp_path, "serve", ISSUER_PORT=str(servers.free_port()))
    assert ended.returncode == 1
    told = ended.stderr.strip().splitlines()[-1]
    assert told.startswith(f"mcp-issuer: {NAME}: not ")
    assert "Traceback" not in ended.stderr
    assert path.read_bytes() == content
    assert list(path.parent.glob("*.pem")) == [path]


BAD_NAMES = {
    "http": "http://issuer.example",
    "a query": "https://issuer.example?x=1",
    "a fragment": "https://issuer.example#x",
    "user information": "https://user:hunter2@issuer.example",
    "a name like loopback": "http://127.0.0.1.evil.test",
    "a slash": "https://issuer.example/",
}


@row("KEY-12")
@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_name_that_nobody_could_compare_ends_the_start(tmp_path: Path, name: str) -> None:
    ended = issuer(tmp_path, "serve", ISSUER=name, ISSUER_PORT=str(servers.free_port()))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("mcp-issuer: ISSUER must ")
    assert "hunter2" not in ended.stderr


@row("KEY-12")
def test_an_empty_name_is_development_and_serves_nobody_else(tmp_path: Path) -> None:
    ended = issuer(tmp_path, "serve", ISSUER="", ISSUER_HOST="0.0.0.0", ISSUER_PORT=str(servers.free_port()))
    assert ended.returncode == 1
    assert "ISSUER_DEV" in ended.stderr


class Replicas:
    """Two issuers with one folder of keys, one database and one clock that the test moves."""

    def __init__(self, folder: Path, services: list[servers.Service], name: str) -> None:
        self.folder, self.services, self.name = folder, services, name

    def token(self, service: servers.Service) -> str:
        """The kid of a token that this replica signs now."""
        host = {"Host": self.name.removeprefix("http://")}
        answer = httpx.post(f"{service.origin}/dev/token", headers=host, timeout=20).raise_for_status()
        kid: str = jwt.get_unverified_header(answer.json()["access_token"])["kid"]
        return kid

    def published(self, service: servers.Service) -> set[str]:
        answer = httpx.get(f"{service.origin}/.well-known/jwks.json", timeout=20).raise_for_status()
        return {key["kid"] for key in answer.json()["keys"]}

    def agree(self) -> tuple[str, set[str]]:
        """The one kid that both sign with and all that both publish, once both have looked at the folder again."""
        deadline = time.monotonic() + 60
        while True:
            signing = {self.token(service) for service in self.services}
            published = [self.published(service) for service in self.services]
            for kid in signing:
                assert kid in published[0] & published[1] or time.monotonic() < deadline
            if len(signing) == 1 and published[0] == published[1] == self.files():
                return signing.pop(), published[0]
            assert time.monotonic() < deadline, (signing, published)
            time.sleep(0.5)

    def files(self) -> set[str]:
        """The kids that `mcp-issuer key list` knows of: a folder that no command can read would be a broken one."""
        listed = issuer(self.folder, "key", "list", ISSUER=self.name)
        assert listed.returncode == 0, listed.stderr
        states = [line.split()[-2] for line in listed.stdout.splitlines()]
        assert states.count("signs") == 1, listed.stdout
        return {line.split()[-1] for line in listed.stdout.splitlines()}

    def move(self, seconds: int) -> None:
        following = self.folder / "clock.next"
        following.write_text(str(seconds))
        following.replace(self.folder / "clock")


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    (tmp_path / "clock").write_text("0")
    ports = [servers.free_port() for _ in range(2)]
    name = f"http://127.0.0.1:{ports[0]}"
    settings = {"ISSUER": name, "CLOCK": str(tmp_path / "clock"), "ISSUER_ALLOWED_HOSTS": f"127.0.0.1:{ports[1]}"}
    command = [sys.executable, str(ROOT / "tests" / "support" / "clocked.py")]
    with contextlib.ExitStack() as stack:
        started = [servers.spawn("issuer", tmp_path, command=command, ISSUER_PORT=str(p), **settings) for p in ports]
        for service in started:
            stack.callback(service.stop)
        for service in started:
            servers.wait_until_ready(service)
        yield Replicas(tmp_path, started, name)


NEW = [sys.executable, "-m", "issuer", "key", "new"]


@row("KEY-07")
@fault("two replicas: key rotations at once")
def test_two_rotations_at_once_leave_one_key_that_signs(replicas: Replicas, record_property: Record) -> None:
    before, _ = replicas.agree()
    environment = servers.clean_environment(ISSUER=replicas.name)
    for _ in range(3):
        racing = [subprocess.Popen(NEW, cwd=replicas.folder, env=environment, stdout=subprocess.DEVNULL) for _ in "ab"]
        assert [process.wait(60) for process in racing] == [0, 0]
    signing, published = replicas.agree()
    assert signing == before, "a key signs before it was published for long enough"
    assert len(published) > 1
    replicas.move(75 * 60)
    after, still = replicas.agree()
    assert after in published
    assert after != before
    assert before in still, "tokens that it signed live on"
    record_property("keys made by six rotations at once", len(published) - 1)


# Ends itself by SIGKILL just before its nth call of the system that makes, fills, syncs, names or removes a file.
KILLED = """
import os, signal, sys
from issuer.__main__ import main
left = int(sys.argv.pop(1))
def deadly(call):
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapped
for name in "open", "fsync", "chown", "link", "unlink", "rename":
    setattr(os, name, deadly(getattr(os, name)))
main()
"""


def killed(folder: Path, point: int, *arguments: str, **environment: str) -> bool:
    """Whether `mcp-issuer ...` was ended at this point; False when it has fewer and did its work."""
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(point), *arguments],
        cwd=folder,
        env=servers.clean_environment(**environment),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


@row("KEY-07")
@fault("a key rotation is killed at every step")
def test_a_rotation_that_is_killed_at_any_point_leaves_whole_keys(replicas: Replicas, record_property: Record) -> None:
    before, _ = replicas.agree()
    point = 1
    while killed(replicas.folder, point, "key", "new", ISSUER=replicas.name):
        assert replicas.files() >= {before}
        point += 1
    record_property("points at which a rotation was killed", point - 1)
    assert point > 4
    signing, published = replicas.agree()
    assert signing == before
    for service in replicas.services:
        assert service.process is not None
        assert service.process.poll() is None
    port = servers.free_port()
    more = {"ISSUER_PORT": str(port), "ISSUER_ALLOWED_HOSTS": f"127.0.0.1:{port}"}
    with servers.running("issuer", replicas.folder, ISSUER=replicas.name, **more) as started_again:
        assert replicas.token(started_again) == before
        assert replicas.published(started_again) == published


@row("KEY-07")
@fault("a first start is killed at every step")
def test_a_first_start_that_is_killed_at_any_point_is_made_up_for(tmp_path: Path, record_property: Record) -> None:
    point, again = 1, True
    while again:
        folder = tmp_path / str(point)
        folder.mkdir()
        again = killed(folder, point, "key", "init")
        assert issuer(folder, "key", "init").returncode == 0
        assert issuer(folder, "key", "list").stdout.count(" signs ") == 1
        assert len(list((folder / "keys").glob("*.pem"))) == 1
        point += 1
    record_property("points at which a first start was killed", point - 2)
    assert point > 5
