"""Window presets of CT reading, in Hounsfield units, and the commands that apply them from a menu."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Image


@dataclass(frozen=True, kw_only=True)
class HuWindow:
    """A window of gray values.

    Attributes
    ----------
    name : str
    level, width : HU
        Center and extent of what is shown between black and white.
    """

    name: str
    level: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """HU shown black and HU shown white."""
        return self.level - self.width / 2, self.level + self.width / 2

    def limits_within(self, values: tuple[float, float]) -> tuple[float, float]:
        """Return `limits`, or all of `values` (lowest, highest) when those do not meet the window at all."""
        low, high = self.limits
        return (low, high) if (values[0] < high and values[1] > low) or values[0] == values[1] else values


# Level and width as radiology departments set them (Radiopaedia, "Windowing (CT)"); the kidney window is the abdomen's
# narrowed to enhanced parenchyma, the arterial one that of CT angiography.
ABDOMEN = HuWindow(name="Abdomen", level=40, width=400)
KIDNEY = HuWindow(name="Kidney", level=100, width=300)
BONE = HuWindow(name="Bone", level=400, width=1800)
LUNG = HuWindow(name="Lung", level=-600, width=1500)
ARTERIAL = HuWindow(name="Arterial", level=200, width=600)
CT_RANGE = (-1024.0, 3071.0)  # HU; the 12 bits of a scanner
WINDOWS = (ABDOMEN, KIDNEY, BONE, LUNG, ARTERIAL)


def widen_slider(layer: Image) -> None:
    """Let the contrast slider of a CT reach all HU; napari makes it end at the limits a layer is opened with."""
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, CT_RANGE[0]), max(high, CT_RANGE[1]))


def apply_window(layer: Image, window: HuWindow) -> None:
    """Show `layer` in `window`; the slider's range grows to reach it."""
    low, high = window.limits
    layer.contrast_limits_range = (
        min(low, layer.contrast_limits_range[0]),
        max(high, layer.contrast_limits_range[1]),
    )
    layer.contrast_limits = (low, high)


def show_abdomen_window() -> None:
    """Apply the abdomen window to the selected scans, or to every scan when none is selected."""
    _apply_to_scans(ABDOMEN)


def show_kidney_window() -> None:
    """Apply the kidney window to the selected scans, or to every scan when none is selected."""
    _apply_to_scans(KIDNEY)


def show_bone_window() -> None:
    """Apply the bone window to the selected scans, or to every scan when none is selected."""
    _apply_to_scans(BONE)


def show_lung_window() -> None:
    """Apply the lung window to the selected scans, or to every scan when none is selected."""
    _apply_to_scans(LUNG)


def show_arterial_window() -> None:
    """Apply the arterial window to the selected scans, or to every scan when none is selected."""
    _apply_to_scans(ARTERIAL)


def _apply_to_scans(window: HuWindow) -> None:
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        return
    for layer in _scans(viewer.layers.selection) or _scans(viewer.layers):
        apply_window(layer, window)


def _scans(layers: Iterable[object]) -> list[Image]:
    from napari.layers import Image

    return [layer for layer in layers if isinstance(layer, Image) and not layer.rgb]
