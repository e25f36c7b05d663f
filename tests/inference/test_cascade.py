import threading
import time
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from napari_kidney_seg.core.averaging import Averaging
from napari_kidney_seg.core.errors import (
    GeometryMismatchError,
    InsufficientMemoryError,
    KidneySegError,
    UnknownMethodError,
)
from napari_kidney_seg.core.events import Notice, Progress, StageDone, result_of
from napari_kidney_seg.core.geometry import AxisMap, Geometry
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.guide import Guide
from napari_kidney_seg.core.volume import LabelVolume, Source, Volume
from napari_kidney_seg.imaging.cropping import padded_to
from napari_kidney_seg.imaging.resampling import resize
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.checks import result_notices
from napari_kidney_seg.inference.engines.build import build_engine
from napari_kidney_seg.inference.fusion import nested_thresholds
from napari_kidney_seg.inference.regions import AroundForeground
from tests.inference.fakes import (
    HU,
    LESION,
    ORGAN,
    TORCH,
    FakeBundle,
    Oracle,
    codes,
    finished,
    fuse_three,
    method_of,
    oracle_stage,
    organ_only,
    scan_of,
    segment,
)

ORIENTATIONS = [
    AxisMap(order=order, flips=flips)
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3))
]

UNMIRRORED = Averaging(mirrors=())


def oriented(volume: Volume, axis_map: AxisMap) -> Volume:
    return Volume(array=axis_map.apply(volume.array), geometry=volume.geometry.mapped(axis_map), name=volume.name)


@pytest.mark.parametrize("axis_map", ORIENTATIONS, ids=lambda one: f"{one.order}{[int(flip) for flip in one.flips]}")
def test_cascade_gives_the_same_mask_in_every_orientation(axis_map, scan, labels, three_stages):
    turned = oriented(scan, axis_map)

    result = segment(turned, three_stages)

    np.testing.assert_array_equal(result.labels.array, axis_map.apply(labels))
    assert result.labels.geometry is turned.geometry


@pytest.mark.parametrize("axis_map", ORIENTATIONS[::7])
def test_single_stage_gives_the_same_mask_in_every_orientation(axis_map, scan, labels, one_stage):
    result = segment(oriented(scan, axis_map), one_stage)

    np.testing.assert_array_equal(result.labels.array, axis_map.apply(labels > 0))


def test_result_keeps_source_and_name_of_the_scan(scan, one_stage, tmp_path):
    source = Source(path=tmp_path, format="memory", geometry=scan.geometry)

    labels = segment(replace(scan, source=source), one_stage).labels

    assert labels.source is source
    assert labels.name == "fake"
    assert labels.array.dtype == np.uint8


def test_two_runs_give_identical_labels_and_probabilities(scan, three_stages):
    noisy = scan.with_array(scan.array + np.random.default_rng(0).normal(0, 40, scan.array.shape))

    first, second = segment(noisy, three_stages), segment(noisy, three_stages)

    np.testing.assert_array_equal(first.labels.array, second.labels.array)
    np.testing.assert_array_equal(
        first.outputs["lesion"].regions[0].probabilities, second.outputs["lesion"].regions[0].probabilities
    )


def test_scan_thinner_than_the_window_is_padded_and_cut_back(labels, three_stages):
    thin = labels[8:11]

    result = segment(scan_of(thin), three_stages)

    np.testing.assert_array_equal(result.labels.array, thin)


def test_progress_rises_to_one_and_counts_every_window(scan, three_stages):
    events, _ = finished(run_cascade(scan, three_stages, FakeBundle(three_stages), options=TORCH))

    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    lesion = [event for event in events if isinstance(event, Progress) and event.stage == "lesion"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    counts = range(lesion[0].total + 1)  # each but the last is told again between a window and its mirrored one
    assert [event.done for event in lesion] == sorted([*counts, *counts[:-1]])


def test_every_stage_reports_that_it_is_done_and_its_time(scan, three_stages):
    events, result = finished(run_cascade(scan, three_stages, FakeBundle(three_stages), options=TORCH))

    done = [(event.stage, event.cached) for event in events if isinstance(event, StageDone)]
    assert done == [("coarse", False), ("kidney", False), ("lesion", False)]
    assert {"prepare", "coarse", "kidney", "lesion", "fuse"} <= set(result.seconds)
    assert (result.engine, result.device) == ("torch", "cpu")


def test_members_of_an_ensemble_are_averaged(scan, one_stage):
    bundle = FakeBundle(one_stage, members_per_stage=2)
    certain = bundle.members("kidney")[0]
    bundle.members = lambda stage: [certain, {"gain": 0 * certain["gain"]}]

    _, both = finished(run_cascade(scan, one_stage, bundle, options=TORCH))
    _, first = finished(run_cascade(scan, one_stage, bundle, options=replace(TORCH, averaging=Averaging(members=1))))

    kidney = first.outputs["kidney"].regions[0].probabilities[1]
    np.testing.assert_allclose(both.outputs["kidney"].regions[0].probabilities[1], (kidney + 0.5) / 2, atol=1e-3)


def test_mirrors_can_be_left_out(scan, three_stages, monkeypatch):
    seen = []
    forward = Oracle.forward
    monkeypatch.setattr(Oracle, "forward", lambda self, windows: seen.append(len(windows)) or forward(self, windows))

    segment(scan, three_stages)
    with_mirrors = len(seen)
    segment(scan, three_stages, options=replace(TORCH, averaging=UNMIRRORED))

    windows_of_coarse = 1
    assert with_mirrors - windows_of_coarse == 2 * (len(seen) - with_mirrors - windows_of_coarse)


def predictions_of_a_run(scan, method, averaging, monkeypatch):
    """Return how many windows the networks saw in a run over two models, and its notices."""
    seen = []
    forward = Oracle.forward
    with monkeypatch.context() as patched:
        patched.setattr(Oracle, "forward", lambda self, windows: seen.append(1) or forward(self, windows))
        bundle, options = FakeBundle(method, members_per_stage=2), replace(TORCH, averaging=averaging)
        result = finished(run_cascade(scan, method, bundle, options=options))[1]
    return len(seen), result.notices


def test_a_chosen_averaging_makes_its_own_predictions_and_says_so(scan, one_stage, monkeypatch):
    single, said = predictions_of_a_run(scan, one_stage, Averaging(name="one", members=1), monkeypatch)
    mirrored = Averaging(name="four", mirrors=((0,), (1,), (0, 1)))

    count, notices = predictions_of_a_run(scan, one_stage, mirrored, monkeypatch)

    assert count == 2 * 4 * single
    (notice,) = [one for one in notices if one.code == "averaging"]
    assert notice.level == "info"
    assert notice.text == (
        "Averaging 'four': the mean of 8 predictions of each window (plain and mirrored 3 ways, by 2 models); it takes "
        "about 8 times as long as one."
    )
    assert "Averaging 'one': one prediction of each window." in [one.text for one in said]


def test_without_a_choice_every_model_predicts_as_the_stage_says_and_nothing_is_told(scan, one_stage, monkeypatch):
    single, _ = predictions_of_a_run(scan, one_stage, Averaging(members=1), monkeypatch)

    count, notices = predictions_of_a_run(scan, one_stage, TORCH.averaging, monkeypatch)

    assert count == 2 * single
    assert "averaging" not in codes(notices)


def test_the_first_engine_is_made_while_the_scan_is_prepared(scan, one_stage, monkeypatch):
    prepared, made = threading.Event(), threading.Event()

    def engine(spec, options, device):
        made.set()
        assert prepared.wait(15)
        return build_engine(spec, options, device)

    monkeypatch.setattr("napari_kidney_seg.inference.stage_run.build_engine", engine)
    run = run_cascade(scan, one_stage, FakeBundle(one_stage), options=TORCH)
    while not (is_progress(event := next(run), "prepare") and event.done):
        pass

    assert made.wait(15)
    prepared.set()
    assert result_of(run).labels.array.any()


def notices_on(labels, values, mask):
    """Return what is told of `mask` on a scan of `values`, 0.64 ml a voxel."""
    scan = scan_of(labels, spacing=(10.0, 8.0, 8.0)).with_array(values.astype(np.float32))
    return list(result_notices(mask.astype(np.uint8), scan))


class TestCancel:
    def test_closing_stops_before_the_next_window(self, scan, three_stages, monkeypatch):
        seen = []
        forward = Oracle.forward
        monkeypatch.setattr(Oracle, "forward", lambda self, windows: seen.append(1) or forward(self, windows))
        options = replace(TORCH, averaging=UNMIRRORED)
        run = run_cascade(scan, three_stages, FakeBundle(three_stages), options=options)

        for event in run:
            if isinstance(event, Progress) and event.stage == "kidney" and event.done == 2:
                break
        run.close()

        assert len(seen) == 1 + 2

    def test_finished_stages_stay_in_the_cache(self, scan, three_stages):
        cache = {}
        run = run_cascade(scan, three_stages, FakeBundle(three_stages), options=TORCH, cache=cache)

        next(event for event in run if isinstance(event, StageDone))
        next(run)
        run.close()

        assert list(cache) == ["coarse"]

    @pytest.mark.alone
    def test_a_run_is_closed_at_once_while_an_engine_is_made(self, scan, one_stage, monkeypatch):
        goes_on = threading.Event()

        def slow_engine(spec, options, device):
            goes_on.wait(15)
            return build_engine(spec, options, device)

        monkeypatch.setattr("napari_kidney_seg.inference.stage_run.build_engine", slow_engine)
        run = run_cascade(scan, one_stage, FakeBundle(one_stage), options=TORCH)
        waiting = [next(event for event in run if is_progress(event, "kidney")) for _ in range(3)]
        started = time.perf_counter()
        run.close()
        seconds = time.perf_counter() - started
        goes_on.set()

        assert [event.done for event in waiting] == [0, 0, 0]
        assert seconds < 1.5

    def test_fusing_can_be_stopped_between_two_slabs(self, labels, three_stages):
        joined = []

        def slow_fusion(outputs, geometry):
            for slab in range(1000):
                joined.append(slab)
                yield slab
            raise AssertionError("the run was not stopped")

        run = run_cascade(
            scan_of(labels), replace(three_stages, fuse=slow_fusion), FakeBundle(three_stages), options=TORCH
        )
        for event in run:
            if is_progress(event, "fuse") and event.done == 2:
                break
        run.close()

        assert joined == [0, 1, 2]


def is_progress(event, stage):
    return isinstance(event, Progress) and event.stage == stage


class TestGivenAndCached:
    def test_second_run_reuses_every_output(self, scan, three_stages):
        cache = {}
        first = segment(scan, three_stages, cache=cache)
        bundle = FakeBundle(three_stages)

        events, second = finished(run_cascade(scan, three_stages, bundle, cache=cache, options=TORCH))

        assert bundle.asked == []
        assert [event.cached for event in events if isinstance(event, StageDone)] == [True, True, True]
        np.testing.assert_array_equal(first.labels.array, second.labels.array)

    def test_given_output_replaces_its_stage_and_what_only_it_required(self, scan, labels, three_stages):
        coarse, kidney, lesion = three_stages.stages
        chained = replace(
            three_stages, stages=(coarse, kidney, replace(lesion, requires=("kidney",))), fuses=("kidney", "lesion")
        )
        around = replace(lesion.region, sources=("coarse", "kidney"))
        chained = replace(chained, stages=(coarse, kidney, replace(chained.stages[2], region=around)))
        bundle = FakeBundle(chained)
        edited = labels * (np.arange(44) < 22)  # only the right kidney

        _, result = finished(run_cascade(scan, chained, bundle, given={"kidney": edited}, options=TORCH))

        assert bundle.asked == ["lesion"]
        assert result.outputs["kidney"].given
        np.testing.assert_array_equal(result.labels.array, edited)

    def test_newly_given_output_runs_again_what_depends_on_it(self, scan, labels, three_stages):
        cache = {}
        segment(scan, three_stages, cache=cache)
        bundle = FakeBundle(three_stages)
        edited = (labels > 0) & (np.arange(44) < 22)

        _, result = finished(
            run_cascade(scan, three_stages, bundle, given={"coarse": edited}, cache=cache, options=TORCH)
        )

        assert bundle.asked == ["kidney", "lesion"]
        np.testing.assert_array_equal(result.labels.array, labels * edited)

    def test_same_mask_given_twice_runs_nothing_twice(self, scan, labels, three_stages):
        cache, given = {}, {"coarse": labels > 0}
        segment(scan, three_stages, cache=cache, given=given)
        bundle = FakeBundle(three_stages)

        finished(run_cascade(scan, three_stages, bundle, given=given, cache=cache, options=TORCH))

        assert bundle.asked == []

    def test_mask_no_longer_given_is_predicted_again(self, scan, labels, three_stages):
        cache = {}
        segment(scan, three_stages, cache=cache, given={"coarse": labels == 9})
        bundle = FakeBundle(three_stages)

        _, result = finished(run_cascade(scan, three_stages, bundle, cache=cache, options=TORCH))

        assert bundle.asked == ["coarse", "kidney", "lesion"]
        np.testing.assert_array_equal(result.labels.array, labels)

    def test_given_mask_of_ids_decides_the_classes(self, scan, labels, three_stages):
        swapped = np.array([0, 1, 3, 2], np.uint8)[labels]

        result = segment(scan, three_stages, given={"lesion": swapped})

        np.testing.assert_array_equal(result.labels.array, swapped)

    def test_given_mask_lies_on_the_grid_of_the_scan_in_its_orientation(self, scan, labels, three_stages):
        axis_map = AxisMap(order=(2, 0, 1), flips=(True, False, True))
        turned = oriented(scan, axis_map)
        edited = LabelVolume(array=axis_map.apply(labels * (labels < 2)), geometry=turned.geometry)

        result = segment(turned, three_stages, given={"kidney": edited})

        np.testing.assert_array_equal(result.labels.array, edited.array)

    def test_mask_on_another_grid_is_refused(self, scan, labels, three_stages):
        elsewhere = LabelVolume(array=labels, geometry=Geometry.from_spacing(labels.shape, (2.0, 1.5, 1.4)))

        with pytest.raises(GeometryMismatchError, match="Resample the mask"):
            segment(scan, three_stages, given={"kidney": elsewhere})
        with pytest.raises(GeometryMismatchError, match=r"has shape \(19, 36, 44\)"):
            segment(scan, three_stages, given={"kidney": labels[1:]})

    def test_mask_for_an_unknown_stage_is_refused(self, scan, labels, three_stages):
        with pytest.raises(UnknownMethodError, match="no stage 'liver'"):
            segment(scan, three_stages, given={"liver": labels})


class TestGuides:
    """The kidney stage looks at a coarse grid; the lesion stage sees what it found beside the CT."""

    @pytest.fixture
    def seen(self):
        """The second channel of every window that the lesion network got."""
        return []

    @pytest.fixture
    def guided(self, seen):
        class Watching(Oracle):
            def forward(self, windows):
                seen.append(windows[0, 1].numpy().copy())
                return super().forward(windows[:, :1])

        kidney = oracle_stage("kidney", ORGAN, grid=WorkingGrid(shape=(10, 18, 22)), window=(10, 18, 22))
        around = AroundForeground(sources=("kidney",), margin_mm=6.0)
        guides = (Guide(source="kidney", target=lambda ids: ids),)
        lesion = oracle_stage("lesion", LESION, requires=("kidney",), region=around, guides=guides, window=(20, 36, 44))
        return method_of(kidney, replace(lesion, network=Watching))

    @staticmethod
    def inside(window, box):
        """Return the voxels of the region `box` within its padded window."""
        first = padded_to(box.shape, window.shape).start
        return window[tuple(slice(-a, n - a) for a, n in zip(first, box.shape, strict=True))]

    def test_a_guide_is_the_probability_of_its_stage_on_the_grid_of_the_region(self, scan, labels, guided, seen):
        outputs = segment(scan, guided).outputs

        (window,), box = seen, outputs["lesion"].regions[0].box
        coarse = outputs["kidney"].regions[0].probabilities[1]
        np.testing.assert_allclose(self.inside(window, box), resize(coarse, labels.shape)[box.slices], atol=1e-6)
        assert window.sum() == pytest.approx(self.inside(window, box).sum())  # the padding shows no kidney

    def test_a_kidney_that_a_person_gave_guides_as_it_was_drawn(self, scan, labels, guided, seen):
        outputs = segment(scan, guided, given={"kidney": labels}).outputs

        (window,), box = seen, outputs["lesion"].regions[0].box
        np.testing.assert_array_equal(self.inside(window, box), labels[box.slices] > 0)


class TestNotices:
    def test_what_a_fusion_remarks_is_yielded_and_kept(self, scan, three_stages):
        remark = Notice(code="remark", text="Something was removed.")

        def remarking(outputs, geometry):
            labels = yield from fuse_three(outputs, geometry)
            yield remark
            return labels

        events, result = finished(
            run_cascade(scan, replace(three_stages, fuse=remarking), FakeBundle(three_stages), options=TORCH)
        )

        assert events.count(remark) == 1
        assert remark in result.notices

    def test_empty_location_gives_an_empty_mask_and_says_so(self, labels, three_stages):
        bundle = FakeBundle(three_stages)
        nothing = scan_of(np.zeros_like(labels))
        nothing.array[0] = 100

        events, result = finished(run_cascade(nothing, three_stages, bundle, options=TORCH))

        assert not result.labels.array.any()
        assert codes(result.notices) == ["no_kidney"]
        assert [event for event in events if isinstance(event, Notice)] == list(result.notices)
        assert result.outputs["lesion"].regions == ()

    def test_plausible_kidneys_need_no_notice(self, labels, three_stages):
        large = scan_of(labels, spacing=(5.0, 4.0, 4.0))  # 72 and 78 ml

        assert codes(segment(large, three_stages).notices) == []

    def test_one_kidney_is_worth_an_information(self, labels, three_stages):
        single = scan_of(labels * (np.arange(44) < 22), spacing=(5.0, 4.0, 4.0))

        notices = segment(single, three_stages).notices

        assert [(notice.code, notice.level) for notice in notices] == [("one_kidney", "info")]

    def test_kidney_cut_by_the_end_of_the_scan_is_named(self, labels, three_stages):
        cut = scan_of(labels[5:], spacing=(5.0, 4.0, 4.0))

        assert codes(segment(cut, three_stages).notices) == ["cut_scan"]

    def test_implausible_volumes_are_named_in_ml(self, scan, three_stages):
        notices = segment(scan, three_stages).notices

        assert codes(notices) == ["implausible_volume"]
        assert "4 ml, 4 ml" in notices[0].text

    @pytest.mark.parametrize(("places", "words"), [((2,), "there is a piece"), ((2, 6), "there are 2 pieces")])
    def test_specks_are_counted_and_called_no_kidney(self, labels, places, words):
        mask = (labels > 0).astype(np.uint8)
        mask[0, places, 2] = 1  # 0.08 ml each

        notices = list(result_notices(mask, scan_of(labels, spacing=(5.0, 4.0, 4.0))))

        assert codes(notices) == ["specks", "cut_scan"]
        assert notices[0].text == f"Apart from the kidneys {words} of less than 1 ml. Look there, or remove islands."

    @pytest.mark.parametrize(
        ("kidney_hu", "is_named"), [(0.5, False), (35, True), (74, True), (76, False), (-300, False)]
    )
    def test_kidneys_as_dark_as_without_contrast_agent_are_named(self, labels, kidney_hu, is_named):
        mask = np.where(labels == 2, 2, labels > 0).astype(np.uint8)
        values = np.where(mask == 1, kidney_hu, 200).astype(np.float32)  # what lies around them does not count
        values[labels == 2] = 130  # nor lesions
        values[tuple(np.argwhere(mask == 1)[0])] = np.nan

        assert ("no_contrast" in codes(notices_on(labels, values, mask))) == is_named

    def test_dark_kidneys_are_told_with_their_attenuation(self, labels):
        notices = notices_on(labels, np.full(labels.shape, 35), labels > 0)

        (told,) = (one for one in notices if one.code == "no_contrast")
        assert told.text.startswith("The kidneys have about 35 HU, as without contrast agent. Tumors and many cysts")

    def test_a_bright_kidney_in_a_dark_mass_that_passes_for_it_has_contrast(self, labels):
        values = np.where(np.cumsum(labels > 0).reshape(labels.shape) % 5 == 0, 180, 20)  # one voxel of five

        assert "no_contrast" not in codes(notices_on(labels, values, labels > 0))

    @pytest.mark.parametrize(("mass_hu", "is_named"), [(35, True), (170, False)])
    def test_kidneys_that_all_but_passed_for_tumor_are_judged_by_it(self, labels, mass_hu, is_named):
        mask = np.where(labels > 0, 2, 0).astype(np.uint8)
        mask[tuple(np.argwhere(labels > 0)[0])] = 1
        values = np.where(mask == 1, 20, mass_hu)  # a voxel of the rim, half fat

        assert ("no_contrast" in codes(notices_on(labels, values, mask))) == is_named

    def test_voxels_without_a_number_are_read_as_air(self, scan, labels, one_stage):
        values = scan.array.astype(np.float32)
        values[10, 5, 5] = np.nan

        result = segment(scan.with_array(values), one_stage)

        np.testing.assert_array_equal(result.labels.array, labels > 0)
        assert "not_finite" in codes(result.notices)
        assert "1 voxels" in result.notices[0].text

    @pytest.mark.parametrize("change", [lambda hu: hu + 1024 + 2000 * (hu == HU["cyst"]), lambda hu: hu / 10])
    def test_values_that_are_no_hounsfield_units_are_named(self, scan, one_stage, change):
        assert "not_hu" in codes(segment(scan.with_array(change(scan.array)), one_stage).notices)


class HungryOracle(Oracle):
    """Runs out of memory with more than `limit` windows, in the words of torch on a CPU."""

    limit = 1

    def forward(self, windows):
        if len(windows) > self.limit:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return super().forward(windows)


class TestMemory:
    def test_batch_of_windows_is_halved_until_it_fits(self, scan, labels):
        method = method_of(replace(oracle_stage("kidney", ORGAN), network=HungryOracle), fuse=organ_only)

        result = segment(scan, method, options=replace(TORCH, window_batch=4))

        np.testing.assert_array_equal(result.labels.array, labels > 0)
        assert codes(result.notices)[:2] == ["smaller_batch", "smaller_batch"]
        assert "4 windows at a time" in result.notices[0].text
        assert "with 1" in result.notices[1].text

    def test_single_window_that_does_not_fit_ends_with_advice(self, scan, monkeypatch):
        monkeypatch.setattr(HungryOracle, "limit", 0)
        method = method_of(replace(oracle_stage("kidney", ORGAN), network=HungryOracle), fuse=organ_only)

        with pytest.raises(InsufficientMemoryError, match="choose the preset 'compact'"):
            segment(scan, method)

    def test_work_that_cannot_fit_is_refused_before_a_window_is_tried(self, scan, one_stage, monkeypatch):
        monkeypatch.setattr("napari_kidney_seg.core.device.free_memory", lambda device: 10)

        with pytest.raises(InsufficientMemoryError, match="Stage 'kidney' needs at least"):
            segment(scan, one_stage)


class TestOptions:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"window_batch": 0}, "window_batch=0"),
            ({"precision": "int8"}, "precision='int8'"),
        ],
    )
    def test_illegal_options_are_refused(self, changes, words):
        with pytest.raises(KidneySegError, match=words):
            replace(TORCH, **changes)

    def test_threads_are_limited_only_during_the_run(self, scan, one_stage):
        import torch

        before, inside = torch.get_num_threads(), []
        run = run_cascade(scan, one_stage, FakeBundle(one_stage), options=replace(TORCH, threads=1))
        for event in run:
            inside.append(torch.get_num_threads())
            if isinstance(event, StageDone):
                break
        run.close()

        assert inside[-1] == 1
        assert torch.get_num_threads() == before


def test_independent_classes_are_run_with_sigmoid(scan, labels):
    class Threshold(Oracle):
        def forward(self, windows):
            return self.gain * (windows - self.levels[0])

    stage = oracle_stage("kidney", {"kidney": 0.1}, activation="sigmoid")
    method = method_of(
        replace(stage, network=Threshold),
        fuse=lambda outputs, geometry: nested_thresholds(outputs["kidney"], geometry, (1,)),
    )

    result = segment(scan, method)

    np.testing.assert_array_equal(result.labels.array, labels > 0)
    np.testing.assert_allclose(result.outputs["kidney"].regions[0].probabilities.max(), 1, atol=1e-3)


def test_what_has_to_be_known_of_the_weights_is_told_at_every_run(scan, one_stage):
    bundle = FakeBundle(one_stage, warning="Unfinished weights.")

    events, result = finished(run_cascade(scan, one_stage, bundle, options=TORCH))

    notice = Notice(code="weights", text="Unfinished weights.")
    assert events[0] == notice
    assert notice in result.notices
    assert "weights" not in codes(segment(scan, one_stage).notices)
