"""The key ring: a pure function of file names and the clock, and files that nothing ever replaces."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk
from tests.requirements import requirement
from tests.support.together import together

from issuer import key_files, keys, signing_key
from issuer.key_files import BadKey
from issuer.keys import KeyRing
from issuer.signing_key import Key

T0 = 1_800_000_000
LONGEST = 900
ALGORITHMS = ("RS256", "ES256", "EdDSA")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock that decides when a ring looks at its folder again."""
    moment = [1000.0]
    monkeypatch.setattr("issuer.keys.time", SimpleNamespace(monotonic=lambda: moment[0]))
    return moment


def key(starts_at: int, name: str = "") -> Key:
    return Key(starts_at, "EdDSA", name or f"k{starts_at}", None, {}, {})  # type: ignore[arg-type]


def ring(folder: Path, report: Any = None) -> KeyRing:
    return KeyRing(folder, LONGEST, key_files.read_keys(folder), report)


# -- the pure part ---------------------------------------------------------------------------------------


def test_the_thumbprint_of_rfc_7638():
    """RFC 7638 §3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
        "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    found = signing_key.thumbprint({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert found == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@requirement("rfc7638-3")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_kid_is_the_thumbprint_that_others_compute(alg: str, tmp_path: Path):
    found = key_files.read_key(key_files.make_key(tmp_path, alg, T0))
    assert found.kid == found.jwk["kid"] == jwk.import_key(found.jwk).thumbprint()


starts = st.lists(st.integers(T0 - 10_000, T0 + 10_000), min_size=1, max_size=5, unique=True).map(sorted)


@given(starts, st.integers(T0 - 12_000, T0 + 12_000))
def test_the_latest_key_that_has_started_signs(moments: list[int], now: int):
    found = keys.signing([key(moment) for moment in moments], now)
    started = [moment for moment in moments if moment <= now]
    assert found.starts_at == (max(started) if started else moments[0])


@given(starts, st.integers(T0 - 12_000, T0 + 12_000), st.integers(0, LONGEST))
def test_whatever_signed_is_published_until_its_last_token_has_expired(moments: list[int], signed: int, age: int):
    """No valid token is ever refused: the promise behind rotation."""
    all_keys = [key(moment) for moment in moments]
    signer = keys.signing(all_keys, signed)
    assert signer in keys.published(all_keys, signed + age, LONGEST)


@given(starts, st.integers(T0 - 12_000, T0 + 12_000), st.integers(0, 20_000))
def test_a_key_to_come_is_published_and_a_retired_one_never_comes_back(moments: list[int], now: int, later: int):
    all_keys = [key(moment) for moment in moments]
    first = keys.published(all_keys, now, LONGEST)
    assert list(first) == all_keys[all_keys.index(first[0]) :]
    assert all(one in first for one in keys.published(all_keys, now + later, LONGEST))


def test_the_moments_of_a_rotation():
    old, new = key(T0), key(T0 + 100)
    assert keys.signing((old, new), T0 + 99) is old
    assert keys.signing((old, new), T0 + 100) is new
    assert keys.published((old, new), T0 - 1, LONGEST) == (old, new)
    last = T0 + 100 + LONGEST + keys.SKEW
    assert keys.published((old, new), last, LONGEST) == (old, new)
    assert keys.published((old, new), last + 1, LONGEST) == (new,)


# -- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_file_is_private_named_after_its_moment_and_read_back(alg: str, tmp_path: Path):
    folder = tmp_path / "a" / "keys"
    path = key_files.make_key(folder, alg, T0)
    assert path.name == f"20270115T080000Z.{alg.lower()}.pem"
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    found = key_files.read_key(path)
    assert (found.starts_at, found.alg) == (T0, alg)
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_published_key_has_no_private_member(alg: str, tmp_path: Path):
    key_files.make_key(tmp_path, alg, T0)
    (published,) = json.loads(ring(tmp_path).jwks(T0))["keys"]
    assert (
        set(published)
        == {"kty", "kid", "use", "alg"}
        | {
            "RS256": {"n", "e"},
            "ES256": {"crv", "x", "y"},
            "EdDSA": {"crv", "x"},
        }[alg]
    )
    assert (published["use"], published["alg"]) == ("sig", alg)
    assert not jwk.import_key(published).is_private


def test_a_key_is_never_written_over_another(tmp_path: Path):
    path = tmp_path / "20270115T080000Z.eddsa.pem"
    path.write_bytes(b"precious")
    assert key_files.make_key(tmp_path, "EdDSA", T0) == path
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_writers_of_one_key_the_first_wins(tmp_path: Path):
    """KEY-07: two replicas, one moment; both read the same key afterwards and nothing is left over."""
    seen = together(8, lambda: key_files.read_key(key_files.make_key(tmp_path, "EdDSA", T0)).kid)
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_writer_that_died_half_way_is_in_nobodys_way(tmp_path: Path):
    """In a container every process has the same number: a left-over part must not stop the next start."""
    for left in (".mcp-client.secret.1", ".20270115T080000Z.eddsa.pem.1"):
        (tmp_path / left).write_bytes(b"half")
    assert key_files.write_once(tmp_path / "mcp-client.secret", b"whole").read_bytes() == b"whole"
    assert key_files.read_key(key_files.make_key(tmp_path, "EdDSA", T0)).alg == "EdDSA"
    assert len(key_files.read_keys(tmp_path)) == 1


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path):
    (tmp_path / "keys").write_text("x")
    with pytest.raises(BadKey, match=r"20270115T080000Z\.eddsa\.pem cannot be written"):
        key_files.make_key(tmp_path / "keys", "EdDSA", T0)
    with pytest.raises(BadKey, match="cannot be read"):
        key_files.read_keys(tmp_path / "keys")


def pem(kind: str, tmp_path: Path) -> bytes:
    """What may stand in a file that is named like an RS256 key."""
    if kind == "truncated":
        return key_files.make_key(tmp_path / "x", "RS256", T0).read_bytes()[:600]
    if kind == "encrypted":
        return jwk.RSAKey.generate_key(2048).as_pem(private=True, password="secret")
    if kind == "small":
        return jwk.RSAKey.generate_key(1024).as_pem(private=True)
    if kind == "public":
        return jwk.RSAKey.generate_key(2048).as_pem(private=False)
    if kind == "elliptic":
        return jwk.ECKey.generate_key("P-256").as_pem(private=True)
    return {"empty": b"", "text": b"hello", "junk": bytes(range(256)), "nul": b"\0" * 100}[kind]


KINDS = ("truncated", "encrypted", "small", "public", "elliptic", "empty", "text", "junk", "nul")


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_such_key_is_named_and_left_alone(kind: str, tmp_path: Path):
    """KEY-04."""
    content = pem(kind, tmp_path)
    path = tmp_path / "20270115T080000Z.rs256.pem"
    path.write_bytes(content)
    with pytest.raises(BadKey, match=r"^20270115T080000Z\.rs256\.pem: not "):
        key_files.read_keys(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "name",
    [
        *("key.pem", "20270115T080000Z.pem", "20270115T080000Z.RS256.pem", "20270115T080000Z.hs256.pem", "x.rs256.pem"),
        *("20271315T080000Z.rs256.pem", "20270115T250000Z.rs256.pem", "00000101T000000Z.rs256.pem"),
    ],
)
def test_a_name_that_says_no_moment_is_refused(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadKey, match=name):
        key_files.read_keys(tmp_path)


def test_a_folder_in_the_place_of_a_key_is_named(tmp_path: Path):
    (tmp_path / "20270115T080000Z.rs256.pem").mkdir()
    with pytest.raises(BadKey, match=r"^20270115T080000Z\.rs256\.pem: Is a directory"):
        key_files.read_keys(tmp_path)


def test_the_keys_curve_decides_too(tmp_path: Path):
    for curve in ("P-384", "secp256k1"):
        (tmp_path / "20270115T080000Z.es256.pem").write_bytes(jwk.ECKey.generate_key(curve).as_pem(private=True))
        with pytest.raises(BadKey, match="not a key for ES256"):
            key_files.read_keys(tmp_path)


# -- the ring --------------------------------------------------------------------------------------------


def test_a_ring_needs_a_key(tmp_path: Path):
    with pytest.raises(BadKey, match="mcp-issuer key init"):
        ring(tmp_path)


def test_a_new_file_is_found_at_the_next_look(tmp_path: Path, clock: list[float]):
    key_files.make_key(tmp_path, "EdDSA", T0)
    looking = ring(tmp_path)
    before = looking.jwks(T0)
    following = key_files.read_key(key_files.make_key(tmp_path, "ES256", T0 + 100))
    assert looking.jwks(T0) == before
    clock[0] += 5
    assert [one["alg"] for one in json.loads(looking.jwks(T0))["keys"]] == ["EdDSA", "ES256"]
    assert looking.signing(T0 + 99).alg == "EdDSA"
    assert looking.signing(T0 + 100).kid == following.kid


def test_a_file_that_came_while_the_keys_were_read_is_not_missed(tmp_path: Path, clock: list[float]):
    key_files.make_key(tmp_path, "EdDSA", T0)
    found = key_files.read_keys(tmp_path)
    key_files.make_key(tmp_path, "EdDSA", T0 + 1)
    looking = KeyRing(tmp_path, LONGEST, found)
    clock[0] += 5
    assert len(looking.published(T0)) == 2


def test_a_removed_key_is_gone_at_the_next_look(tmp_path: Path, clock: list[float]):
    """KEY-09: what an operator takes away because it leaked."""
    leaked = key_files.make_key(tmp_path, "EdDSA", T0)
    key_files.make_key(tmp_path, "EdDSA", T0 + 1)
    looking = ring(tmp_path)
    assert len(looking.published(T0 + 1)) == 2
    leaked.unlink()
    clock[0] += 5
    assert [one.starts_at for one in looking.published(T0 + 1)] == [T0 + 1]


def test_trouble_later_is_reported_once_and_the_keys_stay(tmp_path: Path, clock: list[float]):
    first = key_files.read_key(key_files.make_key(tmp_path, "EdDSA", T0))
    told: list[str] = []
    looking = ring(tmp_path, told.append)
    bad = tmp_path / "20270115T080100Z.eddsa.pem"
    bad.write_bytes(b"junk")
    for _ in range(3):
        clock[0] += 5
        assert looking.signing(T0 + 100).kid == first.kid
    assert len(told) == 1
    assert told[0].startswith("the keys stay as they were: 20270115T080100Z.eddsa.pem: not ")

    bad.unlink()
    clock[0] += 5
    assert looking.signing(T0 + 100).kid == first.kid
    bad.write_bytes(b"junk")
    clock[0] += 5
    looking.signing(T0)
    assert len(told) == 2

    bad.unlink()
    following = key_files.read_key(key_files.make_key(tmp_path, "EdDSA", T0 + 60))
    clock[0] += 5
    assert looking.signing(T0 + 100).kid == following.kid
    assert len(told) == 2


@pytest.mark.parametrize("how", ["all files", "the folder"])
def test_keys_that_vanish_are_reported_and_go_on_signing(how: str, tmp_path: Path, clock: list[float]):
    folder = tmp_path / "keys"
    path = key_files.make_key(folder, "EdDSA", T0)
    told: list[str] = []
    looking = ring(folder, told.append)
    path.unlink()
    if how == "the folder":
        folder.rmdir()
    clock[0] += 5
    assert looking.signing(T0).alg == "EdDSA"
    assert len(looking.published(T0)) == 1
    assert len(told) == 1


def test_the_document_is_built_again_only_when_it_changes(tmp_path: Path):
    key_files.make_key(tmp_path, "EdDSA", T0)
    key_files.make_key(tmp_path, "EdDSA", T0 + 10)
    looking = ring(tmp_path)
    body = looking.jwks(T0)
    assert looking.jwks(T0 + 500) is body
    assert len(json.loads(looking.jwks(T0 + 10 + LONGEST + keys.SKEW + 1))["keys"]) == 1


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=5, unique=True), st.integers(0, 10_000))
def test_what_is_published_stays_until_the_next_retirement_and_no_longer(starts: list[int], now: int) -> None:
    ring = [key(moment) for moment in sorted(starts)]
    shown, change = keys.published(ring, now, LONGEST), keys.next_retirement(ring, now, LONGEST)
    assert change > now
    last = now + 20_000 if change == float("inf") else int(change) - 1
    assert keys.published(ring, last, LONGEST) == shown
    if change != float("inf"):
        assert len(keys.published(ring, int(change), LONGEST)) < len(shown)
