"""Read damaged files in a process of its own: ``python fuzz_reader.py FOLDER`` prints one JSON line per variant.

A crash or a hang in C++ code ends this process; the test then finds the lines of the remaining variants missing.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import time
import warnings
from pathlib import Path

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.io import read_volume

# A sound file takes 0.02 s. GDCM, given a damaged JPEG 2000 stream, touches up to 4 GB before it refuses: 13 s on a
# busy machine.
SECONDS_PER_VARIANT = 60.0
MEMORY_BYTES = 6 * 2**30  # of address space; SimpleITK and numpy map about 2 GB of libraries


def limit_memory() -> None:
    """Make absurd allocations fail at once, where the system can."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def outcome(path: Path) -> str:
    """Return ``"read"``, ``"refused"``, or the error nobody should see."""
    try:
        volume = read_volume(path)
    except KidneySegError as error:
        return "refused" if len(str(error)) > 40 else f"a message that says nothing: {error}"
    except Exception as error:  # noqa: BLE001 - the test is about exactly these
        return repr(error)
    return "read" if volume.array.size < 10**6 else f"{volume.array.size} voxels out of nothing"


def main(folder: Path) -> None:
    """Read every variant in `folder`, one after another."""
    warnings.simplefilter("ignore")
    limit_memory()
    for path in sorted(folder.iterdir()):
        faulthandler.dump_traceback_later(SECONDS_PER_VARIANT, exit=True)
        started = time.perf_counter()
        line = {"name": path.name, "outcome": outcome(path), "seconds": time.perf_counter() - started}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
