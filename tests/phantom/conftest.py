"""Small label maps and scans that the tests of this room share."""

from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.phantom.anatomy import OrganMap
from napari_kidney_seg.phantom.render import PhantomOptions, analytic_labels, render_phantom


@pytest.fixture(scope="session")
def kidneys() -> LabelVolume:
    """Two analytic kidneys with a tumor and a cyst."""
    return analytic_labels(25, "both", spacing=(3.0, 2.0, 2.0), tumors=1, cysts=1)


@pytest.fixture(scope="session")
def quiet() -> PhantomOptions:
    """A small scan that holds all of the kidneys, with little noise."""
    return PhantomOptions(
        phase="portal venous",
        spacing=(4.0, 2.5, 2.5),
        field_of_view_mm=(150.0, 260.0, 340.0),
        slice_thickness_mm=4.0,
        fat=0.5,
        noise_hu=5.0,
        metal=False,
        hydronephrosis=False,
        offset_hu=0.0,
    )


@pytest.fixture(scope="session")
def phantom(kidneys: LabelVolume, quiet: PhantomOptions) -> tuple[Volume, LabelVolume]:
    """A scan of `kidneys` and its labels."""
    return render_phantom(kidneys, 4, quiet)


@pytest.fixture(scope="session")
def organs() -> OrganMap:
    """A body of boxes, 3 mm voxels: kidneys beside a spine, liver before the right one, colon before the left."""
    geometry = Geometry.from_spacing((50, 60, 90), (3.0, 3.0, 3.0), origin=(-133.5, -88.5, 73.5))
    boxes = {
        "liver": (slice(2, 30), slice(6, 34), slice(8, 36)),
        "colon": (slice(20, 48), slice(8, 30), slice(66, 80)),
        "vertebrae_L1": (slice(0, 50), slice(32, 46), slice(38, 52)),
        "autochthon_left": (slice(0, 50), slice(46, 56), slice(54, 68)),
        "autochthon_right": (slice(0, 50), slice(46, 56), slice(22, 36)),
        "aorta": (slice(0, 50), slice(25, 31), slice(46, 52)),
        "kidney_right": (slice(12, 44), slice(35, 45), slice(16, 28)),
        "kidney_left": (slice(10, 42), slice(35, 45), slice(62, 74)),
    }
    masks = {name: np.zeros(geometry.shape, bool) for name in boxes}
    for name, box in boxes.items():
        masks[name][box] = True
    return OrganMap.from_masks(masks, geometry)
