"""A canvas in millimeters: soft shapes and smooth noise painted on an axis-aligned grid.

Points and radii are ``(z, y, x)`` in world LPS millimeters listed in array order: z grows to superior, y to posterior,
x to the patient's left. The grid is canonical (I-P-L), so z falls with the first index and y and x rise with theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry, Shape, Spacing

Array = NDArray[np.float32]
Slices = tuple[slice, slice, slice]
Point = tuple[float, float, float]
EVERYWHERE: Slices = (slice(None), slice(None), slice(None))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """An upright grid: `shape` voxels of `spacing` mm, the center of voxel (0, 0, 0) at `first` (z, y, x) mm."""

    shape: Shape
    spacing: Spacing
    first: Point

    @classmethod
    def of(cls, geometry: Geometry) -> Grid:
        """Return the grid of a canonical geometry; a residual rotation is ignored."""
        x, y, z = geometry.origin
        return cls(shape=geometry.shape, spacing=geometry.spacing, first=(z, y, x))

    @classmethod
    def around(cls, center: Point, extent: Point, spacing: Spacing) -> Grid:
        """Return the grid that covers `extent` mm around `center`."""
        shape = tuple(max(1, round(length / step)) for length, step in zip(extent, spacing, strict=True))
        half = [(n - 1) / 2 * step for n, step in zip(shape, spacing, strict=True)]
        first = (center[0] + half[0], center[1] - half[1], center[2] - half[2])
        return cls(shape=shape, spacing=spacing, first=first)  # type: ignore[arg-type]

    @property
    def geometry(self) -> Geometry:
        """The canonical geometry of the grid."""
        z, y, x = self.first
        return Geometry.from_spacing(self.shape, self.spacing, origin=(x, y, z))

    @property
    def steps(self) -> Point:
        """World mm per index along each axis; the first is negative."""
        return (-self.spacing[0], self.spacing[1], self.spacing[2])

    @property
    def last(self) -> Point:
        """Center of the last voxel (z, y, x), mm."""
        z, y, x = (a + (n - 1) * s for a, n, s in zip(self.first, self.shape, self.steps, strict=True))
        return (z, y, x)

    @property
    def center(self) -> Point:
        """Middle of the grid (z, y, x), mm."""
        return tuple(a + (n - 1) / 2 * s for a, n, s in zip(self.first, self.shape, self.steps, strict=True))  # type: ignore[return-value]

    def axis(self, axis: int) -> Array:
        """Return the world coordinates of the voxel centers along `axis`, mm."""
        return self._axes[axis]

    @cached_property
    def _axes(self) -> tuple[Array, Array, Array]:
        z, y, x = (
            (first + step * np.arange(count)).astype(np.float32)
            for first, step, count in zip(self.first, self.steps, self.shape, strict=True)
        )
        return z, y, x

    def mesh(self, box: Slices = EVERYWHERE) -> tuple[Array, Array, Array]:
        """Return open coordinate arrays (z, y, x) of `box` that broadcast to its shape, mm."""
        z, y, x = (values[part] for values, part in zip(self._axes, box, strict=True))
        return z[:, None, None], y[None, :, None], x[None, None, :]

    def box(self, low: Point, high: Point) -> Slices:
        """Return the voxels between two corners (mm, any order), with one voxel more on each side."""
        parts = []
        for axis in range(3):
            ends = [(float(value[axis]) - self.first[axis]) / self.steps[axis] for value in (low, high)]
            start = min(max(math.floor(min(ends)), 0), self.shape[axis])
            stop = min(max(math.ceil(max(ends)) + 1, start), self.shape[axis])
            parts.append(slice(start, stop))
        return parts[0], parts[1], parts[2]

    def refined(self, factor: int) -> Grid:
        """Return the same space with every slice divided into `factor`."""
        spacing = (self.spacing[0] / factor, *self.spacing[1:])
        first = (self.first[0] + self.spacing[0] / 2 - spacing[0] / 2, *self.first[1:])
        return Grid(shape=(self.shape[0] * factor, *self.shape[1:]), spacing=spacing, first=first)


@dataclass(frozen=True, kw_only=True)
class Ellipsoid:
    """A super-ellipsoid: `power` 2 is an ellipsoid, more is boxier; `angle` turns it in the axial plane, radians."""

    center: Point
    radii: Point
    power: float = 2.0
    angle: float = 0.0

    def corners(self) -> tuple[Point, Point]:
        """Return two corners that hold the shape and its roughness, mm."""
        plane = max(self.radii[1:]) if self.angle else 0.0
        growth = 1 + (14 if min(self.radii) > 20 else 5) / min(self.radii)
        radii = (self.radii[0], max(plane, self.radii[1]), max(plane, self.radii[2]))
        reach = [min(radius * growth, radius + 30) for radius in radii]
        low = tuple(c - r for c, r in zip(self.center, reach, strict=True))
        high = tuple(c + r for c, r in zip(self.center, reach, strict=True))
        return low, high  # type: ignore[return-value]

    def distance(self, mesh: tuple[Array, Array, Array]) -> Array:
        """Return about the signed distance from the surface (negative inside), mm."""
        radii = tuple(float(r) for r in self.radii)
        z, y, x = (values - float(c) for values, c in zip(mesh, self.center, strict=True))
        if self.angle:
            cosine, sine = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
            y, x = y * cosine - x * sine, y * sine + x * cosine
        if self.power == 2.0:
            level = np.sqrt((z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2)
        else:
            terms = [np.abs(v / r) ** self.power for v, r in zip((z, y, x), radii, strict=True)]
            level = (terms[0] + terms[1] + terms[2]) ** (1 / self.power)
        return np.asarray((level - 1) * min(radii), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Texture:
    """`mean` HU plus `amplitude` times a noise `field` (Z, Y, X), worked out only where it is painted."""

    mean: float
    amplitude: float
    field: Array

    def __getitem__(self, box: Slices) -> Array:
        """Return the attenuation on the voxels of `box`, HU."""
        return np.asarray(self.mean + np.float32(self.amplitude) * self.field[box], dtype=np.float32)


class BoxValues(Protocol):
    """Anything that gives HU for a box of the grid: an array of the whole grid, or a texture."""

    def __getitem__(self, box: Slices, /) -> Array:
        """Return the attenuation on the voxels of `box`, HU."""
        ...


Paint = float | BoxValues


def ball(center: Point, radius: float) -> Ellipsoid:
    """Return a ball of `radius` mm."""
    return Ellipsoid(center=center, radii=(radius, radius, radius))


@dataclass
class Scene:
    """The picture being painted: a canvas of HU on `grid`, and the random numbers that vary it.

    Attributes
    ----------
    grid : Grid
    rng : Generator
    canvas : shape (Z, Y, X)
        HU; starts as air.
    """

    grid: Grid
    rng: np.random.Generator
    canvas: Array = field(init=False, repr=False)
    _noise: dict[float, Array] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.canvas = np.full(self.grid.shape, -1000, np.float32)

    @property
    def edge_mm(self) -> float:
        """Width of a soft edge: one voxel in the axial plane."""
        return max(self.grid.spacing[1:])

    def coverage(self, distance: Array) -> Array:
        """Return how much of each voxel a shape covers (0..1), from the distance to its surface (negative inside)."""
        return np.asarray((np.float32(0.5) - distance / np.float32(self.edge_mm)).clip(0, 1), dtype=np.float32)

    def mix(self, box: Slices, weight: Array, hu: Array | float) -> None:
        """Blend `hu` into the canvas voxels of `box` by `weight` (0..1)."""
        view = self.canvas[box]
        view += weight * (hu - view)

    def fill(self, shape: Ellipsoid, hu: Paint, *, within: Array | None = None, rough: Array | None = None) -> None:
        """Paint a soft shape.

        Parameters
        ----------
        shape : Ellipsoid
        hu : float, Texture, or shape (Z, Y, X)
        within : shape (Z, Y, X) or None
            Weights 0..1 that limit the paint.
        rough : shape (Z, Y, X) or None
            Added to the distance from the surface, mm.
        """
        box = self.grid.box(*shape.corners())
        if self.canvas[box].size == 0:
            return
        distance = shape.distance(self.grid.mesh(box))
        weight = self.coverage(distance if rough is None else distance + rough[box])
        if within is not None:
            weight = weight * within[box]
        self.mix(box, weight, hu if isinstance(hu, int | float) else hu[box])

    def tube(self, points: list[Point], radius: float, hu: Paint, within: Array | None = None) -> None:
        """Paint a tube of `radius` mm along the Bezier curve through the control `points`."""
        for center in bezier(points, step_mm=max(0.6 * radius, 0.8)):
            self.fill(ball((float(center[0]), float(center[1]), float(center[2])), radius), hu, within=within)

    def noise(self, sigma: float) -> Array:
        """Return a smooth random field of unit variance over the whole grid, with features of about `sigma` mm.

        The same field is returned for the same `sigma`.
        """
        if sigma not in self._noise:
            self._noise[sigma] = smooth_noise(self.grid, sigma, self.rng)
        return self._noise[sigma]


def bezier(points: list[Point], step_mm: float) -> NDArray[np.float64]:
    """Return points, shape (n, 3), about `step_mm` apart along the Bezier curve of the control `points`."""
    control = np.asarray(points, float)
    length = np.linalg.norm(np.diff(control, axis=0), axis=1).sum()
    t = np.linspace(0, 1, max(2, int(length / step_mm)))[:, None, None]
    curve = np.broadcast_to(control, (len(t), *control.shape))
    while curve.shape[1] > 1:
        curve = curve[:, :-1] * (1 - t) + curve[:, 1:] * t
    return np.asarray(curve[:, 0])


def smooth_noise(grid: Grid, sigma: float, rng: np.random.Generator) -> Array:
    """Return a random field of unit variance on `grid`: white noise on a lattice, blurred by separable Gaussians.

    Parameters
    ----------
    sigma : float
        Standard deviation of the blur, mm.
    """
    matrices = [_noise_weights(n, step, sigma) for n, step in zip(grid.shape, grid.spacing, strict=True)]
    lattice = rng.standard_normal([matrix.shape[1] for matrix in matrices], dtype=np.float32)
    return apply_separable(matrices, lattice)


def _noise_weights(count: int, step: float, sigma: float) -> Array:
    """Return (count, lattice) Gaussian weights whose rows have unit norm, so that variance stays one."""
    pitch = 1.1 * sigma
    nodes = np.arange(int(np.ceil((count * step + 6 * sigma) / pitch)) + 1) * pitch - 3 * sigma
    weights = np.exp(-0.5 * ((np.arange(count)[:, None] * step - nodes) / sigma) ** 2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), dtype=np.float32)


def apply_separable(matrices: list[Array], values: Array) -> Array:
    """Return `values` with one matrix (out, in) applied along each of its three axes."""
    values = np.tensordot(matrices[0], values, axes=(1, 0))
    values = np.matmul(matrices[1], values)
    return np.asarray(values @ np.ascontiguousarray(matrices[2].T), dtype=np.float32)


def ramp(values: Array, center: float, width: float) -> Array:
    """Return a smooth step from 0 to 1 where `values` pass `center`, about `width` wide."""
    return np.asarray(0.5 + 0.5 * np.tanh((values - np.float32(center)) / np.float32(width)), dtype=np.float32)
