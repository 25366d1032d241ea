"""`polarprior train`: a group that plugins fill with what they can train."""

from __future__ import annotations

import click


class Trained(click.Group):
    """Knows its commands only when plugins have been asked, which its parent does."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands; they come from plugins."""
        self._ask(ctx)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name."""
        self._ask(ctx)
        return super().get_command(ctx, cmd_name)

    @staticmethod
    def _ask(ctx: click.Context) -> None:
        root = ctx.find_root()
        if isinstance(root.command, click.Group) and root is not ctx:
            root.command.list_commands(root)


@click.group(cls=Trained)
def train() -> None:
    """Train what a plugin can train: a flow, a generator, a feature space."""
