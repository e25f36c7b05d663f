"""Random changes to a training window: image and labels together, on arrays (Z, Y, X).

Every augmentation is a frozen record called as ``augmentation(image, labels, rng) -> (image, labels)``.
`MissedMasses` changes labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.found import label_of
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.imaging.cropping import crop_pad
from napari_kidney_seg.imaging.resampling import resize, resize_labels

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirror along each of `axes` (0 z, 1 y, 2 x) with `probability`."""

    axes: tuple[int, ...]
    probability: float = 0.5

    def __call__(self, image: Image, labels: Labels, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Return the pair, mirrored or not."""
        axes = tuple(axis for axis in self.axes if rng.random() < self.probability)
        return np.ascontiguousarray(np.flip(image, axes)), np.ascontiguousarray(np.flip(labels, axes))


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """Elastic deformation: noise of `magnitude` voxels smoothed by a Gaussian of `sigma` voxels.

    Image linearly, labels by nearest voxel, borders continued. The paper's ranges are sigma 3-5, magnitude 100-200.
    """

    probability: float
    sigma: tuple[float, float]
    magnitude: tuple[float, float]

    def __call__(self, image: Image, labels: Labels, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Return the pair, deformed or not."""
        if rng.random() >= self.probability:
            return image, labels
        import torch
        from monai.transforms.spatial.array import Rand3DElastic

        deform = Rand3DElastic(self.sigma, self.magnitude, prob=1.0, padding_mode="border")
        seed = int(rng.integers(2**31))
        moved: list[Any] = []
        for array, mode in ((image, "bilinear"), (labels.astype(np.float32), "nearest")):
            deform.set_random_state(seed)
            moved.append(np.asarray(deform(torch.from_numpy(array[None]), mode=mode))[0])
        return moved[0].astype(np.float32), moved[1].astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Zoom:
    """Rows and columns `factors` times as large, the picture moved at random, air around it: other fields of view.

    Image linearly with antialiasing, labels by nearest voxel. What no longer fits is cut off; air is the least value.
    """

    factors: tuple[float, float]

    def __call__(self, image: Image, labels: Labels, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Return the pair, zoomed, in the shape it had."""
        depth, *size = image.shape
        factor = rng.uniform(*self.factors)
        zoomed = [max(1, round(n * factor)) for n in size]
        spare = [sorted((0, after - before)) for after, before in zip(zoomed, size, strict=True)]
        start = [int(rng.integers(low, high + 1)) for low, high in spare]
        box = Box(start=(0, start[0], start[1]), stop=(depth, start[0] + size[0], start[1] + size[1]))
        shape = (depth, zoomed[0], zoomed[1])
        return (
            crop_pad(resize(image, shape), box, float(image.min())),
            crop_pad(resize_labels(labels, shape), box, 0),
        )


@dataclass(frozen=True, kw_only=True)
class BrightnessContrastGamma:
    """Brightness x*b, contrast mean+(x-mean)*c and gamma x**g, each with `probability`, on a window in [-1, 1].

    Attributes
    ----------
    factors : (low, high)
        Range of b, c and g.
    within : label ids
        Restrict the change to voxels of these labels (the paper's second pass, on lesions); empty for all voxels.
    """

    factors: tuple[float, float] = (0.6, 1.5)
    probability: float = 0.5
    within: tuple[int, ...] = ()

    def __call__(self, image: Image, labels: Labels, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Return the changed image, clipped to [-1, 1], with the labels untouched."""
        where = np.isin(label_of(labels), self.within) if self.within else np.ones(labels.shape, bool)
        if not where.any():
            return image, labels
        unit = (image[where] + 1) / 2
        changes = [rng.uniform(*self.factors) if rng.random() < self.probability else 1.0 for _ in range(3)]
        unit = unit * changes[0]
        mean = unit.mean()
        unit = np.clip(mean + (unit - mean) * changes[1], 0, 1) ** changes[2]
        changed = image.copy()
        changed[where] = unit * 2 - 1
        return np.clip(changed, -1, 1), labels


@dataclass(frozen=True, kw_only=True)
class ScaleShift:
    """Intensity times ``1 + U(-scale, scale)`` plus ``U(-shift, shift)`` standard deviations of the window.

    References
    ----------
    .. [1] Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization", BrainLes 2018, section 2.
    """

    scale: float = 0.1
    shift: float = 0.1

    def __call__(self, image: Image, labels: Labels, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Return the changed image with the labels untouched."""
        factor = 1 + rng.uniform(-self.scale, self.scale)
        offset = rng.uniform(-self.shift, self.shift) * float(image.std())
        return image * np.float32(factor) + np.float32(offset), labels


@dataclass(frozen=True, kw_only=True)
class MissedMasses:
    """The labels as a kidney stage sees them when it overlooks the outer part of masses.

    Not a change of the window but an error of what guides a network (`core.guide.Guide`): called as
    ``errors(labels, rng) -> labels``.

    Attributes
    ----------
    probability : float
    depth_voxels : (low, high)
        How far from healthy kidney a mass is still seen; what lies farther becomes background. Where the window shows
        no healthy kidney, its masses are overlooked as a whole.
    """

    probability: float
    depth_voxels: tuple[float, float]

    def __call__(self, labels: Labels, rng: np.random.Generator) -> Labels:
        """Return the labels with the outer parts of tumors and cysts missing, or as they are."""
        if rng.random() >= self.probability:
            return labels
        healthy = KITS["kidney"].id  # tumor and cyst have higher ids
        distance: Any = ndimage.distance_transform_edt(labels != healthy) if (labels == healthy).any() else np.inf
        return np.where((labels > healthy) & (distance > rng.uniform(*self.depth_voxels)), 0, labels).astype(np.uint8)
