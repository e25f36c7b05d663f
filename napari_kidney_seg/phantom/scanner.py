"""What a CT scanner makes of a painted body: blur, thick slices, correlated noise, streaks, a wrong offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_kidney_seg.phantom.scene import Array, Grid, Point

LOWEST_HU, HIGHEST_HU = -1024, 3071


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """One acquisition.

    Attributes
    ----------
    slice_thickness_mm : float
        Width of the slice profile.
    blur_mm : float
        Standard deviation of the point spread in the axial plane.
    noise_hu : float
        Standard deviation of the noise in the middle of the body.
    noise_cutoff : float
        Where the reconstruction kernel ends, cycles per mm.
    offset_hu : float
        Error of calibration added to every voxel.
    metal : (z, y, x) mm or None
        An implant that throws streaks.
    circle_radius_mm : float or None
        Voxels farther from the axis hold `LOWEST_HU`; None when the whole square was reconstructed.
    """

    slice_thickness_mm: float
    blur_mm: float
    noise_hu: float
    noise_cutoff: float = 0.32
    offset_hu: float = 0.0
    metal: Point | None = None
    circle_radius_mm: float | None = None


def acquire(
    canvas: Array, painted: Grid, grid: Grid, body_depth_mm: Array, scanner: Scanner, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Return the scan of `canvas` (on the grid `painted`) on the coarser `grid`.

    Parameters
    ----------
    canvas : shape of `painted`
        HU.
    body_depth_mm : shape (Y, X)
        Depth under the skin; noise is strongest in the middle of the body.

    Returns
    -------
    shape of `grid`, int16 HU
    """
    blur = [scanner.blur_mm / step for step in painted.spacing[1:]]
    sharp = apply_slice_profile(canvas, painted, grid, scanner.slice_thickness_mm)
    scan = ndimage.gaussian_filter(sharp, [0, *blur], truncate=3)
    amplitude = 0.45 + 0.9 * np.clip(body_depth_mm, 0, None) / max(60.0, float(body_depth_mm.max()))
    scan += scanner.noise_hu * amplitude.astype(np.float32) * correlated_noise(grid, scanner.noise_cutoff, rng)
    if scanner.metal is not None:
        _add_metal(scan, grid, scanner.metal, rng)
    scan += np.float32(scanner.offset_hu)
    if scanner.circle_radius_mm is not None:
        _, y, x = grid.mesh()
        outside = np.hypot(y - grid.center[1], x - grid.center[2])[0] > scanner.circle_radius_mm
        scan[:, outside] = LOWEST_HU
    return np.asarray(np.rint(np.clip(scan, LOWEST_HU, HIGHEST_HU)), dtype=np.int16)


def apply_slice_profile(canvas: Array, painted: Grid, grid: Grid, thickness_mm: float) -> Array:
    """Return `canvas` averaged over slices of `thickness_mm` at the slice positions of `grid`."""
    half = max(thickness_mm, grid.spacing[0] * 0.5) / 2
    step = painted.spacing[0]
    distance = np.abs(grid.axis(0)[:, None] - painted.axis(0)[None, :])
    weights = np.clip((half - distance) / step + 0.5, 0, 1)  # share of each painted slice inside the profile
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(np.tensordot(weights.astype(np.float32), canvas, axes=(1, 0)))


def correlated_noise(grid: Grid, cutoff: float, rng: np.random.Generator) -> Array:
    """Return noise of unit variance with the spectrum of filtered back projection: a ramp in the plane, then a fall.

    Parameters
    ----------
    cutoff : float
        Spatial frequency where the kernel falls off, cycles per mm.
    """
    shape = [fft.next_fast_len(n, real=True) for n in grid.shape[1:]]
    row = fft.fftfreq(shape[0], grid.spacing[1])[:, None]
    column = fft.rfftfreq(shape[1], grid.spacing[2])
    radius = np.hypot(row, column)
    streaks = 1 + 0.7 * np.abs(row) / (radius + 1e-6)
    spectrum = (np.sqrt(radius + 0.006) * np.exp(-((radius / cutoff) ** 2)) * streaks).astype(np.float32)
    white = rng.standard_normal((grid.shape[0], *shape), dtype=np.float32)
    noise = fft.irfft2(fft.rfft2(white) * spectrum, s=shape)[:, : grid.shape[1], : grid.shape[2]]
    noise = np.asarray(noise, dtype=np.float32)
    noise[1:] += np.float32(0.3) * noise[:-1]  # slices overlap a little
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _add_metal(scan: Array, grid: Grid, at: Point, rng: np.random.Generator) -> None:
    """Add an implant and its streaks to the slices around it."""
    _, y, x = grid.mesh()
    dy, dx = (y - at[1])[0], (x - at[2])[0]
    radius, angle = np.hypot(dy, dx) + 3, np.arctan2(dy, dx)
    streaks = 900 * np.sin(9 * angle + rng.uniform(0, 6)) * np.sin(4 * angle) * 6 / radius + 3000 * (radius < 6.5)
    profile = np.exp(-0.5 * ((grid.axis(0) - at[0]) / 4.0) ** 2)
    near = profile > 0.01
    scan[near] += (profile[near, None, None] * streaks).astype(np.float32)
