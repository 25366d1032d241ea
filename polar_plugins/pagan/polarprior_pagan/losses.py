"""All that is trained of a PAGAN, and the losses of the paper's Algorithm 1."""

from __future__ import annotations

import torch
from polarprior_training.augmentations import Augmentation
from torch import Tensor, nn

from polarprior_pagan.matching import MATCHINGS
from polarprior_pagan.networks import Encoder, Generator, OfImages, OfLatents, OfPairs, normalise
from polarprior_pagan.penalty import gradient_penalty
from polarprior_pagan.recipe import Recipe


class Networks(nn.Module):
    """All that is trained.

    Attributes:
        generator, encoder: G and E.
        of_images, of_latents, of_pairs: discriminators; the last where reconstructions are judged.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        shape = (recipe.size, recipe.channels)
        self.generator = Generator(*shape, recipe.latent_dim, recipe.width)
        self.encoder = Encoder(*shape, recipe.latent_dim, recipe.judge_width, recipe.deep)
        self.of_images = OfImages(*shape, recipe.judge_width, recipe.deep)
        self.of_latents = OfLatents(recipe.latent_dim)
        judges: list[nn.Module] = [self.of_images, self.of_latents]
        if recipe.reconstruction == "pairs":
            self.of_pairs = OfPairs(*shape, recipe.judge_width, recipe.deep, recipe.pairs)
            judges.append(self.of_pairs)
        for judge in judges:
            if recipe.gain and recipe.matching != "wasserstein":
                normalise(judge, recipe.gain)

    def makers(self) -> list[nn.Parameter]:
        """Parameters of generator and encoder."""
        return [*self.generator.parameters(), *self.encoder.parameters()]

    def judges(self) -> list[nn.Parameter]:
        """Parameters of the discriminators."""
        makers = {id(each) for each in self.makers()}
        return [each for each in self.parameters() if id(each) not in makers]


def losses(
    networks: Networks, recipe: Recipe, x: Tensor, augment: Augmentation, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The loss of the discriminators, and that of generator and encoder, on real images x [n, C, H, W].

    Algorithm 1 writes a loss for G and one for E. They share the term of the pairs, and their others depend on one of
    the two alone: their sum, with that term once, has the same gradients.
    """
    matching = MATCHINGS[recipe.matching]
    made_better = matching.makers[recipe.maker]
    z = torch.randn(len(x), recipe.latent_dim, generator=noise).to(x)
    encoded = networks.encoder.draw(x, noise)
    made, again = networks.generator(torch.cat([z, encoded])).chunk(2)
    games: list[tuple[nn.Module, tuple[Tensor, ...], tuple[Tensor, ...]]] = [
        (networks.of_images, (x,), (made,)),
        (networks.of_latents, (z,), (encoded,)),
    ]
    of_judges, of_makers = x.new_zeros(()), x.new_zeros(())
    if recipe.reconstruction == "pairs":
        games.append((networks.of_pairs, (x, augment(x, noise)), (x, again)))
    else:
        of_makers = of_makers + recipe.l1 * (again - x).abs().mean()
    for judge, real, fake in games:
        of_fake = judge(*fake)
        of_judges = of_judges + matching.judge(judge(*real), of_fake)
        of_makers = of_makers + made_better(of_fake)
        if recipe.matching == "wasserstein":
            # the (x', y') of eq. 38 and 39 is of another image: with the same x both equations would be one
            others = tuple(each.roll(1, 0) for each in fake)
            penalty = gradient_penalty(judge, real, others, noise, recipe.independent)
            of_judges = of_judges + recipe.penalty * penalty
    return of_judges, of_makers
