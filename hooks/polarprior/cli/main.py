"""`polarprior`: puts the commands together, and turns errors into an `error:` and a `hint:`."""

from __future__ import annotations

import sys
import warnings

import click

from polarprior import __version__
from polarprior.cli import bank, demo, draw, environment, modes, run, score, sweep, train, tune
from polarprior.errors import PolarPriorError, report
from polarprior.stock.launch import Launch


class PluginGroup(click.Group):
    """A group to which plugins add their commands, when the commands are first asked for."""

    _asked = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, the plugins' among them."""
        self._ask_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name; plugins are asked only for what the host doesn't have."""
        own = super().get_command(ctx, cmd_name)
        if own is None:
            self._ask_plugins()
        return own or super().get_command(ctx, cmd_name)

    def _ask_plugins(self) -> None:
        if not self._asked:
            from polarprior.host import default_host

            self._asked = True
            default_host().register_commands(self)


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polarprior")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Draw a pretrained generator's latents from a polarity prior.

    Negative polarity moves samples to the generator's modes, positive to its anti-modes; 0 is the model's
    own prior. MODEL is PLUGIN or PLUGIN:SOURCE, such as dcgan-faces or torch:my_module:make_generator.
    """


for command in (
    bank.bank,
    draw.seeds,
    draw.sample,
    score.score,
    sweep.sweep,
    tune.tune,
    modes.modes,
    demo.demo,
    run.run,
    train.train,
    *environment.COMMANDS,
):
    cli.add_command(command)
cli.add_command(draw.sample, "generate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments[:1]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: click.echo(f"warning: {message}", err=True)
            code = cli.main(arguments, prog_name="polarprior", standalone_mode=False)
        if isinstance(code, Launch):  # outside, so that a stock script finds Python as it expects it
            return code()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
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
        reason = " ".join(str(error).split())[:200]
        return _fail(
            f"unexpected {type(error).__name__}: {reason}",
            "this is a bug or a broken model: polarprior --debug COMMAND shows where",
            1,
        )
    return code if isinstance(code, int) else 0


def _fail(message: str, hint: str, exit_code: int) -> int:
    report(message, hint)
    return exit_code
