"""Fixtures shared by every room's tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_kidney_seg.widgets.graphics_drivers import keep_triton_apart

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory):
    """Keep what the package remembers from run to run out of the home of the person who runs the tests (on Linux)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def triton_apart():
    """Whatever order modules are run in, one that drew a window must not make a later one that needs torch crash."""
    keep_triton_apart()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development data; skips where it is absent, as in a public clone."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"development data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def other():
    """A process that waits to be ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
