"""The first key and the client's secret: made once, and the same for all that start."""

from __future__ import annotations

from pathlib import Path

from tests.support.together import together

from issuer import key_files, settings
from issuer.first_files import prepare


def test_replicas_that_start_together_agree_on_the_first_files(tmp_path: Path):
    """KEY-07: whoever comes second takes what the first one made."""
    loaded = settings.load({"ISSUER_KEYS_DIR": str(tmp_path / "keys"), "ISSUER_SIGNING_ALG": "EdDSA"})
    prepared = together(8, lambda: prepare(loaded, 1_800_000_000))
    assert len(prepared) == 8
    assert len({(start.secret_digest, *(key.kid for key in start.keys)) for start in prepared}) == 1
    assert len(key_files.read_keys(tmp_path / "keys")) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 2
