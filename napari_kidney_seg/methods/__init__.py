"""The registry: one line per published method. A sixth method is one file here and one line below."""

from __future__ import annotations

from importlib import import_module

from napari_kidney_seg.core.errors import UnknownMethodError
from napari_kidney_seg.core.method import Method

DEFAULT = "resunet-2.5d"

# name -> module that holds its METHOD constant
REGISTRY: dict[str, str] = {
    "resunet-2.5d": "napari_kidney_seg.methods.resunet_2p5d",
    "masses-net": "napari_kidney_seg.methods.masses_net",
    "rcnn-vnet": "napari_kidney_seg.methods.rcnn_vnet",
    "bisc-unet": "napari_kidney_seg.methods.bisc_unet",
    "boundary-aware": "napari_kidney_seg.methods.boundary_aware",
}

# preset -> what it is for; a method may have others of its own
PRESETS = {
    "paper": "the published sizes; for a GPU, and weights you train yourself",
    "compact": "coarser and narrower, quick on a CPU; bundled weights are of this preset",
    "smoke": "tiny: to try a training out in a few epochs; segments badly",
}


def get_method(name: str = DEFAULT, preset: str = "compact") -> Method:
    """Return the method called `name` with the sizes of `preset`.

    Raises
    ------
    UnknownMethodError
        When no method or preset of that name exists.
    """
    if name not in REGISTRY:
        names = ", ".join(repr(known) for known in REGISTRY)
        raise UnknownMethodError(f"No method is called {name!r}. Choose one of {names}.")
    method: Method = import_module(REGISTRY[name]).METHOD
    return method.with_preset(preset)
