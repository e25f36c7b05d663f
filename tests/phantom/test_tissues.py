import numpy as np
import pytest

from napari_kidney_seg.phantom.contrast import draw_contrast
from napari_kidney_seg.phantom.tissues import organ_hu

HU = draw_contrast("portal venous", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("organ", "tissue"),
    [
        ("liver", "liver"),
        ("vertebrae_L3", "marrow"),
        ("iliac_artery_left", "aorta"),
        ("iliac_vena_left", "vena cava"),
        ("autochthon_right", "muscle"),
        ("adrenal_gland_left", "adrenal"),
        ("small_bowel", "bowel wall"),
        ("something_new", "muscle"),
    ],
)
def test_an_organ_has_the_attenuation_of_its_tissue(organ, tissue):
    assert organ_hu(organ, HU) == HU[tissue]


def test_lungs_hold_air_and_kidneys_are_left_to_their_own_painter():
    assert organ_hu("lung_lower_lobe_left", HU) == -850
    assert organ_hu("kidney_left", HU) == -104
