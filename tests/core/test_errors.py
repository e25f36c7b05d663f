from __future__ import annotations

import inspect

import pytest

from napari_kidney_seg.core import errors
from napari_kidney_seg.core.errors import GeometryMismatchError, KidneySegError, check_choice, error_text

ERRORS = [error for _, error in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_caught_as_a_kidney_seg_error(error):
    with pytest.raises(KidneySegError, match="found 2, needed 3"):
        raise error("found 2, needed 3")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_shows_its_message_as_written(error):
    assert str(error("Choose one of 'a', 'b'.")) == "Choose one of 'a', 'b'."


def test_only_an_error_of_others_is_named_by_its_type():
    assert error_text(GeometryMismatchError("Resample the mask.")) == "Resample the mask."
    assert error_text(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"


def test_a_value_is_checked_against_its_choices():
    check_choice("device", "cpu", ("cpu", "cuda"))

    with pytest.raises(KidneySegError, match="Found device='tpu'; needed one of 'cpu', 'cuda'"):
        check_choice("device", "tpu", ("cpu", "cuda"))
