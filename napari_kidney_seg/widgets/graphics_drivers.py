"""What has to be done before torch may be loaded into a process that draws with Mesa's drivers."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

LOADED_LIBRARIES = Path("/proc/self/maps")
MESA_COMPILER = "libLLVM"  # llvmpipe and the drivers of AMD graphics compile with it


def keep_triton_apart() -> bool:
    """Load triton, which torch brings on Linux, so that it does not mix with Mesa; return whether that was needed.

    Notes
    -----
    Both hold an LLVM, of different versions under the same names. Once a window has been drawn, triton would take
    functions of Mesa's for its own, and the process ends with a segmentation fault when torchvision or torch._dynamo
    are imported (seen with Mesa 22.3 and triton 3.9). RTLD_DEEPBIND lets it look into itself first.
    """
    library = _triton_library() if _draws_with_mesa() else None
    if library is not None:
        ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    return library is not None


def _draws_with_mesa() -> bool:
    is_linux = sys.platform.startswith("linux")
    return is_linux and MESA_COMPILER in LOADED_LIBRARIES.read_text(encoding="utf-8", errors="replace")


def _triton_library() -> Path | None:
    """Return the library of triton; None where it is not installed or was loaded before."""
    found = importlib.util.find_spec("triton")
    if found is None or "triton._C.libtriton" in sys.modules:
        return None
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    return next((path for folder in folders for path in (folder / "_C").glob("libtriton*.so")), None)
