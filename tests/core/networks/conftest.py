import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keep what is fetched in a folder of the test's own."""
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
