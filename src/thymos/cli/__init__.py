"""The command line. It may know every room, and imports each on use so that ``--help`` answers at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from thymos import __version__
from thymos.cli import data, kept, live, models, studies, systems

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Recognise emotions from EEG, physiology, faces and speech, and measure honestly how well that works.",
)

#: The commands, in the order in which ``--help`` shows them.
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Data": (data.sources, data.init, data.check, data.features, data.simulate),
    "Studies": (studies.studies, studies.audit, studies.run, studies.report, studies.augment),
    "Published systems": (systems.reproduce, systems.demo),
    "Models": (models.train, models.predict, models.export, models.calibrate, models.explain, live.live),
    "This installation": (data.doctor,),
}
for _panel, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(kept.app, name="cache", rich_help_panel="This installation")


def main() -> None:
    """Run the command line; a mistake of the user ends with one message and status 2."""
    from thymos.base.errors import ThymosError

    _end_as_ctrl_c_does()
    try:
        app()
    except ThymosError as error:
        print(f"thymos: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception:  # a fault of ours; no status that means something else
        traceback.print_exc()
        print("thymos: this is a fault of Thymos, not of yours; please report it.", file=sys.stderr)
        sys.exit(70)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def _end_as_ctrl_c_does() -> None:
    """Let a scheduler or a closed terminal end a command as Ctrl-C does: its worker processes end with it.

    They would compute on otherwise, for nobody. What they leave to be removed is removed, without a word.
    """
    ours = threading.current_thread() is threading.main_thread()  # no other may
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # not every system has all
        if number is not None and ours and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    told = os.environ.get("PYTHONWARNINGS", "").split(",")
    os.environ["PYTHONWARNINGS"] = ",".join(dict.fromkeys([*filter(None, told), "ignore:resource_tracker"]))
