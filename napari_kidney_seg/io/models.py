"""The bundles on this computer: those of the package and a user's own, and which of them a method takes."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import load_bundle, read_card

MODELS_FOLDER = Path(__file__).resolve().parents[1] / "models"


def user_models_folder() -> Path:
    """Return the folder where a user's own bundles live."""
    from platformdirs import user_data_path

    return user_data_path("napari-kidney-seg", appauthor=False) / "models"


def new_bundle_path(name: str) -> Path:
    """Return where a new bundle called `name` goes among the user's own; a number is added when the name is taken."""
    names = (f"{name}-{number}" if number > 1 else name for number in count(1))
    paths = (user_models_folder() / f"{free}.safetensors" for free in names)
    return next(path for path in paths if not path.exists())


def list_bundles() -> list[Path]:
    """Return the bundled models and then the user's own, by name."""
    folders = (MODELS_FOLDER, user_models_folder())
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.safetensors"))]


def fitting_bundles(method: Method) -> list[Path]:
    """Return the known bundles whose card agrees with `method` at its preset, the preferred first.

    These are a user's own that were measured on something, the newest before; then the bundled ones; then a user's own
    of which nothing is known.
    """
    fitting = [path for path in list_bundles() if _fits(path, method)]
    bundled = [path for path in fitting if path.parent == MODELS_FOLDER]
    own = sorted((path for path in fitting if path not in bundled), key=lambda path: -path.stat().st_mtime)
    measured = [path for path in own if read_card(path).is_measured]
    return [*measured, *bundled, *(path for path in own if path not in measured)]


def find_bundle(method: Method) -> Path:
    """Return the preferred one of `fitting_bundles`.

    Raises
    ------
    BundleError
        When there is none.
    """
    for path in fitting_bundles(method):
        return path
    raise BundleError(
        f"No bundle for method {method.name!r} at preset {method.preset!r} is installed. Train one "
        f"(`napari-kidney-seg train {method.name} ...`), or put one into {str(user_models_folder())!r}."
    )


def _fits(path: Path, method: Method) -> bool:
    try:
        card = load_bundle(path, method).card
    except BundleError:
        return False
    return card.preset == method.preset
