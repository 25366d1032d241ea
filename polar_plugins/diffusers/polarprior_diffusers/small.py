"""Writes small pipelines of random weights with diffusers' and transformers' own classes: to try things out, and for
tests.

    python -m polarprior_diffusers.small {consistency,sd,sdxl,flow,sd3} FOLDER [--seed N] [--classes N]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from polarprior_diffusers.importing import import_diffusers

SIZE = 4
WIDTH = 16
"""Numbers in a state of CLIP's text encoders."""
WORDS = ["a", "cat", "dog", "photo", "of", "red", "blue"]


def consistency(classes: int = 0) -> Any:
    """A consistency model of 4 x 4 pixels."""
    diffusers = import_diffusers()
    unet = diffusers.UNet2DModel(
        sample_size=SIZE,
        block_out_channels=(16, 32),
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        num_class_embeds=classes or None,
        resnet_time_scale_shift="scale_shift",
    )
    scheduler = diffusers.CMStochasticIterativeScheduler(num_train_timesteps=40, sigma_min=0.002, sigma_max=80.0)
    return diffusers.ConsistencyModelPipeline(unet=unet, scheduler=scheduler)


def stable_diffusion() -> Any:
    """A latent diffusion model with a text encoder: 4 x 4 x 4 latents, pictures of 8 x 8."""
    diffusers = import_diffusers()
    tokenizer, encoder = _clip()
    return diffusers.StableDiffusionPipeline(
        vae=_autoencoder(4),
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=_text_unet(cross_attention_dim=WIDTH),
        scheduler=_euler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    """One with two text encoders, which is told the size besides, of SDXL's kind."""
    diffusers = import_diffusers()
    tokenizer, encoder = _clip()
    other_tokenizer, other_encoder = _clip(projected=True)
    unet = _text_unet(
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 6 * 8,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_autoencoder(4),
        text_encoder=encoder,
        text_encoder_2=other_encoder,
        tokenizer=tokenizer,
        tokenizer_2=other_tokenizer,
        unet=unet,
        scheduler=_euler(),
    )


def stable_diffusion_3() -> Any:
    """A flow-matching transformer of Stable Diffusion 3's kind."""
    diffusers = import_diffusers()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIZE,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * WIDTH,
    )
    (tokenizer, encoder), (other_tokenizer, other_encoder) = _clip(projected=True), _clip(projected=True)
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_autoencoder(4),
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=other_encoder,
        tokenizer_2=other_tokenizer,
        text_encoder_3=_t5(2 * WIDTH),
        tokenizer_3=_t5_tokenizer(),
    )


def flow() -> Any:
    """A flow-matching transformer of FLUX's kind: for pictures of 8 x 8, latents are 4 tokens of 16 numbers."""
    diffusers = import_diffusers()
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=8,
        pooled_projection_dim=16,
        axes_dims_rope=(2, 2, 4),
    )
    tokenizer, encoder = _clip()
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_autoencoder(4),
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=_t5(8),
        tokenizer_2=_t5_tokenizer(),
        transformer=transformer,
    )


ASKED: dict[str, dict[str, Any]] = {
    "consistency": {},
    "classes": {},
    "sd": {"prompt": "a cat", "steps": 1, "guidance": 0.0},
    "guided": {"prompt": "a cat", "negative_prompt": "a dog", "steps": 3, "guidance": 3.0},
    "sdxl": {"prompt": "a cat", "steps": 1, "guidance": 0.0},
    "flow": {"prompt": "a cat", "steps": 2, "guidance": 0.0, "size": "8x8"},
    "sd3": {"prompt": "a cat", "steps": 2, "guidance": 0.0},
}
"""Settings to try a pipeline with, by a name of it; ``classes`` is a consistency model of three, ``guided`` the same
pipeline as ``sd``."""
KINDS: dict[str, Callable[..., Any]] = {
    "consistency": consistency,
    "sd": stable_diffusion,
    "sdxl": stable_diffusion_xl,
    "flow": flow,
    "sd3": stable_diffusion_3,
}


def _autoencoder(channels: int) -> Any:
    return import_diffusers().AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=2 * SIZE,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=0.5,
        shift_factor=0.1,
    )


def _text_unet(**more: Any) -> Any:
    return import_diffusers().UNet2DConditionModel(
        sample_size=SIZE,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        **more,
    )


def _euler() -> Any:
    return import_diffusers().EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    )


def _clip(projected: bool = False) -> tuple[Any, Any]:
    """A tokenizer of a few words, and a text encoder for it, with or without a projection of its last state."""
    import transformers

    letters = sorted({letter for word in WORDS for letter in word})
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    with TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        vocabulary.write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
        merges.write_text("#version: 0.2\n")
        tokenizer = transformers.CLIPTokenizer(str(vocabulary), str(merges), model_max_length=16)
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=WIDTH,
        bos_token_id=len(tokens) - 2,
        eos_token_id=len(tokens) - 1,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return tokenizer, kind(config)


def _t5(width: int) -> Any:
    import transformers

    config = transformers.T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=1)
    return transformers.T5EncoderModel(config)


def _t5_tokenizer() -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -1.0) for word in WORDS)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=16
    )


def made(kind: str, seed: int = 0, **options: Any) -> Any:
    """A pipeline of `KINDS` with the same weights each time; layers that begin as zeros have small weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # inside fork_rng: the layers' initial weights
        pipe = KINDS[kind](**options)
        for module in (each for each in pipe.components.values() if isinstance(each, torch.nn.Module)):
            module.eval().requires_grad_(False)
            for parameter in module.parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.1)
    return pipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--classes", type=int, default=0, help="of a consistency model")
    options = parser.parse_args()
    more = {"classes": options.classes} if options.classes else {}
    made(options.kind, options.seed, **more).save_pretrained(options.folder)


if __name__ == "__main__":
    main()
