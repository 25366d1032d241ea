"""`polarprior`: puts the commands together, and turns errors into an `error:` and a `hint:`."""

from __future__ import annotations

import sys
import warnings
from copy import copy
from typing import ClassVar

import click

from polarprior.cli import (
    bank,
    bank_on_hub,
    demo,
    directions,
    draw,
    environment,
    measure,
    modes,
    new_plugin,
    pick,
    run,
    score,
    studio,
    sweep,
    train,
    tune,
)
from polarprior.cli.groups import PluginGroup, flags_of, name_as_typed
from polarprior.errors import PolarPriorError, report
from polarprior.flags import in_flags
from polarprior.saying import say
from polarprior.stages import heartbeat
from polarprior.stock.launch import Launch
from polarprior.version import __version__


class Commands(PluginGroup):
    """All commands."""

    sections: ClassVar = {
        "Draw": ("sample", "pick", "sweep", "tune", "seeds", "studio", "demo"),
        "Banks": ("bank",),
        "Measure": ("score", "modes", "directions", "measure"),
        "Stock scripts": ("run", "patch"),
        "More": ("train", "doctor", "plugins", "new-plugin"),
    }


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polarprior")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Draw a pretrained generator's latents from a polarity prior.

    Negative polarity moves samples to the generator's modes, positive to its anti-modes; 0 is the model's
    own prior. MODEL is PLUGIN or PLUGIN:SOURCE, such as dcgan-faces or torch:my_module:make_generator.
    """


for command in bank_on_hub.COMMANDS:
    bank.bank.add_command(command)
for command in (
    bank.bank,
    draw.seeds,
    draw.sample,
    score.score,
    sweep.sweep,
    tune.tune,
    measure.measure,
    modes.modes,
    pick.pick,
    studio.studio,
    directions.directions,
    demo.demo,
    run.run,
    train.train,
    new_plugin.new_plugin,
    *environment.COMMANDS,
):
    cli.add_command(command)
generate = copy(draw.sample)  # for models that have no stock script
generate.hidden = True
cli.add_command(generate, "generate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments, debug = without_debug(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings(), heartbeat(f"polarprior {_command(arguments)}".strip()):
            warnings.showwarning = _show_warning
            code = cli.main(arguments, prog_name="polarprior", standalone_mode=False)
        if isinstance(code, Launch):  # outside, so that a stock script finds Python as it expects it
            return _launched(code)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "polarprior"
        return _fail(error.format_message(), f"see: {command} --help", error.exit_code)
    except PolarPriorError as error:
        if debug:
            raise
        return _fail(error.message, error.hint, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", "every file that was written is whole; run the same command again", 1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; Python would complain about it at exit
        return 1
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", "check that path: its folder, rights and room", 1)
    except MemoryError:
        return _fail("out of memory", "ask for less at once: fewer latents or a smaller model", 1)
    except Exception as error:
        if debug:
            raise
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return _fail(reason, "this is a bug or a broken model: polarprior --debug COMMAND shows where", 1)
    return code if isinstance(code, int) else 0


def _command(arguments: list[str]) -> str:
    """The first words, which name the command.

    >>> _command(["bank", "build", "dcgan-faces"])
    'bank build'
    """
    named = [word for word in arguments if not word.startswith("-")]
    return " ".join(named[: 2 if named[:1] in (["bank"], ["train"]) else 1])


def without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without ``--debug``, wherever it stands, and whether it was there.

    What stands behind ``--``, or behind the script of ``polarprior run``, is not ours.

    >>> without_debug(["sample", "dcgan-faces", "--debug"])
    (['sample', 'dcgan-faces'], True)
    >>> without_debug(["run", "generate.py", "--debug"])
    (['run', 'generate.py', '--debug'], False)
    """
    ends = [index for index, word in enumerate(arguments) if word == "--"]
    if "run" in arguments[:2]:
        ends += [index for index, word in enumerate(arguments) if word.endswith(".py")]
    end = min(ends, default=len(arguments))
    own = [word for word in arguments[:end] if word != "--debug"]
    return [*own, *arguments[end:]], len(own) < end


def _launched(launch: Launch) -> int:
    try:
        return launch()
    except PolarPriorError as error:
        name_as_typed(error, run.run)
        raise


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning in a line, which names the flags of the command that runs."""
    context = click.get_current_context(silent=True)
    flags = {} if context is None else flags_of(context.command)
    say(f"warning: {in_flags(str(message), flags)}", err=True)


def _fail(message: str, hint: str, exit_code: int) -> int:
    report(message, hint)
    return exit_code
