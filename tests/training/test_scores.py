import torch

from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.training.scores import class_scores, dice_counts, predicted_classes


def test_dice_counts_are_as_counted_by_hand():
    target = torch.tensor([0, 1, 1, 2, IGNORE]).view(1, 1, 1, 5)
    predicted = torch.tensor([0, 1, 2, 2, 1]).view(1, 1, 1, 5)

    assert dice_counts(predicted, target, 3).tolist() == [[2, 2, 2], [2, 3, 3], [1, 2, 1]]


def test_a_class_that_the_reference_lacks_has_no_score_and_leaves_the_mean_alone():
    counts = torch.tensor([[9, 6, 0, 0], [9, 8, 5, 0], [9, 4, 0, 0]]).double()  # tumor predicted only, cyst nowhere

    assert class_scores(counts, ["kidney", "tumor", "cyst"]) == {"dice_kidney": 0.75, "dice": 0.75}
    assert class_scores(counts[:, [0, 3]], ["cyst"]) == {}


def test_of_several_target_channels_the_first_is_compared():
    target = torch.stack([torch.tensor([[[1, 1]]]), torch.tensor([[[0, 0]]])])[None]

    assert dice_counts(torch.ones(1, 1, 1, 2, dtype=torch.long), target, 2).tolist() == [[0, 4], [0, 4], [0, 2]]


def test_the_likeliest_class_is_predicted_from_the_main_output():
    scores = torch.tensor([[0.1, 2.0], [0.2, -1.0]]).view(1, 2, 1, 1, 2)

    assert predicted_classes((scores, torch.zeros(1)), "softmax").flatten().tolist() == [1, 0]


def test_of_nested_structures_the_innermost_wins():
    organ, tumor = torch.tensor([-1.0, 1.0, 1.0, -1.0]), torch.tensor([-1.0, -1.0, 1.0, 1.0])

    found = predicted_classes(torch.stack([organ, tumor]).view(1, 2, 1, 1, 4), "sigmoid")

    assert found.flatten().tolist() == [0, 1, 2, 2]
