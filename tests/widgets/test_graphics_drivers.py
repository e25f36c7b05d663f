from __future__ import annotations

import ctypes.util
import subprocess
import sys

import pytest

from napari_kidney_seg.widgets import graphics_drivers
from napari_kidney_seg.widgets.graphics_drivers import keep_triton_apart

# Loads an LLVM as Mesa's software driver does, then triton: without `keep_triton_apart` a segmentation fault.
LOAD_BOTH = """
import ctypes, sys
from napari_kidney_seg.widgets.graphics_drivers import keep_triton_apart
ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
print(keep_triton_apart())
import triton
print("alive")
"""


def mesa_compiler() -> str | None:
    return next(filter(None, (ctypes.util.find_library(f"LLVM-{version}") for version in range(13, 24))), None)


def test_without_mesa_nothing_is_loaded(tmp_path, monkeypatch):
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libGLX_nvidia.so\n")
    monkeypatch.setattr(graphics_drivers, "LOADED_LIBRARIES", maps)

    assert not keep_triton_apart()


@pytest.mark.skipif(not sys.platform.startswith("linux") or mesa_compiler() is None, reason="no LLVM of Mesa here")
def test_triton_is_loaded_beside_the_compiler_of_mesa():
    pytest.importorskip("triton")

    finished = subprocess.run(
        [sys.executable, "-c", LOAD_BOTH, mesa_compiler()], capture_output=True, text=True, check=False
    )

    assert finished.stdout.split() == ["True", "alive"], finished.returncode
