"""The commands and their options. Bodies import what they run, so that ``--help`` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from napari_kidney_seg.core.errors import KidneySegError

DEFAULT_METHOD = "resunet-2.5d"  # of `methods.DEFAULT`, which a test compares; importing it here would cost time

MethodOption = Annotated[str, typer.Option(help="A name that `methods` lists.")]
PresetOption = Annotated[str, typer.Option(help="Sizes: 'compact', 'paper', or another that `methods` lists.")]
DeviceOption = Annotated[str, typer.Option(help="'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.")]
DATA_HELP = "Labeled cases: KiTS, nnU-Net, or NAME.nii.gz with NAME_seg.nii.gz; phantoms:20 renders some."
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]


class _Commands(TyperGroup):
    """The commands; an error this package raises on purpose is shown as its message alone."""

    # typer.Context is click's in older typer and typer's own copy of it in newer.
    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KidneySegError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time to show it
)


def _show_version(is_asked: bool) -> None:  # noqa: FBT001  typer's signature
    if is_asked:
        from napari_kidney_seg import __version__

        typer.echo(f"napari-kidney-seg {__version__}")
        raise typer.Exit


@app.callback()
def commands(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Segment kidney, tumor and cyst on abdominal CT with published cascades. Not for diagnosis."""


@app.command()
def segment(  # noqa: PLR0913 - one parameter per option
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Scans, folders of scans, DICOM folders.")],
    *,
    output: Annotated[Path, typer.Option(help="Folder of the masks, `<scan>_seg.nii.gz`, and their records.")],
    method: MethodOption = DEFAULT_METHOD,
    preset: Annotated[str | None, typer.Option(help="Sizes; default: those of --bundle, else 'compact'.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Weights; default: your newest measured, or the bundled.")] = None,
    device: DeviceOption = "auto",
    engine: Annotated[str, typer.Option(help="'auto', 'torch' or 'openvino'.")] = "auto",
    precision: Annotated[str, typer.Option(help="'auto' (float32 on a CPU), 'float32' or 'bfloat16'.")] = "auto",
    averaging: Annotated[str | None, typer.Option(help="Predictions to average: a name that `methods` lists.")] = None,
    series: Annotated[str | None, typer.Option(help="SeriesInstanceUID to read from a DICOM folder.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make masks again that are there.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Segment also what is no CT in Hounsfield units.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Segment scans; skip those that are done, go on after a failure, tell failures at the end."""
    from napari_kidney_seg.cli.batch import Existing, open_model, plan_batch, run_batch
    from napari_kidney_seg.cli.console import people_console
    from napari_kidney_seg.inference.options import RunOptions

    model = open_model(method, preset, bundle, RunOptions(device=device, engine=engine, precision=precision), averaging)
    tasks = plan_batch(inputs, output, series, is_forced=force)
    existing = Existing.REPLACE if overwrite else Existing.KEEP
    failures = run_batch(tasks, model, existing, people_console(as_json=as_json))
    if failures:
        raise typer.Exit(1)


@app.command()
def evaluate(  # noqa: PLR0913 - one parameter per option
    prediction: Annotated[Path | None, typer.Argument(help="A mask, or a folder of masks.")] = None,
    reference: Annotated[Path | None, typer.Argument(help="Its reference, or a folder of them.")] = None,
    *,
    csv: Annotated[Path | None, typer.Option(help="File to write, with the official KiTS columns.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Instead of masks: 'all', or 'NAME,NAME:AVERAGING', run on --data.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Labeled cases for --methods, as `train` takes them.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture of the Dice of --methods to write (needs Matplotlib).")
    ] = None,
    preset: PresetOption = "compact",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Score masks as the KiTS challenges do, or run whole methods on labeled scans and compare them."""
    from napari_kidney_seg.cli.console import people_console

    console = people_console(as_json=as_json)
    if methods is not None and data is not None and prediction is None:
        from napari_kidney_seg.cli.comparison import ComparisonFiles, compare
        from napari_kidney_seg.inference.options import RunOptions

        files = ComparisonFiles(csv=csv, plot=plot)
        has_failed = any(r.failed for r in compare(methods, data, preset, RunOptions(device=device), files, console))
    elif prediction is not None and reference is not None and methods is None and data is None and plot is None:
        from napari_kidney_seg.cli.scoring import score

        has_failed = bool(score(prediction, reference, csv, console).failed)
    else:
        raise typer.BadParameter("Give PREDICTION and REFERENCE, or --methods and --data.")
    if has_failed:
        raise typer.Exit(1)


@app.command()
def methods(*, as_json: JsonOption = False) -> None:
    """List the published methods that can be run."""
    from napari_kidney_seg.cli.catalog import show_methods
    from napari_kidney_seg.cli.console import people_console

    show_methods(people_console(as_json=as_json))


@app.command()
def cost(
    method: Annotated[str, typer.Argument(help="A name that `methods` lists.")] = DEFAULT_METHOD,
    *,
    preset: PresetOption = "compact",
    as_json: JsonOption = False,
) -> None:
    """Guess the arithmetic and the seconds of a method for a typical scan on this computer's CPU."""
    from napari_kidney_seg.cli.catalog import show_cost
    from napari_kidney_seg.cli.console import people_console

    show_cost(method, preset, people_console(as_json=as_json))


@app.command()
def models(*, as_json: JsonOption = False) -> None:
    """List the trained weights on this computer: scores, training data, licence, hash."""
    from napari_kidney_seg.cli.catalog import show_models
    from napari_kidney_seg.cli.console import people_console

    show_models(people_console(as_json=as_json))


@app.command()
def demo(
    *,
    output: Annotated[Path | None, typer.Option(help="Folder for mask, measurements and pictures.")] = None,
    window: Annotated[bool | None, typer.Option(help="Open napari; default: where there is a display.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Segment the sample scan: in a window, or into files with --output or where there is no display."""
    from napari_kidney_seg.cli.console import people_console
    from napari_kidney_seg.cli.demo import DEFAULT_FOLDER, has_display, show_demo_window, write_demo

    is_shown = has_display() if window is None else window
    folder = output if output or is_shown else DEFAULT_FOLDER
    if folder:
        write_demo(folder, device, people_console(as_json=False))
    if is_shown:
        show_demo_window(folder)


@app.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Check this computer and installation, and say the exact fix of what is wrong."""
    from napari_kidney_seg.cli.console import people_console
    from napari_kidney_seg.cli.doctor import show_checks

    if not show_checks(people_console(as_json=as_json)):
        raise typer.Exit(1)


@app.command()
def train(  # noqa: PLR0913 - one parameter per option
    method: Annotated[str, typer.Argument(help="A name that `methods` lists.")],
    stage: Annotated[str | None, typer.Argument(help="One of its stages; without it all, then bundled.")] = None,
    *,
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    output: Annotated[Path | None, typer.Option(help="Run folder; default: runs/METHOD/STAGE or runs/METHOD.")] = None,
    preset: PresetOption = "compact",
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: those of the method's recipe.")] = None,
    device: Annotated[str, typer.Option(help="'auto', 'cpu', 'cuda' or 'mps'.")] = "auto",
    init: Annotated[Path | None, typer.Option(help="Bundle whose weights to start from.")] = None,
    trunk: Annotated[Path | None, typer.Option(help="Or COCO or ImageNet weights for the trunk of rcnn-vnet.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to write, .safetensors; default: among your own.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")] = False,
) -> None:
    """Train one stage of a method, or all of them."""
    from napari_kidney_seg.cli.console import people_console
    from napari_kidney_seg.cli.training import train as run_training
    from napari_kidney_seg.training.request import TrainingRequest

    request = TrainingRequest(
        method=method,
        stage=stage,
        preset=preset,
        data=data,
        output=output or Path("runs", method, *([stage] if stage else [])),
        epochs=epochs,
        device=device,
        init=init,
        trunk=trunk,
        bundle=bundle,
    )
    run_training(request, people_console(as_json=False), resume=resume)


@app.command()
def check_data(
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Check labeled cases before training on them: grids, labels, Hounsfield units."""
    from napari_kidney_seg.cli.console import people_console
    from napari_kidney_seg.cli.data_report import show_data_check

    if not show_data_check(data, people_console(as_json=as_json)):
        raise typer.Exit(1)


@app.command()
def bundle(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN_FOLDER", help="Run folders of `train`: of each stage, or of all.")
    ],
    *,
    output: Annotated[Path, typer.Option(help="File to write, .safetensors.")],
    card: Annotated[Path, typer.Option(help="JSON with training_data, licence, and optionally scores and limits.")],
) -> None:
    """Put the best weights of trained stages into one file with its card."""
    from napari_kidney_seg.cli.bundling import bundle_stages

    made = bundle_stages(tuple(runs), output, card)
    typer.echo(f"Wrote {made}")


def main() -> None:
    """Run the command line."""
    app()
