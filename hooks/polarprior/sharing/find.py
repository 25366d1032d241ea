"""Banks on the Hub of one model, by the fingerprint of its weights in their tags."""

from __future__ import annotations

from contextlib import suppress

from polarprior.bank.from_hub import SharedBank, candidates, look
from polarprior.building.card import TAG, model_tag
from polarprior.errors import PolarPriorError
from polarprior.generator import Generator
from polarprior.hub import client
from polarprior.hub.name import hub_name

MOST = 20
"""Repositories that are looked at."""


def find(generator: Generator) -> list[SharedBank]:
    """Banks on the Hub for this very model, those with its settings first, large ones before small ones.

    The Hub is asked for the fingerprint of the model's weights; what is found is looked at, and left out where it is
    of others. Nothing is fetched but indexes and cards.

    Raises:
        PolarPriorError: nobody answers.
    """
    found = []
    for repo in client.tagged([TAG, model_tag(generator.fingerprint)], MOST):
        try:
            names = candidates(hub_name(repo))
        except client.Unreachable:
            raise
        except PolarPriorError:
            continue  # it has gone, or is not to be seen
        for name in names:
            with suppress(PolarPriorError):  # something else in it, with our tag
                bank = look(name)
                if (bank.info.plugin, bank.info.fingerprint) == (generator.plugin, generator.fingerprint):
                    found.append(bank)
    return sorted(found, key=lambda bank: (bank.info.settings != generator.settings, -bank.rows))
