from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.phantom.contrast import PHASES
from napari_kidney_seg.phantom.render import (
    PhantomOptions,
    analytic_labels,
    draw_recipe,
    render_phantom,
    sample_scan,
)

COARSE = (5.0, 4.0, 4.0)


def inner_median(phantom, label):
    volume, labels = phantom
    inside = ndimage.binary_erosion(labels.array == label)
    return float(np.median(volume.array[inside]))


def test_scan_and_labels_share_a_canonical_grid(phantom):
    volume, labels = phantom

    assert volume.array.dtype == np.int16
    assert labels.array.dtype == np.uint8
    assert volume.geometry.is_close(labels.geometry)
    assert volume.geometry.axis_codes == "IPL"
    assert volume.spacing == pytest.approx((4.0, 2.5, 2.5))
    assert volume.array.shape == (38, 104, 136)


def test_labels_keep_their_volume_and_place(kidneys, phantom):
    _, labels = phantom

    for name in ("kidney", "tumor", "cyst"):
        assert labels.volume_ml(name) == pytest.approx(kidneys.volume_ml(name), rel=0.03)
    for source, result in zip(kidney_center(kidneys), kidney_center(labels), strict=True):
        assert result == pytest.approx(source, abs=0.3)


def kidney_center(labels):
    index = np.argwhere(labels.array > 0).mean(0)
    return (labels.geometry.affine @ [*index, 1])[:3]


def test_the_same_seed_gives_the_same_voxels_and_another_another_body(kidneys, quiet):
    options = replace(quiet, spacing=COARSE, slice_thickness_mm=5.0)

    first, again, other = (render_phantom(kidneys, seed, options)[0].array.astype(int) for seed in (5, 5, 6))

    np.testing.assert_array_equal(first, again)
    assert np.mean(np.abs(first - other) > 60) > 0.1


@pytest.mark.parametrize(
    ("phase", "low", "high"),
    [("non-contrast", 22, 46), ("corticomedullary", 70, 200), ("nephrographic", 120, 220), ("excretory", 85, 190)],
)
def test_kidneys_have_the_attenuation_of_the_phase(kidneys, quiet, phase, low, high):
    phantom = render_phantom(kidneys, 2, replace(quiet, phase=phase, spacing=COARSE, slice_thickness_mm=5.0))

    assert low < inner_median(phantom, 1) < high


def test_a_cyst_is_darker_than_the_enhanced_kidney(phantom):
    assert inner_median(phantom, 3) < inner_median(phantom, 1) - 60


def test_the_body_holds_air_fat_muscle_and_bone(phantom):
    array = phantom[0].array

    shares = {
        "air": np.mean(array < -800),
        "fat": np.mean((array > -130) & (array < -70)),
        "soft": np.mean((array > 20) & (array < 130)),
        "bone": np.mean(array > 300),
    }

    assert 0.05 < shares["air"] < 0.6
    assert shares["fat"] > 0.1
    assert shares["soft"] > 0.1
    assert 0.002 < shares["bone"] < 0.1


def test_without_lesions_everything_is_kidney(kidneys, quiet):
    options = replace(quiet, with_lesions=False, spacing=COARSE, slice_thickness_mm=5.0)

    _, labels = render_phantom(kidneys, 4, options)

    whole_ml = sum(kidneys.volume_ml(name) for name in ("kidney", "tumor", "cyst"))
    assert set(np.unique(labels.array)) == {0, 1}
    assert labels.volume_ml("kidney") == pytest.approx(whole_ml, rel=0.03)


def test_no_kidney_is_painted_where_none_is_labelled(quiet):
    empty = analytic_labels(0, "none", COARSE)
    options = replace(quiet, phase="nephrographic", spacing=COARSE, slice_thickness_mm=5.0)

    volume, labels = render_phantom(empty, 0, options)

    assert not labels.array.any()
    assert volume.array.max() > 300


def test_a_dilated_pelvis_holds_urine_where_fat_was(kidneys, quiet):
    options = replace(quiet, spacing=(5.0, 3.0, 3.0), slice_thickness_mm=5.0)
    plain, labels = render_phantom(kidneys, 4, options)
    dilated, _ = render_phantom(kidneys, 4, replace(options, hydronephrosis=True))

    sinus = ndimage.binary_closing(labels.array > 0, iterations=3) & (labels.array == 0)

    assert dilated.array[sinus].mean() > plain.array[sinus].mean() + 15


def test_thin_patients_have_less_fat(kidneys, quiet):
    def fat_share(fat):
        array = render_phantom(kidneys, 1, replace(quiet, fat=fat, spacing=COARSE))[0].array
        return np.mean((array > -140) & (array < -60))

    assert fat_share(0.0) < 0.7 * fat_share(1.0)


def test_an_unknown_phase_is_refused(kidneys):
    with pytest.raises(KidneySegError, match="'venous'"):
        render_phantom(kidneys, 0, PhantomOptions(phase="venous"))


def test_open_options_are_drawn_over_their_whole_range():
    recipes = [draw_recipe(PhantomOptions(), np.random.default_rng(seed)) for seed in range(300)]

    assert {recipe.phase for recipe in recipes} == set(PHASES)
    assert np.mean([recipe.phase == "non-contrast" for recipe in recipes]) == pytest.approx(0.28, abs=0.07)
    assert {recipe.slice_thickness_mm for recipe in recipes} == {1.0, 1.5, 2.5, 3.0, 5.0}
    assert min(recipe.fat for recipe in recipes) < 0.05
    assert max(recipe.fat for recipe in recipes) > 0.95


def test_fixed_options_are_kept():
    recipe = draw_recipe(PhantomOptions(phase="excretory", fat=0.0, metal=False), np.random.default_rng(0))

    assert (recipe.phase, recipe.fat, recipe.metal) == ("excretory", 0.0, False)


def test_the_sample_shows_one_tumor_and_one_cyst():
    volume, labels = sample_scan()

    assert volume.spacing == pytest.approx((3.0, 1.5, 1.5))
    assert labels.volume_ml("tumor") > 5
    assert labels.volume_ml("cyst") > 5
    assert 90 < np.median(volume.array[labels.array == 1]) < 230


def test_a_kits_label_map_keeps_its_volumes(shared_data, quiet):
    nib = pytest.importorskip("nibabel")
    from napari_kidney_seg.core.geometry import Geometry
    from napari_kidney_seg.core.volume import LabelVolume

    image = nib.load(shared_data / "kits23_labels" / "case_00002.nii.gz")
    array = np.asarray(image.dataobj).astype(np.uint8)
    labels = LabelVolume(
        array=array, geometry=Geometry(shape=array.shape, affine=np.diag([-1, -1, 1, 1]) @ image.affine)
    )
    options = replace(quiet, field_of_view_mm=(260.0, 280.0, 380.0), slice_thickness_mm=3.0)

    _, rendered = render_phantom(labels, 2, options)

    for name in ("kidney", "tumor", "cyst"):
        assert rendered.volume_ml(name) == pytest.approx(labels.volume_ml(name), rel=0.03)
