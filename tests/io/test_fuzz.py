"""Damaged files are read or refused with words; they never crash, hang or eat the memory."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom import dcmread
from pydicom.uid import RLELossless

VARIANTS = 90  # of each format: 360 in all
HU = (np.arange(8 * 9 * 10).reshape(8, 9, 10) * 2 - 1000).astype(np.int16)
BAD_WORDS = (
    b"nan", b"-1", b"0", b"1e308", b"-inf", b"99999999999", b"2147483647", b"", b"x" * 300, b"(1,2", b"\xff\xfe",
)  # fmt: skip
BAD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF)
Damage = Callable[[bytes, np.random.Generator], bytes]


def cut_off(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def change_bytes_of(header: int) -> Damage:
    def change(content: bytes, rng: np.random.Generator) -> bytes:
        changed = bytearray(content)
        for place in rng.integers(0, min(header, len(content)), int(rng.integers(1, 8))):
            changed[place] = rng.choice(BAD_NUMBERS) if rng.random() < 0.5 else rng.integers(0, 256)
        return bytes(changed)

    return change


def overwrite_numbers_of(header: int) -> Damage:
    """Replace aligned 16-bit words, as sizes, types and codes are, by extremes."""

    def overwrite(content: bytes, rng: np.random.Generator) -> bytes:
        changed = bytearray(content)
        for place in rng.integers(0, header // 2, 3) * 2:
            changed[place : place + 2] = rng.choice([b"\xff\x7f", b"\xff\xff", b"\0\0", b"\1\0", b"\0\x80"])
        return bytes(changed)

    return overwrite


def change_words(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace words of a text header."""
    end = max(content.find(b"\n\n"), content.find(b"LOCAL")) + 6
    spans = [match.span() for match in re.finditer(rb"[^\s:=(),]+", content[:end])]
    start, stop = spans[int(rng.integers(1, len(spans)))]
    return content[:start] + BAD_WORDS[int(rng.integers(len(BAD_WORDS)))] + content[stop:]


def drop_line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    del lines[int(rng.integers(0, 12))]
    return b"\n".join(lines)


def compressed(damage: Damage) -> Damage:
    return lambda content, rng: gzip.compress(damage(gzip.decompress(content), rng))


def nifti_files(folder: Path) -> Iterator[tuple[Path, tuple[Damage, ...]]]:
    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    for kind, size in ((nib.Nifti1Image, 348), (nib.Nifti2Image, 540)):
        path = folder / f"{size}.nii"
        nib.save(kind(HU, affine), path)
        yield path, (cut_off, change_bytes_of(size), overwrite_numbers_of(size))
        path = folder / f"{size}.nii.gz"
        nib.save(kind(HU, affine), path)
        yield path, (cut_off, change_bytes_of(10**6), compressed(overwrite_numbers_of(size)), compressed(cut_off))


def itk_files(folder: Path, suffix: str) -> Iterator[tuple[Path, tuple[Damage, ...]]]:
    image = sitk.GetImageFromArray(HU.transpose())
    image.SetSpacing((0.8, 0.8, 2.5))
    for is_compressed in (False, True):
        path = folder / f"{is_compressed}{suffix}"
        sitk.WriteImage(image, str(path), useCompression=is_compressed)
        yield path, (cut_off, change_bytes_of(400), change_words, change_words, drop_line)


def dicom_files(folder: Path, series, enhanced, jpeg_2000) -> Iterator[tuple[Path, tuple[Damage, ...]]]:
    plain, run_length, jpeg = folder / "plain", folder / "rle", folder / "jpeg"
    for one in (plain, run_length, jpeg):
        series(shape=(32, 32, 4), uid="1.2.826.0.1.3680043.8.498.1").write(one)
    for path in sorted(run_length.iterdir()):
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    for path in sorted(jpeg.iterdir()):
        jpeg_2000(path)
    (folder / "multi").mkdir()
    enhanced(series(uid="1.2.826.0.1.3680043.8.498.2")).save_as(
        folder / "multi" / "multi.dcm", enforce_file_format=True
    )
    for one in (plain, run_length, jpeg, folder / "multi"):
        size = min(one.iterdir()).stat().st_size
        yield one, (cut_off, change_bytes_of(1400), overwrite_numbers_of(1400), change_bytes_of(size))


def damaged_copy(original: Path, target: Path, damage: Damage, rng: np.random.Generator) -> None:
    """Write a damaged file; of a folder, damage one file or all."""
    if original.is_file():
        target.write_bytes(damage(original.read_bytes(), rng))
        return
    target.mkdir()
    is_all = rng.random() < 0.5
    for number, path in enumerate(sorted(original.iterdir())):
        content = path.read_bytes()
        (target / path.name).write_bytes(damage(content, rng) if is_all or number == 1 else content)


def outcomes(folder: Path) -> list[dict]:
    command = [sys.executable, str(Path(__file__).with_name("fuzz_reader.py")), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    unread = sorted({path.name for path in folder.iterdir()} - {line["name"] for line in lines})
    assert not unread, f"the reader died (exit {result.returncode}) at {unread[0]}: {result.stderr[-2000:]}"
    return lines


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "metaimage", "dicom"])
def test_damaged_files_are_read_or_refused_in_words(tmp_path, kind, ct_series, as_enhanced, jpeg_2000):
    originals, variants = tmp_path / "originals", tmp_path / "variants"
    originals.mkdir()
    variants.mkdir()
    files = {
        "nifti": lambda: nifti_files(originals),
        "nrrd": lambda: itk_files(originals, ".nrrd"),
        "metaimage": lambda: itk_files(originals, ".mha"),
        "dicom": lambda: dicom_files(originals, ct_series, as_enhanced, jpeg_2000),
    }[kind]()
    sources = [(path, damage) for path, damages in list(files) for damage in damages]
    for number in range(VARIANTS):
        path, damage = sources[number % len(sources)]
        damaged_copy(path, variants / f"{number:03d}_{path.name}", damage, np.random.default_rng(number))

    lines = outcomes(variants)

    unexpected = {line["name"]: line["outcome"] for line in lines if line["outcome"] not in ("read", "refused")}
    assert unexpected == {}
    counts = Counter(line["outcome"] for line in lines)
    assert counts["refused"] > VARIANTS / 4, counts
    assert np.median([line["seconds"] for line in lines]) < 1
