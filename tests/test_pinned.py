"""`--sha256`: a file is opened only if it is the one that is meant."""

from __future__ import annotations

import hashlib

import pytest
from polarprior.errors import PolarPriorError, UsageError
from polarprior.host import default_host
from polarprior.pinned import pinned

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.pkl"
    path.write_bytes(CONTENT)
    return path


def test_what_is_opened_is_what_was_compared(weights):
    with pinned(weights, DIGEST.upper()) as copy:
        weights.write_bytes(b"something else")
        assert copy.read_bytes() == CONTENT
        assert copy.name == weights.name
        assert copy.parent.stat().st_mode & 0o077 == 0
    assert not copy.exists()


def test_another_file_is_not_opened(weights):
    with pytest.raises(PolarPriorError, match=f"{DIGEST}.*it was not opened"), pinned(weights, "0" * 64):
        pytest.fail("it was opened")


@pytest.mark.parametrize("digest", ["", "abc", DIGEST + "0", "g" * 64])
def test_what_is_no_digest_is_refused(weights, digest):
    with pytest.raises(UsageError, match="64 hexadecimal digits"), pinned(weights, digest):
        pytest.fail("it was opened")


def test_the_host_asks_no_plugin_before_it_is_compared(weights, tmp_path):
    with pytest.raises(PolarPriorError, match="it was not opened"):
        default_host().load(f"dcgan-faces:{weights}", "cpu", sha256="0" * 64)
    with pytest.raises(PolarPriorError, match="is not the weights"):
        default_host().load(f"dcgan-faces:{weights}", "cpu", sha256=DIGEST)
    with pytest.raises(UsageError, match="is no file to compare"):
        default_host().load(f"dcgan-faces:{tmp_path}", "cpu", sha256=DIGEST)
