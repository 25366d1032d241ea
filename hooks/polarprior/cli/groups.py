"""Groups of commands: errors of a command name its own flags, and plugins add commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import click

from polarprior.errors import PIP, PolarPriorError, UsageError
from polarprior.flags import in_flags

SYNONYMS = {"classes": "label", "polarities": "rho", "banks": "bank", "path": "bank"}
"""Parameters of commands that hold several of an argument, or have another name."""
OF_OTHERS = {"n": "-n", "sampler": "--sampler"}
"""What hints name of other commands: a larger bank is one of a larger n."""

PUBLISHED = {"patch": "polarprior-patches"}
"""Commands whose plugins are published, and may not be installed."""


def flags_of(command: click.Command) -> dict[str, str]:
    """The flags of a command, and its arguments as its usage has them, by the arguments of Python that they stand
    for."""
    found = {
        str(each.name): max(each.opts, key=len)
        if isinstance(each, click.Option)
        else each.human_readable_name.strip("[].")
        for each in command.params
    }
    return {**OF_OTHERS, **{SYNONYMS[name]: flag for name, flag in found.items() if name in SYNONYMS}, **found}


def name_as_typed(error: PolarPriorError, command: click.Command) -> None:
    """Have an error of a command name its flags."""
    flags = flags_of(command)
    error.message, error.hint = in_flags(error.message, flags), in_flags(error.hint, flags)


class Group(click.Group):
    """A group whose commands' errors name the flags that were typed.

    Attributes:
        sections: of its help, title to commands; the last one has all that are in no other.
    """

    sections: ClassVar[Mapping[str, Sequence[str]]] = {"Commands": ()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, with the whole first sentence of what is said of a command."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        visible = {name: each for name, each in found.items() if each is not None and not each.hidden}
        named = {name for names in self.sections.values() for name in names}
        for title, names in self.sections.items():
            others = [name for name in visible if name not in named] if title == [*self.sections][-1] else []
            listed = [name for name in (*names, *others) if name in visible]
            with formatter.section(title):
                formatter.write_dl([(name, _summary(visible[name])) for name in listed])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except PolarPriorError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command is not None:
                name_as_typed(error, command)
            raise


class PluginGroup(Group):
    """A group to which plugins add their commands, when the commands are first asked for.

    Attributes:
        hook: by which plugins add some.
    """

    hook = "register_commands"
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
            own = super().get_command(ctx, cmd_name)
        if own is None and cmd_name in PUBLISHED:
            raise UsageError(
                f"{cmd_name}: a command of {PUBLISHED[cmd_name]}, which is not installed",
                f"type: {PIP} {PUBLISHED[cmd_name]}",
            )
        return own

    def _ask_plugins(self) -> None:
        if not self._asked:
            from polarprior.host import default_host

            self._asked = True
            getattr(default_host(), self.hook)(self)


def _summary(command: click.Command) -> str:
    """The first sentence of what is said of a command."""
    text = " ".join((command.short_help or command.help or "").split())
    return text.partition(". ")[0].removesuffix(".") + "."


class Trained(PluginGroup):
    """The group of what plugins train."""

    hook = "register_training"
