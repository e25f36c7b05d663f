from __future__ import annotations

import subprocess
import sys

READ_ALL = """
import sys
from napari_kidney_seg.methods import REGISTRY, get_method
for name in REGISTRY:
    get_method(name)
print(*sorted({"torch", "monai", "lightning"} & set(sys.modules)))
"""


def test_reading_every_method_loads_no_learning_library():
    finished = subprocess.run([sys.executable, "-c", READ_ALL], capture_output=True, text=True, check=True)

    assert finished.stdout.split() == []
