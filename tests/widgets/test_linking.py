"""Masks saved to files and opened again, in a real viewer."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.geometry import AxisMap, Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.images import read_volume, write_labels
from napari_kidney_seg.io.sidecar import write_sidecar
from napari_kidney_seg.widgets.edit import EditWidget
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ScanRecord, ct_layer_data, record_of
from napari_kidney_seg.widgets.layers import add_label_layers, class_layers
from napari_kidney_seg.widgets.linking import link_masks, masks_on_grid, other_grids, use_mask
from napari_kidney_seg.widgets.segment import SegmentWidget
from tests.widgets.conftest import PLUGIN, SHAPE, write_nifti


@pytest.fixture
def mask_file(mask, scan_file):
    """The mask saved as this package saves it."""
    path = scan_file.with_name("case_seg.nii.gz")
    write_labels(replace(mask, source=read_volume(scan_file).source), path)
    return path


@pytest.fixture
def edit(viewer, bundle, fake_run) -> EditWidget:
    widget = EditWidget(viewer, run=fake_run)
    viewer.window.add_dock_widget(widget, name="Edit")
    yield widget
    widget.close()


def open_all(viewer, *paths):
    for path in paths:
        viewer.open(str(path), plugin=PLUGIN)


def named(path, name):
    """Return a copy of the file at `path` under another name."""
    copy = path.with_name(name)
    copy.write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_saved_mask_opened_again_is_edited_on_its_scan(viewer, edit, scan_file, mask_file, order):
    files = (scan_file, mask_file)
    open_all(viewer, *(files[place] for place in order))

    assert sorted(edit.case.layers) == ["cyst", "kidney", "tumor"]
    assert edit._empty.isHidden()
    assert all(box.isEnabled() for box in edit._work)
    record = record_of(edit.case.layers["tumor"].metadata)
    assert (record.scan, record.label, record.opened_from) == ("case", "tumor", mask_file)
    assert record.source.path == scan_file


def test_a_scan_opened_after_its_mask_does_not_hide_it(qtbot, viewer, edit, scan_file, mask_file):
    open_all(viewer, mask_file, scan_file)

    qtbot.waitUntil(lambda: viewer.layers[0].name == "case", timeout=5000)
    assert [layer.name for layer in viewer.layers] == ["case", "kidney", "cyst", "tumor"]


def test_a_linked_mask_is_looked_at(qtbot, viewer, edit, scan_file, mask_file, mask):
    open_all(viewer, scan_file)
    viewer.dims.set_current_step(0, 0)

    open_all(viewer, mask_file)

    qtbot.waitUntil(lambda: bool(mask.array[viewer.dims.current_step[0]].any()), timeout=5000)


def test_an_edited_mask_goes_back_to_its_file_after_asking(qtbot, viewer, edit, scan_file, mask_file, monkeypatch):
    open_all(viewer, scan_file, mask_file)
    asked = []
    monkeypatch.setattr(
        "napari_kidney_seg.widgets.save_panel.QFileDialog.getSaveFileName",
        lambda *args: asked.append(args[2]) or (args[2], ""),
    )
    viewer.layers["tumor"].data_setitem((np.array([5]), np.array([6]), np.array([6])), 2)

    edit.save.save.click()
    qtbot.waitUntil(lambda: "read back" in edit.save.saved.text(), timeout=10_000)

    assert asked == [str(mask_file)]
    assert np.bincount(np.asarray(nib.load(mask_file).dataobj).ravel()).tolist()[1:] == [94, 5, 1]


def test_of_two_opened_masks_none_is_taken_before_a_person_chooses(viewer, edit, scan_file, mask_file):
    other = named(mask_file, "other.nii.gz")
    open_all(viewer, mask_file, other, scan_file)
    assert edit.case.layers == {}
    assert [button.text() for button in edit.scan.masks.offered] == [
        "Use the mask case_seg.nii.gz",
        "Use the mask other.nii.gz",
    ]

    edit.scan.masks.offered[1].click()

    assert {record_of(layer.metadata).opened_from for layer in edit.case.layers.values()} == {other}
    assert edit._empty.isHidden()
    places = [viewer.layers.index(layer) for layer in edit.case.layers.values()]
    assert viewer.layers.index(edit.case.ct_layer) < min(places)


def test_a_second_mask_never_mixes_with_the_first(viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file, named(mask_file, "other.nii.gz"))
    viewer.layers.remove(edit.case.layers["cyst"])
    link_masks(viewer.layers)

    assert sorted(edit.case.layers) == ["kidney", "tumor"]
    assert {record_of(layer.metadata).opened_from for layer in edit.case.layers.values()} == {mask_file}


def test_an_opened_mask_leaves_the_layers_of_a_run_alone(viewer, edit, scan_file, mask_file, mask):
    open_all(viewer, scan_file)
    found = add_label_layers(viewer, mask, edit.case.ct_layer)

    open_all(viewer, mask_file)

    assert list(class_layers(viewer.layers, edit.case.ct_layer).values()) == sorted(
        found, key=list(viewer.layers).index
    )


def test_where_two_scans_share_a_grid_the_person_chooses(viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, named(scan_file, "venous.nii.gz"), mask_file)
    assert edit.case.layers == {}

    edit.scan.masks.offered[0].click()

    assert record_of(edit.case.layers["kidney"].metadata).scan == "venous"  # the scan chosen in the widget


def test_a_mask_of_another_grid_is_refused_in_words(viewer, edit, scan, scan_file, tmp_path):
    shifted = Geometry.from_spacing(SHAPE, scan.spacing, (0.0, 0.0, 0.0))
    strange = write_nifti(tmp_path / "strange.nii.gz", LabelVolume(array=np.ones(SHAPE, np.uint8), geometry=shifted))

    open_all(viewer, scan_file, strange)

    assert edit.case.layers == {}
    (notice,) = edit.scan.masks.notices.notices
    assert notice.text == (
        "The mask 'strange.nii.gz' (10 x 12 x 14 voxels of 5 x 0.8 x 0.9 mm) cannot be edited on 'case' (10 x 12 x 14 "
        "voxels of 5 x 0.8 x 0.9 mm): its spacing, place or direction differs. Open the scan it was drawn on."
    )


def test_a_mask_opened_again_tells_its_run_and_the_warnings_of_that(viewer, edit, scan_file, mask_file, record):
    write_sidecar(mask_file, record)

    open_all(viewer, scan_file, mask_file)

    assert edit.save.about.text() == "Opened from case_seg.nii.gz, made by Coarse-to-fine 2.5D ResUNet, compact."
    assert edit.save.warnings.notices == record.notices


def test_a_mask_opened_once_more_is_offered_and_mixed_with_nothing(qtbot, viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file, mask_file)
    first = dict(edit.case.layers)
    assert [button.text() for button in edit.scan.masks.offered] == ["Use the mask case_seg.nii.gz"]
    assert edit.case.layers == first

    edit.scan.masks.offered[0].click()

    assert all(edit.case.layers[name] is not first[name] for name in first)
    assert edit.save.about.text() == (
        "Opened from case_seg.nii.gz. Left out, below others of their class: the layers kidney, cyst, tumor."
    )
    assert [layer.visible for layer in viewer.layers] == [True, False, False, False, True, True, True]


def test_the_mask_of_a_scan_that_was_closed_does_not_go_over_to_another(viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file)
    viewer.layers.remove("case")

    open_all(viewer, named(scan_file, "venous.nii.gz"))

    assert edit.case.layers == {}
    assert [button.text() for button in edit.scan.masks.offered] == ["Use the mask case_seg.nii.gz"]
    edit.scan.masks.offered[0].click()
    assert {record_of(layer.metadata).opened_from for layer in edit.case.layers.values()} == {mask_file}


def test_a_scan_that_is_opened_again_lies_below_the_mask_that_stayed(qtbot, viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file)
    viewer.layers.remove("case")

    open_all(viewer, scan_file)

    qtbot.waitUntil(lambda: viewer.layers.index("case") == 0)
    assert set(edit.case.layers) == {"kidney", "tumor", "cyst"}


def test_of_two_scans_the_one_opened_last_is_shown_and_then_the_chosen_one(qtbot, viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file)
    open_all(viewer, named(scan_file, "venous.nii.gz"))
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers if layer.visible] == ["venous"])

    choice = edit.scan.choice
    choice.setCurrentIndex(choice.findText("case"))
    choice.activated.emit(choice.currentIndex())

    assert {layer.name for layer in viewer.layers if layer.visible} == {"case", "kidney", "tumor", "cyst"}


def test_a_scan_chosen_in_one_widget_is_chosen_in_the_other(viewer, edit, bundle, fake_run, scan_file):
    segment = SegmentWidget(viewer, run=fake_run)
    viewer.window.add_dock_widget(segment, name="Segment")
    open_all(viewer, scan_file, named(scan_file, "venous.nii.gz"))

    choice = segment.scan.choice
    choice.setCurrentIndex(choice.findText("case"))
    choice.activated.emit(choice.currentIndex())

    assert edit.scan.layer is segment.scan.layer is viewer.layers["case"]
    segment.close()


def test_a_widget_opened_later_shows_the_scan_that_is_selected(viewer, edit, bundle, fake_run, scan_file):
    open_all(viewer, scan_file, named(scan_file, "venous.nii.gz"))
    viewer.layers.selection.active = viewer.layers["case"]

    segment = SegmentWidget(viewer, run=fake_run)

    assert segment.scan.layer is viewer.layers["case"]
    segment.close()


def test_a_widget_opened_later_shows_the_scan_whose_mask_is_selected(
    viewer, edit, bundle, fake_run, scan_file, mask_file
):
    open_all(viewer, scan_file, mask_file, named(scan_file, "venous.nii.gz"))
    viewer.layers.selection.active = class_layers(viewer.layers, viewer.layers["case"])["kidney"]

    segment = SegmentWidget(viewer, run=fake_run)

    assert segment.scan.layer is viewer.layers["case"]
    segment.close()


def test_a_widget_opened_later_with_nothing_selected_shows_the_scan_in_view(viewer, bundle, fake_run, scan_file):
    open_all(viewer, scan_file, named(scan_file, "venous.nii.gz"))
    viewer.layers["venous"].visible = False
    viewer.layers.selection.clear()

    segment = SegmentWidget(viewer, run=fake_run)

    assert segment.scan.layer is viewer.layers["case"]
    segment.close()


def test_choosing_the_same_scan_again_leaves_the_edited_class_selected(viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file)
    edit.classes.classes["tumor"].click()

    edit.scan.choice.activated.emit(edit.scan.choice.currentIndex())

    assert viewer.layers.selection.active is edit.case.layers["tumor"]


def test_a_picture_that_another_tool_lays_over_a_scan_hides_nothing(qtbot, viewer, edit, scan_file, mask_file):
    open_all(viewer, scan_file, mask_file)

    viewer.add_image(viewer.layers["case"].data.astype(np.float32), name="filtered")
    qtbot.wait(100)

    assert all(layer.visible for layer in viewer.layers)


def test_a_mask_whose_name_is_that_of_another_scan_is_offered_only(viewer, edit, scan_file, mask_file):
    named(scan_file, "venous.nii.gz")
    open_all(viewer, scan_file, named(mask_file, "venous_seg.nii.gz"))

    assert edit.case.layers == {}
    assert len(edit.scan.masks.offered) == 1


@pytest.mark.parametrize(("is_of_this_scan", "count"), [(True, 3), (False, 0)])
def test_the_record_beside_a_mask_says_whose_it_is(viewer, edit, scan_file, mask_file, record, is_of_this_scan, count):
    other = named(mask_file, "anything.nii.gz")
    sha256 = read_volume(scan_file).source.sha256
    write_sidecar(other, replace(record, source_sha256=sha256 if is_of_this_scan else "0" * 64))

    open_all(viewer, scan_file, other)

    assert len(edit.case.layers) == count


def test_a_mask_opened_beside_that_of_a_run_is_offered_and_then_counts(qtbot, viewer, edit, scan_file, mask_file, mask):
    open_all(viewer, scan_file)
    add_label_layers(viewer, mask, edit.case.ct_layer)
    open_all(viewer, mask_file)

    (offer,) = edit.scan.masks.offered
    offer.click()
    viewer.layers[-1].data_setitem((np.array([5]), np.array([6]), np.array([6])), 2)

    assert edit.case.layers["tumor"] is viewer.layers[-1]
    assert edit.save.about.text().startswith("Opened from case_seg.nii.gz. ")
    assert edit.save.save.text() == "Save case_seg.nii.gz"


def test_masks_and_scans_of_one_name_in_two_folders_find_each_other(qtbot, viewer, edit, scan_file, mask_file):
    (scan_file.parent / "labels").mkdir()
    same = scan_file.parent / "labels" / scan_file.name
    mask_file.rename(same)

    open_all(viewer, scan_file, same)

    assert {record_of(layer.metadata).opened_from for layer in edit.case.layers.values()} == {same}
    assert edit.save.save.toolTip() == f"Save on the scan's own grid: {same}"


def test_a_layer_that_was_duplicated_is_saved_once_as_the_one_on_top(qtbot, viewer, edit, scan_file, mask):
    open_all(viewer, scan_file)
    kidney, *_ = add_label_layers(viewer, mask, edit.case.ct_layer)
    copy = type(kidney).create(*kidney.as_layer_data_tuple())
    copy.data = np.where(mask.array == 1, 0, kidney.data)
    viewer.add_layer(copy)

    edit.save.save.click()
    qtbot.waitUntil(lambda: "read back" in edit.save.saved.text(), timeout=10_000)

    saved = np.asarray(nib.load(scan_file.with_name("case_seg.nii.gz")).dataobj)
    assert np.bincount(saved.ravel(), minlength=4).tolist()[1:] == [0, 4, 2]
    assert edit.save.about.text() == "Left out, below others of their class: the layers kidney."


def test_a_scan_whose_axes_another_reader_swapped_is_to_be_opened_again(viewer, edit, scan, scan_file, mask_file):
    swapped = viewer.add_image(np.ascontiguousarray(scan.array.T), name="case")
    swapped.metadata[METADATA_KEY] = ScanRecord(
        scan="x", geometry=scan.geometry.mapped(AxisMap(order=(2, 1, 0), flips=(False,) * 3))
    )
    open_all(viewer, mask_file)

    (notice,) = edit.scan.masks.notices.notices
    assert notice.text.endswith("Close the scan and open it with this plugin.")


def test_masks_whose_scan_is_open_by_name_are_not_offered(model, scan, mask):
    data, options, _ = ct_layer_data(scan)
    ct = model.add_image(data, **options)
    add_label_layers(model, mask, ct)

    assert masks_on_grid(model.layers, ct) == {}
    assert other_grids(model.layers, ct) == ()


def test_a_layer_without_a_record_is_left_as_it_is(model, scan):
    data, options, _ = ct_layer_data(scan)
    ct = model.add_image(data, **options)
    drawn = model.add_labels(np.zeros(SHAPE, np.uint8))

    use_mask([drawn], ct)
    link_masks(model.layers)

    assert record_of(drawn.metadata) is None


def test_without_an_opened_mask_no_file_is_read_again(model, scan, monkeypatch):
    adopted = []
    monkeypatch.setattr("napari_kidney_seg.widgets.layers.adopt", adopted.append)
    ct = model.add_image(scan.array, scale=(5, 0.8, 0.9), units=("mm",) * 3)

    assert masks_on_grid(model.layers, ct) == {}
    assert other_grids(model.layers, ct) == ()
    assert adopted == []
