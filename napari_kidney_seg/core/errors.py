"""Errors that say what was found, what was needed and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class KidneySegError(Exception):
    """Base of every error this package raises on purpose."""


class GeometryMismatchError(KidneySegError):
    """Two arrays that must share a grid do not."""


class UnreadableImageError(KidneySegError):
    """A file is not an image that can be segmented."""


class UnwritableImageError(KidneySegError):
    """A mask could not be written, or what was written does not read back the same."""


class UnknownMethodError(KidneySegError):
    """No method of that name is registered."""


class BundleError(KidneySegError):
    """A model bundle is damaged, missing or belongs to another method."""


class InsufficientMemoryError(KidneySegError):
    """The work cannot fit into the memory of the chosen device."""


class DatasetError(KidneySegError):
    """A training folder does not hold what training needs."""


def error_text(error: BaseException) -> str:
    """Return `error` in the words for a person; one that this package did not raise is named by its type."""
    return str(error) if isinstance(error, KidneySegError) else f"{type(error).__name__}: {error}"


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Check that `value`, called `name`, is one of `choices`.

    Raises
    ------
    KidneySegError
        When it is none of them.
    """
    if value not in choices:
        needed = ", ".join(map(repr, choices))
        raise KidneySegError(f"Found {name}={value!r}; needed one of {needed}. Choose one of these.")
