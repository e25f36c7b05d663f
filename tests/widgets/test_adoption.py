from __future__ import annotations

import numpy as np
import pytest
from napari.layers._source import layer_source

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import AxisMap
from napari_kidney_seg.io.images import read_volume
from napari_kidney_seg.widgets.adoption import AXIS_MAPS, find_axis_map
from napari_kidney_seg.widgets.layers import volume_from_layer


def opened_elsewhere(model, array, path=None, **options):
    """Add `array` as another reader would have, naming its file."""
    with layer_source(path=path and str(path), reader_plugin="other-reader"):
        return model.add_image(array, **options)


def test_there_are_48_orientations_and_each_is_found(scan):
    found = [find_axis_map(scan.array, axis_map.apply(scan.array)) for axis_map in AXIS_MAPS]

    assert len(AXIS_MAPS) == 48
    assert found == list(AXIS_MAPS)


def test_another_array_is_in_no_orientation_of_the_scan(scan):
    assert find_axis_map(scan.array, scan.array + 1) is None


def test_a_layer_of_another_reader_gets_its_place_from_its_file(model, scan, scan_file):
    axis_map = AxisMap(order=(2, 1, 0), flips=(True, False, True))
    layer = opened_elsewhere(model, axis_map.apply(scan.array), scan_file, scale=(-0.9, 0.8, 5))

    volume = volume_from_layer(layer)

    np.testing.assert_array_equal(volume.array, scan.array)
    assert volume.geometry.is_close(scan.geometry)
    assert volume.source.geometry.is_close(read_volume(scan_file).source.geometry)
    assert "opened by other-reader" in volume.notes[-1]


def test_a_layer_in_millimeters_without_a_file_is_taken_as_shown_and_says_so(model, scan):
    layer = opened_elsewhere(
        model, scan.array, scale=(5, 0.8, 0.9), translate=(-900, -100, -60), units=("mm", "mm", "mm")
    )

    volume = volume_from_layer(layer)

    assert volume.geometry.is_close(scan.geometry)
    assert "is not known. Its axes were taken as shown: inferior, posterior, left" in volume.notes[-1]


def test_micrometers_are_brought_to_millimeters(model, scan):
    layer = opened_elsewhere(model, scan.array, scale=(5000, 800, 900), units=("um", "um", "um"))

    np.testing.assert_allclose(volume_from_layer(layer).spacing, (5, 0.8, 0.9))


def test_a_negative_scale_turns_the_axis_around(model, scan):
    layer = opened_elsewhere(model, scan.array[::-1], scale=(-5, 0.8, 0.9), units=("mm", "mm", "mm"))

    volume = volume_from_layer(layer)

    assert volume.geometry.axis_codes == "IPL"
    np.testing.assert_array_equal(volume.array, scan.array)


def test_a_layer_in_pixels_is_refused_with_what_to_do(model, scan):
    layer = opened_elsewhere(model, scan.array)

    with pytest.raises(GeometryMismatchError, match=r"has no spacing.*Open the file itself"):
        volume_from_layer(layer)
