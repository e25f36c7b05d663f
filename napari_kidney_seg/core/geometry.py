"""Where an array lies in the patient.

Axis order and orientation, stated once for the whole package:

* every array is ``(Z, Y, X)`` and every spacing ``(sz, sy, sx)`` in mm;
* world coordinates are LPS millimetres (x grows to the patient's left, y to posterior, z to superior);
* canonical orientation is **I-P-L**: the first index grows to inferior, the second to posterior, the third to left.
  KiTS stores its files so, and napari then shows every view upright in radiological convention;
* only ``io`` meets other orders, and it brings them here with an `AxisMap`, which permutes and flips and therefore
  inverts exactly. What rotation remains (oblique scans) stays in the affine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError

CANONICAL = "IPL"
# World axis and sign of each letter, in LPS.
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
_LETTER_OF = {value: letter for letter, value in _LETTERS.items()}

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class AxisMap:
    """A permutation and flips that carry one array orientation to another.

    Attributes
    ----------
    order : permutation of (0, 1, 2)
        Output axis ``i`` is input axis ``order[i]``.
    flips : three booleans
        Whether output axis ``i`` runs against its input axis.
    """

    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of `array`, shape (a, b, c), in the output orientation."""
        return np.transpose(array, self.order)[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def inverse(self) -> AxisMap:
        """Return the map that undoes this one."""
        order = tuple(self.order.index(axis) for axis in range(3))
        flips = tuple(self.flips[axis] for axis in order)
        return AxisMap(order=order, flips=flips)  # type: ignore[arg-type]

    def index_matrix(self, shape: Shape) -> NDArray[np.float64]:
        """Return the 4x4 matrix from output indices to input indices, for an input of `shape`."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1
        for new, (old, flip) in enumerate(zip(self.order, self.flips, strict=True)):
            matrix[old, new] = -1 if flip else 1
            matrix[old, 3] = shape[old] - 1 if flip else 0
        return matrix


@dataclass(frozen=True)
class Box:
    """A box of voxels: first voxel and the one past the last, (z, y, x). May reach outside an array: padding."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @classmethod
    def whole(cls, shape: Shape) -> Box:
        """Return the box of a whole array of `shape`."""
        return cls(start=(0, 0, 0), stop=shape)

    @property
    def shape(self) -> Shape:
        """Voxels per axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))  # type: ignore[return-value]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index expression for a box inside its array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))  # type: ignore[return-value]

    def grown(self, voxels: tuple[int, int, int], within: Shape) -> Box:
        """Return the box with `voxels` more on both sides of each axis, cut to an array of shape `within`."""
        start = tuple(max(0, a - v) for a, v in zip(self.start, voxels, strict=True))
        stop = tuple(min(n, b + v) for b, v, n in zip(self.stop, voxels, within, strict=True))
        return Box(start=start, stop=stop)  # type: ignore[arg-type]

    def clipped(self, within: Box) -> Box:
        """Return the part of the box that lies within the other; empty (a shape with 0) when there is none."""
        start = tuple(min(max(a, b), c) for a, b, c in zip(self.start, within.start, within.stop, strict=True))
        stop = tuple(max(min(a, b), c) for a, b, c in zip(self.stop, within.stop, start, strict=True))
        return Box(start=start, stop=stop)  # type: ignore[arg-type]

    def seen_from(self, origin: tuple[int, int, int]) -> Box:
        """Return the same box with indices counted from `origin`."""
        start = tuple(a - o for a, o in zip(self.start, origin, strict=True))
        stop = tuple(b - o for b, o in zip(self.stop, origin, strict=True))
        return Box(start=start, stop=stop)  # type: ignore[arg-type]

    def moved_by(self, voxels: tuple[int, int, int]) -> Box:
        """Return the box that lies `voxels` (z, y, x) further along: the way back from `seen_from`."""
        z, y, x = voxels
        return self.seen_from((-z, -y, -x))

    def union(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        start = tuple(min(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(max(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Box(start=start, stop=stop)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """Shape of an array and its place in the patient.

    Attributes
    ----------
    shape : (Z, Y, X)
        Voxels per axis.
    affine : shape (4, 4)
        From voxel index (z, y, x, 1), at voxel centers, to world LPS mm.
    """

    shape: Shape
    affine: NDArray[np.float64] = field(repr=False)

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryMismatchError(
                f"Found the affine {affine.tolist()!r}; needed a finite, invertible 4x4 matrix in mm. "
                "Repair the header of the file (spacing and direction) and read it again."
            )
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @classmethod
    def from_spacing(cls, shape: Shape, spacing: Spacing, origin: tuple[float, float, float] = (0, 0, 0)) -> Geometry:
        """Return an upright canonical (I-P-L) geometry.

        Parameters
        ----------
        shape : (Z, Y, X)
        spacing : (sz, sy, sx), mm
        origin : world LPS (x, y, z), mm
            Center of voxel (0, 0, 0).
        """
        affine = np.eye(4)
        affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float) * np.asarray(spacing, float)
        affine[:3, 3] = origin
        return cls(shape=shape, affine=affine)

    @property
    def spacing(self) -> Spacing:
        """Distance between voxel centers along each axis (sz, sy, sx), mm."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))  # type: ignore[return-value]

    @property
    def origin(self) -> tuple[float, float, float]:
        """World LPS (x, y, z) of voxel (0, 0, 0), mm."""
        return tuple(float(v) for v in self.affine[:3, 3])  # type: ignore[return-value]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel, ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def axis_codes(self) -> str:
        """Three letters of L R P A S I: where each index grows to, e.g. ``"IPL"``."""
        return "".join(_LETTER_OF[code] for code in _closest_axes(self.affine))

    @property
    def obliqueness_deg(self) -> float:
        """Largest angle between an array axis and the patient axis it stands for, degrees."""
        directions = np.abs(self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0))
        cosines = [directions[world, axis] for axis, (world, _) in enumerate(_closest_axes(self.affine))]
        return float(np.degrees(np.arccos(np.clip(min(cosines), -1, 1))))

    def axis_map_to(self, codes: str = CANONICAL) -> AxisMap:
        """Return the map that brings arrays of this geometry to orientation `codes`."""
        mine = _closest_axes(self.affine)
        worlds = [world for world, _ in mine]
        order = tuple(worlds.index(_LETTERS[letter][0]) for letter in codes)
        flips = tuple(mine[axis][1] != _LETTERS[letter][1] for axis, letter in zip(order, codes, strict=True))
        return AxisMap(order=order, flips=flips)  # type: ignore[arg-type]

    def mapped(self, axis_map: AxisMap) -> Geometry:
        """Return the geometry that arrays have after `axis_map`."""
        shape = tuple(self.shape[axis] for axis in axis_map.order)
        return Geometry(shape=shape, affine=self.affine @ axis_map.index_matrix(self.shape))  # type: ignore[arg-type]

    def cropped(self, box: Box) -> Geometry:
        """Return the geometry of the voxels in `box`."""
        affine = self.affine.copy()
        affine[:3, 3] = self.affine[:3, :3] @ np.asarray(box.start, float) + self.affine[:3, 3]
        return Geometry(shape=box.shape, affine=affine)

    def resized(self, shape: Shape) -> Geometry:
        """Return the geometry of the same physical box divided into `shape` voxels (voxel edges stay aligned)."""
        factors = np.asarray(self.shape, float) / np.asarray(shape, float)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * factors
        affine[:3, 3] = self.affine[:3, 3] + self.affine[:3, :3] @ ((factors - 1) / 2)
        return Geometry(shape=shape, affine=affine)

    def is_close(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """Return whether both grids have one shape and every corner within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], [1], indexing="ij")).reshape(4, -1)
        distance = np.linalg.norm(((self.affine - other.affine) @ corners)[:3], axis=0)
        return bool(distance.max() <= tolerance_mm)


def _closest_axes(affine: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return (world axis, sign) for each array axis: the assignment with the largest summed direction cosine."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    best = max(permutations(range(3)), key=lambda p: sum(abs(directions[p[axis], axis]) for axis in range(3)))
    return [(world, 1 if directions[world, axis] >= 0 else -1) for axis, world in enumerate(best)]
