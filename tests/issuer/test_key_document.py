"""ISSUER_KEYS: the same facts as a folder of keys, so the same ring; and texts that are no such thing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from issuer import key_files, keys
from issuer.key_files import BadKey
from issuer.keys import KeyRing

T0 = 1_800_000_000
NAME = "20270115T080000Z.eddsa.pem"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for alg, starts_at in ("RS256", T0), ("ES256", T0 + 50), ("EdDSA", T0 + 100):
        key_files.make_key(tmp_path, alg, starts_at)
    return tmp_path


def test_a_replica_with_the_folder_and_one_with_the_text_never_disagree(folder: Path):
    document = key_files.write_document(folder)
    assert "\n" not in document
    there, here = key_files.read_keys(folder), key_files.read_document(document)
    rings = KeyRing(folder, 900, there), KeyRing(None, 900, here)
    for moment in range(T0 - 100, T0 + 1200, 10):
        first, second = ((ring.signing(moment).kid, ring.jwks(moment)) for ring in rings)
        assert first == second
    assert len({keys.signing(here, moment).kid for moment in (T0, T0 + 50, T0 + 100)}) == 3


def test_the_order_in_which_a_secret_store_writes_them_means_nothing(folder: Path):
    files = json.loads(key_files.write_document(folder))
    turned = json.dumps(dict(reversed(files.items())), indent=2)
    assert [key.kid for key in key_files.read_document(turned)] == [key.kid for key in key_files.read_keys(folder)]


def test_a_ring_without_a_folder_looks_for_none(folder: Path, monkeypatch: pytest.MonkeyPatch):
    ring = KeyRing(None, 900, key_files.read_keys(folder), report=pytest.fail)
    monkeypatch.setattr("issuer.keys.os", None)
    ring._look_at = 0
    assert ring.signing(T0).alg == "RS256"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "not one JSON object"),
        ("-----BEGIN PRIVATE KEY-----\nSECRET", "not one JSON object"),
        ("[]", "not one JSON object"),
        ('{"SECRET": "SECRET"} x', "not one JSON object"),
        (f'{{"{NAME}": "SECRET", "{NAME}": "SECRET"}}', "not one JSON object"),
        ("{}", "holds no key"),
        ('{"SECRET.pem": "x"}', "a member is not named like"),
        (f'{{"{NAME}": ["SECRET"]}}', f"{NAME}: not a text"),
        (f'{{"{NAME}": ""}}', f"{NAME}: not an unencrypted PEM private key"),
        (f'{{"{NAME}": "-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----"}}', f"{NAME}: not an"),
        (json.dumps({"20271515T080000Z.eddsa.pem": "SECRET"}), "no moment that there is"),
        (json.dumps({NAME: "\ud800"}), "not one JSON object"),
    ],
)
def test_what_is_no_such_text_is_refused_and_not_repeated(document: str, said: str):
    with pytest.raises(BadKey, match="^ISSUER_KEYS: .*" + re.escape(said)) as refused:
        key_files.read_document(document)
    assert "SECRET" not in str(refused.value)


def test_a_key_under_the_name_of_another_algorithm_is_refused(folder: Path):
    (rsa, *_) = json.loads(key_files.write_document(folder)).values()
    with pytest.raises(BadKey, match=f"^ISSUER_KEYS: {NAME}: not a key for EdDSA"):
        key_files.read_document(json.dumps({NAME: rsa}))
