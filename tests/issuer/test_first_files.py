"""The first key and the client's secret: made once, and the same for all that start."""

from __future__ import annotations

import threading
from pathlib import Path

from issuer import key_files, settings
from issuer.first_files import Prepared, prepare


def test_replicas_that_start_together_agree_on_the_first_files(tmp_path: Path):
    """KEY-07: whoever comes second takes what the first one made."""
    loaded = settings.load({"ISSUER_KEYS_DIR": str(tmp_path / "keys"), "ISSUER_SIGNING_ALG": "EdDSA"})
    prepared: list[Prepared] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        prepared.append(prepare(loaded, 1_800_000_000))

    replicas = [threading.Thread(target=start) for _ in range(8)]
    for replica in replicas:
        replica.start()
    for replica in replicas:
        replica.join()
    assert len(prepared) == 8
    assert len({(start.secret_digest, *(key.kid for key in start.keys)) for start in prepared}) == 1
    assert len(key_files.read_keys(tmp_path / "keys")) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 2
