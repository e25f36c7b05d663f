import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.phantom.contrast import NEIGHBORS, PHASES, TISSUE_HU, draw_contrast, phase_index


def mean_of(tissue, phase, draws=200):
    return np.mean([draw_contrast(phase, np.random.default_rng(seed))[tissue] for seed in range(draws)])


def test_phases_follow_the_contrast_through_the_body():
    assert PHASES == ("non-contrast", "corticomedullary", "portal venous", "nephrographic", "excretory")
    assert phase_index("nephrographic") == 3


def test_every_tissue_has_a_value_for_every_phase():
    assert {len(values) for values in TISSUE_HU.values()} == {len(PHASES)}


def test_the_same_seed_draws_the_same_patient():
    first = draw_contrast("portal venous", np.random.default_rng(3))
    second = draw_contrast("portal venous", np.random.default_rng(3))

    assert first == second


@pytest.mark.parametrize(
    ("tissue", "phase"), [("cortex", "non-contrast"), ("aorta", "corticomedullary"), ("spleen", "excretory")]
)
def test_draws_scatter_around_the_table(tissue, phase):
    expected = TISSUE_HU[tissue][phase_index(phase)]

    assert mean_of(tissue, phase) == pytest.approx(expected, rel=0.08, abs=3)


def test_cortex_stands_out_from_medulla_only_early():
    assert mean_of("cortex", "corticomedullary") - mean_of("medulla", "corticomedullary") > 80
    assert abs(mean_of("cortex", "nephrographic") - mean_of("medulla", "nephrographic")) < 20


def test_without_contrast_abdominal_organs_overlap_kidneys():
    draws = [draw_contrast("non-contrast", np.random.default_rng(seed)) for seed in range(200)]

    lowest_spleen, highest_cortex = min(d["spleen"] for d in draws), max(d["cortex"] for d in draws)

    assert lowest_spleen < highest_cortex


def test_an_unknown_phase_is_named_with_the_known_ones():
    with pytest.raises(KidneySegError, match=r"'venous'.*'portal venous'"):
        draw_contrast("venous", np.random.default_rng(0))


def test_unnatural_neighbors_differ_and_the_kidneys_stay_as_they_are():
    natural = draw_contrast("portal venous", np.random.default_rng(3))
    draws = [draw_contrast("portal venous", np.random.default_rng(3), spread) for spread in (0.0, 30.0)]

    assert draws[0] == natural
    changes = {tissue: draws[1][tissue] - natural[tissue] for tissue in natural}
    assert all((changes[tissue] != 0) == (tissue in NEIGHBORS) for tissue in natural)
    assert 10 < np.std([changes[tissue] for tissue in NEIGHBORS]) < 60
