import numpy as np
import pytest

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.methods.bisc_unet import CLASSES, METHOD, REGION, SPACING, fuse, plain_loss
from napari_kidney_seg.training.augmentation import ScaleShift
from napari_kidney_seg.training.losses.balanced_cross_entropy import PlainCrossEntropy

KITS19_GRID = Geometry.from_spacing((100, 512, 512), SPACING)


def test_the_papers_sizes_and_recipe():
    rough, fine = METHOD.stages

    assert (rough.window, fine.window, fine.divisor) == ((32, 128, 128), (32, 96, 96), (16, 16, 16))
    assert rough.grid.shape_for(Geometry.from_spacing((200, 512, 512), (1.5, 0.7, 0.7))) == (100, 128, 128)
    assert (fine.recipe.optimizer, fine.recipe.learning_rate, fine.recipe.batch) == ("adam", 1e-4, 8)
    # 168 cases, 8 windows a step: about 200 steps an epoch, 4000 in all.
    assert 168 * fine.recipe.windows_per_case // 8 * fine.recipe.epochs == 4200
    assert METHOD.classes == ("kidney", "tumor")


def test_padding_is_air_in_every_preset():
    for preset in METHOD.presets:
        assert [stage.pad_value for stage in METHOD.with_preset(preset).stages] == [0, 0]


@pytest.mark.parametrize(
    ("extent", "size"),
    [
        ((37, 101, 96), (48, 160, 160)),  # the median kidney of KiTS19
        ((16, 160, 90), (32, 160, 160)),  # strictly more slices than the kidney has
        ((15.9, 90, 161), (16, 192, 192)),
        ((61, 193, 100), (64, 208, 208)),
        ((61, 282, 100), (64, 288, 288)),  # the widest of the references
    ],
)
def test_a_region_has_160_or_192_pixels_or_the_next_multiple_of_16(extent, size):
    assert REGION.size_for(extent) == size


def test_a_region_is_centered_on_its_kidney_and_shifted_into_the_scan():
    inside = REGION.around(Box((40, 200, 200), (70, 300, 300)), KITS19_GRID)
    at_the_edge = REGION.around(Box((0, 0, 450), (30, 100, 512)), KITS19_GRID)

    assert inside == Box((39, 170, 170), (71, 330, 330))
    assert at_the_edge == Box((0, 0, 352), (32, 160, 512))


def test_a_region_on_another_grid_gets_the_wanted_working_voxels():
    geometry = Geometry.from_spacing((300, 400, 400), (1.0, 0.9, 0.9))
    stage = METHOD.stage("fine")

    box = REGION.around(Box((100, 150, 150), (200, 250, 250)), geometry)
    working = stage.grid.shape_for(geometry.cropped(box))

    assert stage.window_for(working) == (48, 160, 160)


def test_a_scan_within_one_percent_of_the_papers_spacing_gets_regions_of_exactly_160_of_its_own_voxels():
    grid = Geometry.from_spacing((100, 512, 512), (3.02, 0.7875, 0.775))

    region = REGION.around(Box((20, 200, 200), (50, 300, 300)), grid)

    assert region.shape == (32, 160, 160)
    assert METHOD.stage("fine").grid.shape_for(grid.cropped(region)) == (32, 160, 160)
    assert METHOD.stage("rough").grid.shape_for(grid) == (100, 128, 128)


def output_of(*regions):
    """Return the fine stage's output from (box, certainty of the kidney) pairs."""
    made = []
    for box, kidney in regions:
        probabilities = np.zeros((3, *box.shape), np.float32)
        probabilities[0], probabilities[1] = 1 - kidney, kidney
        made.append(RegionOutput(box=box, probabilities=probabilities))
    return {"fine": StageOutput(stage="fine", classes=CLASSES, regions=tuple(made))}


def test_where_regions_overlap_their_mean_decides_and_outside_is_background():
    geometry = Geometry.from_spacing((4, 4, 10), (1.0, 1.0, 1.0))
    sure, unsure = (Box((0, 0, 1), (4, 4, 6)), 0.9), (Box((0, 0, 4), (4, 4, 9)), 0.3)

    labels = result_of(fuse(output_of(sure, unsure), geometry))

    assert labels[2, 2].tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_plain_cross_entropy_is_selectable():
    assert plain_loss().branch == PlainCrossEntropy()


def test_the_compact_preset_also_varies_intensities():
    for paper, small in zip(METHOD.stages, METHOD.with_preset("compact").stages, strict=True):
        assert small.recipe.augmentation == (*paper.recipe.augmentation, ScaleShift(scale=0.15, shift=0.15))


def test_smaller_presets_keep_the_regions_size_in_millimeters():
    for preset in ("compact", "smoke"):
        stage = METHOD.with_preset(preset).stage("fine")
        assert stage.region.sizes[0] * stage.region.spacing[1] == pytest.approx(160 * SPACING[1])
        assert stage.recipe.sampler.rule == stage.region
        assert stage.grid.spacing == stage.region.spacing
