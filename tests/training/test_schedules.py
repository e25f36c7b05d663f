import pytest

from napari_kidney_seg.training.schedules import SCHEDULES


@pytest.mark.parametrize(
    ("name", "values"),
    [("constant", (1, 1, 1)), ("cosine", (1, 0.5, 0)), ("poly", (1, 0.5**0.9, 0)), ("step", (1, 1, 0.1))],
)
def test_schedules_start_at_one_and_follow_their_formula(name, values):
    assert [SCHEDULES[name](done) for done in (0, 0.5, 1)] == pytest.approx(values)


def test_the_cosine_of_torch_is_the_same():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    optimizer.step()
    for step in range(10):
        assert SCHEDULES["cosine"](step / 10) == pytest.approx(reference.get_last_lr()[0])
        reference.step()
