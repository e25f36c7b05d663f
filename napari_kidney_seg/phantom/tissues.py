"""Which tissue each organ of a whole-body label map is made of.

Names are those of TotalSegmentator; a few others are understood as well.

References
----------
.. [1] Wasserthal et al., "TotalSegmentator", Radiology: Artificial Intelligence 5 (2023) e230024.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from napari_kidney_seg.phantom.contrast import FAT_HU, GAS_HU, LUNG_HU

KIDNEY_PREFIXES = ("kidney_left", "kidney_right")
KIDNEY_CYST_PREFIX = "kidney_cyst"
BONE_PREFIXES = (
    "vertebrae", "sacrum", "rib_", "hip_", "femur", "humerus", "scapula", "clavicula", "sternum", "skull",
)  # fmt: skip
BOWEL_PREFIXES = ("small_bowel", "duodenum", "colon", "stomach", "esophagus")
LUNG_PREFIX = "lung_"
LIMB_PREFIXES = ("humerus", "scapula", "clavicula", "skull", "brain")  # do not shape the trunk
MUSCLE_PREFIXES = ("gluteus", "autochthon", "iliopsoas")

# Organ name prefix -> tissue of the contrast table, or HU. The first match counts.
_TISSUE: Mapping[str, str | float] = MappingProxyType(
    {
        "kidney": FAT_HU,  # painted later from labels
        "spleen": "spleen",
        "gall": 9.0,
        "liver": "liver",
        "stomach": "bowel wall",
        "pancreas": "pancreas",
        "adrenal": "adrenal",
        "lung": LUNG_HU,
        "trachea": GAS_HU,
        "thyroid": 110.0,
        "urinary_bladder": "urine",
        "prostate": "muscle",
        "vertebrae": "marrow",
        "sacrum": "marrow",
        "heart": "vena cava",
        "atrial": "vena cava",
        "aorta": "aorta",
        "pulmonary_vein": "aorta",
        "brachiocephalic_trunk": "aorta",
        "subclavian_artery": "aorta",
        "common_carotid": "aorta",
        "iliac_artery": "aorta",
        "brachiocephalic_vein": "vena cava",
        "superior_vena": "vena cava",
        "inferior_vena": "vena cava",
        "postcava": "vena cava",
        "iliac_vena": "vena cava",
        "portal_vein": "portal vein",
        "spinal_cord": 35.0,
        "brain": 35.0,
        "costal": 110.0,
        **dict.fromkeys(BOWEL_PREFIXES, "bowel wall"),
        **dict.fromkeys(BONE_PREFIXES, "marrow"),
        **dict.fromkeys(MUSCLE_PREFIXES, "muscle"),
    }
)


def organ_hu(name: str, hu: Mapping[str, float]) -> float:
    """Return the mean attenuation of the organ called `name`, HU; organs not known are muscle.

    Parameters
    ----------
    hu : mapping
        HU by tissue, as `draw_contrast` gives.
    """
    tissue = next((value for prefix, value in _TISSUE.items() if name.startswith(prefix)), "muscle")
    return hu[tissue] if isinstance(tissue, str) else tissue
