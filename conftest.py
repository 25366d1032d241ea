"""Tests neither read nor write the user's caches."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory):
    """The folder of banks' caches, of each test module its own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLARPRIOR_CACHE", str(folder))
        yield folder
