"""Attenuation of each tissue in each contrast phase.

The table holds typical means in Hounsfield units; `draw_contrast` varies them the way patients vary.

References
----------
.. [1] Bae, "Intravenous contrast medium administration and scan timing at CT", Radiology 256 (2010) 32-61: vessels and
   solid organs by phase.
.. [2] Kim et al., "Differentiation of subtypes of renal cell carcinoma on helical CT scans", AJR 178 (2002) 1499-1506:
   enhancement of clear cell, papillary and chromophobe tumors.
.. [3] Kodama et al., "Comparison of CT methods for determining the fat content of the liver", AJR 188 (2007) 1307-1312:
   liver and spleen without contrast, fatty liver.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from napari_kidney_seg.core.errors import check_choice

PHASES = ("non-contrast", "corticomedullary", "portal venous", "nephrographic", "excretory")

FAT_HU = -104.0
AIR_HU = -1000.0
GAS_HU = -930.0
LUNG_HU = -850.0
CORTICAL_BONE_HU = 520.0

TISSUE_HU: Mapping[str, tuple[float, float, float, float, float]] = MappingProxyType(
    {  # one column per phase
        "cortex": (33, 175, 185, 180, 130),
        "medulla": (30, 80, 145, 172, 125),
        "urine": (6, 8, 10, 45, 420),
        "clear cell": (36, 125, 110, 95, 72),
        "papillary": (36, 58, 72, 76, 66),
        "chromophobe": (37, 88, 92, 84, 68),
        "oncocytoma": (36, 118, 112, 102, 78),
        "angiomyolipoma": (30, 75, 80, 70, 58),
        "aorta": (42, 310, 165, 140, 105),
        "vena cava": (40, 95, 150, 140, 105),
        "renal vein": (40, 155, 165, 145, 105),
        "portal vein": (42, 115, 175, 150, 110),
        "liver": (57, 72, 110, 105, 88),
        "spleen": (48, 125, 125, 112, 90),
        "pancreas": (40, 105, 90, 80, 60),
        "adrenal": (30, 70, 75, 65, 50),
        "muscle": (54, 60, 64, 64, 62),
        "bowel wall": (38, 78, 90, 80, 62),
        "marrow": (135, 145, 160, 155, 150),
        "node": (38, 70, 88, 84, 74),
    }
)

TUMOR_SUBTYPES = ("clear cell", "papillary", "chromophobe", "oncocytoma", "angiomyolipoma")

# What lies around the kidneys, and looks like them when its attenuation does.
NEIGHBORS = (
    "aorta", "vena cava", "renal vein", "portal vein", "liver", "spleen", "pancreas", "adrenal", "muscle", "bowel wall",
    "node",
)  # fmt: skip

_SPREAD_HU = 4.0  # standard deviation of a tissue between patients, without contrast
_MARROW_SPREAD_HU = 35.0  # bone density falls with age
_FATTY_LIVER_SHARE = 0.2


def draw_contrast(phase: str, rng: np.random.Generator, neighbors_spread_hu: float = 0.0) -> dict[str, float]:
    """Return the attenuation of every tissue of `TISSUE_HU` for one patient, HU.

    Parameters
    ----------
    phase : str
        One of `PHASES`.
    rng : Generator
        Decides the strength of enhancement, its delay and the spread of each tissue.
    neighbors_spread_hu : float
        Standard deviation of what is added to each of `NEIGHBORS` besides, HU: no patient is like that, but what learns
        from such phantoms must go by shape and place.

    Raises
    ------
    KidneySegError
        If `phase` is not one of `PHASES`.
    """
    column = phase_index(phase)
    dose = rng.uniform(0.78, 1.18)
    drawn = {}
    for tissue, means in TISSUE_HU.items():
        enhancement = (means[column] - means[0]) * dose * rng.uniform(0.88, 1.12)
        drawn[tissue] = means[0] + enhancement + rng.normal(0, _SPREAD_HU)
    drawn["marrow"] += rng.normal(0, _MARROW_SPREAD_HU)
    drawn["cortex"] += rng.uniform(0, 3)
    if rng.uniform() < _FATTY_LIVER_SHARE:
        drawn["liver"] -= rng.uniform(8, 45)
    if neighbors_spread_hu > 0:
        for tissue in NEIGHBORS:
            drawn[tissue] += rng.normal(0, neighbors_spread_hu)
    return drawn


def phase_index(phase: str) -> int:
    """Return the column of `phase` in `TISSUE_HU`.

    Raises
    ------
    KidneySegError
        If `phase` is not one of `PHASES`.
    """
    check_choice("phase", phase, PHASES)
    return PHASES.index(phase)
