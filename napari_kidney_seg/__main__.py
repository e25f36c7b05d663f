"""``python -m napari_kidney_seg`` is the command line."""

from napari_kidney_seg.cli import main

if __name__ == "__main__":
    main()
