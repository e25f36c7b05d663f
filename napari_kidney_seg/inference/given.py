"""Outputs that a person gives instead of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import LabelSchema
from napari_kidney_seg.core.method import Method, RegionOutput, Stage, StageOutput
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.inference.regions import BACKGROUND

GivenMask = LabelVolume | NDArray[Any]


def given_outputs(method: Method, given: Mapping[str, GivenMask], volume: Volume) -> dict[str, StageOutput]:
    """Return the outputs that stages would have had to give for the masks in `given`, by stage name.

    Parameters
    ----------
    given : masks (Z, Y, X) on the grid of `volume`, by stage name
        For a stage (background, organ) any nonzero voxel is organ; for other stages the voxels are label ids.
    volume : the scan, in its own orientation

    Raises
    ------
    UnknownMethodError
        When `method` has no stage of that name.
    GeometryMismatchError
        When a mask does not lie on the grid of `volume`.
    """
    to_canonical = volume.geometry.axis_map_to()
    return {
        name: given_output(method.stage(name), to_canonical.apply(_array(name, mask, volume.geometry)), method.schema)
        for name, mask in given.items()
    }


def given_output(stage: Stage, mask: NDArray[Any], schema: LabelSchema) -> StageOutput:
    """Return the output of `stage` for a canonical mask (Z, Y, X)."""
    if stage.classes[0] == BACKGROUND and len(stage.classes) == 2:
        return StageOutput.from_mask(stage.name, stage.classes, mask)
    box = foreground_box(mask)
    if box is None:
        return StageOutput(stage=stage.name, classes=stage.classes, given=True)
    inside = mask[box.slices]
    channels = [_channel(inside, name, stage, schema) for name in stage.classes]
    region = RegionOutput(box=box, probabilities=np.stack(channels).astype(np.float16))
    return StageOutput(stage=stage.name, classes=stage.classes, regions=(region,), given=True)


def is_same_output(one: StageOutput | None, other: StageOutput) -> bool:
    """Return whether both are given and say the same about every voxel."""
    if one is None or not one.given or not other.given or len(one.regions) != len(other.regions):
        return False
    return all(
        a.box == b.box and np.array_equal(a.probabilities, b.probabilities)
        for a, b in zip(one.regions, other.regions, strict=True)
    )


def _channel(mask: NDArray[Any], name: str, stage: Stage, schema: LabelSchema) -> NDArray[np.bool_]:
    if name == BACKGROUND:
        return np.asarray(mask == 0)
    # Independent (sigmoid) channels are nested: the organ's holds its lesions.
    if stage.activation == "sigmoid" and name == schema.organ:
        return np.asarray(mask != 0)
    return np.asarray(mask == schema[name].id)


def _array(name: str, mask: GivenMask, geometry: Geometry) -> NDArray[Any]:
    if isinstance(mask, LabelVolume):
        if not mask.geometry.is_close(geometry):
            raise GeometryMismatchError(
                f"The mask given for stage {name!r} has shape {mask.geometry.shape!r} and spacing {mask.spacing!r} mm; "
                f"the scan has {geometry.shape!r} and {geometry.spacing!r} mm. Resample the mask to it first."
            )
        return mask.array
    if mask.shape != geometry.shape:
        raise GeometryMismatchError(
            f"The mask given for stage {name!r} has shape {mask.shape!r}; the scan has {geometry.shape!r}. "
            "Give a mask with one voxel for each voxel of the scan."
        )
    return mask
