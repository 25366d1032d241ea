"""The page: four tabs, and what happens where somebody touches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

import polarprior as pp
from polarprior.errors import PolarPriorError
from polarprior.foreign import in_html
from polarprior.images.pictures import as_image
from polarprior.law.limits import floor_to
from polarprior.law.support import SUPPORTS
from polarprior.studio import commands, curves, words
from polarprior.studio.model import Picture, Studio, zipped
from polarprior.studio.settings import Setting, seeds_typed

STYLE = Path(__file__).with_name("style.css")
HELD = ("contrast", "brightness", "texture", "saturation")
SAMPLERS = {"bank: latents of the bank": "bank", "online: fresh latents": "online"}
DIRECTIONS, SPAN, COLUMNS, ENDS = 6, 2.0, 8, 8
RHO = "below 0 modes, above 0 anti-modes"


def guarded(outputs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Show what goes wrong in the first output of a handler, and leave the others as they are.

    Args:
        outputs: how many there are.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def safe(*given: Any) -> Iterator[Any]:
            try:
                found = handler(*given)
                if isinstance(found, Iterator):
                    yield from found
                else:
                    yield found
            except PolarPriorError as error:
                yield _instead(notice(error.message, error.hint), outputs)
            except Exception as error:  # a model of somebody's: whatever it raises, the page lives on
                what = f"the model failed: {type(error).__name__}: {error}"
                yield _instead(notice(what, "try another setting; the terminal has more"), outputs)

        return safe

    return decorate


def _instead(message: str, outputs: int) -> Any:
    return message if outputs == 1 else (message, *[gr.skip()] * (outputs - 1))


def notice(message: str, hint: str = "") -> str:
    """A message that can't be missed; its text is never markup."""
    return f'<div class="pp-notice" role="alert">{in_html(message)}<br>{in_html(hint)}</div>'


def fine(message: str) -> str:
    """A message that all is well."""
    return f'<div class="pp-fine" role="status">{in_html(message)}</div>'


def trusted(found: pp.Diagnostics | None) -> str:
    """How far the draws can be trusted, as a table of words."""
    rows = [] if found is None else words.trust(found)
    cells = "".join(f"<tr>{''.join(f'<td>{in_html(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="pp-trust"><caption>How far to trust it</caption>{cells}</table>'


def shown(pictures: Sequence[Picture]) -> list[tuple[Image.Image, str]]:
    """Pictures with their captions, for a gallery."""
    return [(as_image(picture.pixels), picture.caption) for picture in pictures]


class Page:
    """The page of a studio.

    Args:
        studio: the model and its banks.
    """

    def __init__(self, studio: Studio):
        self._studio = studio
        self._walks: dict[tuple[str, int | None, int], pp.Directions] = {}

    def blocks(self) -> gr.Blocks:
        """All of it."""
        first = self._studio.opened[0]
        with gr.Blocks(title=f"polarprior: {first.generator.model}", analytics_enabled=False) as page:
            gr.Markdown(f"# {in_html(first.generator.model)}")
            grid = gr.State([])
            with gr.Tab("Draw", id="draw"):
                inputs, pictures, of_bank = self._draw_tab(page, grid)
            with gr.Tab("Look at one", id="look"):
                self._look_tab(inputs, pictures, grid)
            with gr.Tab("Bank", id="bank"):
                self._bank_tab(inputs, of_bank)
            with gr.Tab("Take away", id="take"):
                self._take_tab(inputs)
        return page

    def _draw_tab(self, page: gr.Blocks, grid: gr.State) -> tuple[list[Any], gr.Gallery, list[Any]]:
        """Build the tab: what is set there, its pictures, and what another bank changes."""
        opened = self._studio.opened
        first, classes = opened[0], opened[0].generator.num_classes
        k = first.bank.info.k if first.bank else 1
        limits = self._limits_at_first(0) if first.bank else (-1.0, 1.0)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                which = gr.Dropdown(
                    [(each.name, place) for place, each in enumerate(opened)],
                    value=0,
                    label="Bank",
                    info="with the truncation that it was built at",
                    elem_id="which",
                )
                rho = gr.Slider(
                    *_range(limits)[:2],
                    step=_range(limits)[2],
                    value=0,
                    label="rho",
                    info=RHO,
                    elem_id="rho",
                    interactive=first.bank is not None,
                )
                reach = gr.HTML(self._reach(limits) if first.bank else "", elem_id="reach")
                beyond = gr.Checkbox(False, label="Beyond the limits", info=words.BEYOND, elem_id="beyond")
                seeds = gr.Textbox("0-15", label="Seeds", info="stock seeds, such as 0-15 or 3,7", elem_id="seeds")
                label = gr.Dropdown(
                    [(_class_name(first.generator, index), index) for index in range(classes or 1)],
                    value=0,
                    label="Class",
                    visible=classes is not None,
                    elem_id="class",
                )
                with gr.Accordion("More", open=False):
                    k_of = gr.Slider(1, max(k, 2), value=k, step=1, label="k", info="singular values in the volume")
                    support = gr.Radio(list(SUPPORTS), value="prior", label="Support", info="where mass may go")
                    hold = gr.CheckboxGroup(list(HELD), label="Hold", info="what pictures must not change on average")
                    sampler = gr.Radio(
                        list(SAMPLERS.items()),
                        value="bank",
                        label="Sampler",
                        info="fresh latents take some seconds each, and can be stopped",
                    )
                with gr.Row():
                    go = gr.Button("Draw", variant="primary", elem_id="go")
                    stop = gr.Button("Stop", elem_id="stop")
                keep = gr.Button("Keep this beside the next", elem_id="keep")
            with gr.Column(scale=3, min_width=320):
                said = gr.HTML(elem_id="said")
                pictures = gr.Gallery(
                    label="Pictures",
                    columns=COLUMNS,
                    elem_id="pictures",
                    allow_preview=False,
                    elem_classes="pp-grid",
                )
                trust = gr.HTML(elem_id="trust")
                kept_said = gr.HTML(elem_id="kept-said")
                kept = gr.Gallery(
                    label="Kept",
                    columns=COLUMNS,
                    visible=False,
                    elem_id="kept",
                    allow_preview=False,
                    elem_classes="pp-grid",
                )
        inputs = [which, rho, seeds, label, k_of, support, hold, sampler, beyond]
        outputs = [said, pictures, trust, grid]
        draw = guarded(len(outputs))(self._draw)
        how: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "always_last"}
        runs: list[Any] = [
            go.click(draw, inputs, outputs, **how),
            rho.release(draw, inputs, outputs, **how),
            seeds.submit(draw, inputs, outputs, **how),
            *(each.input(draw, inputs, outputs, **how) for each in (label, k_of, support, hold)),
            beyond.input(draw, inputs, outputs, **how),
        ]
        of_bank = [said, rho, k_of, reach]
        chosen = which.input(guarded(len(of_bank))(self._chosen), which, of_bank)
        runs.append(chosen.then(draw, inputs, outputs, **how))
        stop.click(lambda: fine("stopped"), None, said, cancels=runs)
        keep.click(self._keep, [grid, said], [kept, kept_said])
        page.load(draw, inputs, outputs, show_progress="minimal")
        return inputs, pictures, of_bank

    def _look_tab(self, inputs: list[Any], pictures: gr.Gallery, grid: gr.State) -> None:
        said = gr.HTML(fine("Click a picture in the tab Draw, or name a seed."), elem_id="look-said")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                named = gr.Number(0, precision=0, label="Seed", minimum=0, elem_id="look-seed")
                look = gr.Button("Look", variant="primary", elem_id="look-go")
                picture = gr.Image(label="Picture", elem_id="look-picture", interactive=False)
            with gr.Column(scale=2, min_width=320):
                spectrum = gr.HTML(elem_id="look-spectrum")
                nearest = gr.Gallery(
                    label="Rows of the bank with the nearest spectra",
                    columns=5,
                    allow_preview=False,
                    elem_classes="pp-grid",
                )
        gr.Markdown(
            "## Where it changes most\nEach slider walks along one direction of the latent, in standard deviations. "
            "The first is the one that changes the picture most."
        )
        find = gr.Button("Find the directions", elem_id="find")
        with gr.Row():
            sliders = [
                gr.Slider(-SPAN, SPAN, value=0, step=0.1, label=f"Direction {index}", elem_id=f"direction-{index}")
                for index in range(DIRECTIONS)
            ]
        outputs = [said, picture, spectrum, nearest, *sliders]
        looked = guarded(len(outputs))(self._look)
        look.click(looked, [*inputs, named], outputs)
        pictures.select(self._picked, grid, named).then(looked, [*inputs, named], outputs)
        found = guarded(2)(self._walk)
        find.click(found, [*inputs, named, *sliders], [said, picture])
        for slider in sliders:
            slider.release(found, [*inputs, named, *sliders], [said, picture], trigger_mode="always_last")

    def _bank_tab(self, inputs: list[Any], of_bank: list[Any]) -> None:
        said = gr.HTML(fine("Numbers of the bank at the polarity of the tab Draw."), elem_id="bank-said")
        show = gr.Button("Show", variant="primary", elem_id="bank-go")
        with gr.Row(visible=self._studio.opened[0].bank is None):
            rows = gr.Slider(200, 20_000, value=1000, step=100, label="Latents of a bank", elem_id="build-rows")
            cost = gr.Button("What would it cost?", elem_id="build-cost")
            build = gr.Button("Build it", elem_id="build-go")
            stop = gr.Button("Stop", elem_id="build-stop")
        cost.click(guarded(1)(self._cost), [inputs[0], inputs[3], rows], said)
        building = build.click(guarded(1)(self._build), [inputs[0], rows], said)
        building.then(guarded(len(of_bank))(self._chosen), inputs[0], of_bank)
        stop.click(lambda: fine("stopped; the same goes on where it was"), None, said, cancels=[building])
        drawn = gr.HTML(elem_id="bank-curves")
        modes = gr.Gallery(
            label="Modes: the lowest log-volumes", columns=COLUMNS, allow_preview=False, elem_classes="pp-grid"
        )
        anti = gr.Gallery(
            label="Anti-modes: the highest", columns=COLUMNS, allow_preview=False, elem_classes="pp-grid"
        )
        outputs = [said, drawn, modes, anti]
        show.click(guarded(len(outputs))(self._bank), inputs, outputs)

    def _take_tab(self, inputs: list[Any]) -> None:
        said = gr.HTML(fine("The same pictures as files, as a command, and as Python."), elem_id="take-said")
        make = gr.Button("Make them", variant="primary", elem_id="take-go")
        file = gr.File(label="Pictures and samples.json", elem_id="take-file")
        command = gr.Code(label="Command line", language="shell", elem_id="take-command")
        python = gr.Code(label="Python", language="python", elem_id="take-python")
        seeds = gr.Textbox(label="Seeds for a stock script", elem_id="take-seeds", buttons=["copy"])
        outputs = [said, file, command, python, seeds]
        make.click(guarded(len(outputs))(self._take), inputs, outputs)

    def _setting(
        self,
        which: int,
        rho: float,
        seeds: str,
        label: int | None,
        k: int,
        support: str,
        hold: Sequence[str],
        sampler: str,
        beyond: bool,
    ) -> Setting:
        opened = self._studio.opened[which]
        return Setting(
            opened.path,
            None if opened.bank is None else float(f"{rho:.6g}"),
            seeds_typed(seeds),
            label if opened.generator.num_classes is not None else None,
            int(k),
            support,
            tuple(hold),
            sampler,
            beyond,
        )

    def _limits(self, which: int, setting: Setting) -> tuple[float, float]:
        found = self._studio.diagnostics(self._studio.opened[which], setting, 0.0).limits
        return max(found.lower, -100.0), min(found.upper, 100.0)

    def _limits_at_first(self, which: int) -> tuple[float, float]:
        """The limits with all of a bank's singular values, of the first class where there are classes."""
        bank = self._studio.opened[which].bank
        assert bank is not None
        return self._limits(which, self._setting(which, 0.0, "0-15", 0, bank.info.k, "prior", [], "bank", False))

    def _reach(self, limits: tuple[float, float]) -> str:
        """A bar below the slider of rho that marks what the bank supports, and what lies beyond."""
        low, high, _ = _range(limits)
        start, width = (100 * part / (high - low) for part in (limits[0] - low, limits[1] - limits[0]))
        inside = f"{floor_to(limits[0]):g} to {floor_to(limits[1]):g}"
        return (
            f'<div class="pp-reach"><div style="margin-left: {start:.1f}%; width: {width:.1f}%"></div></div>'
            f'<div class="pp-fine">The bank supports {in_html(inside)}, in blue; grey is beyond its limits.</div>'
        )

    def _chosen(self, which: int) -> tuple[Any, ...]:
        """Another bank has other limits and another k."""
        opened = self._studio.opened[which]
        if opened.bank is None:
            return notice("this model has no bank", "build one in the tab Bank"), *[gr.skip()] * 3
        k = opened.bank.info.k
        limits = self._limits_at_first(which)
        low, high, step = _range(limits)
        slider = gr.update(minimum=low, maximum=high, step=step, value=0, info=RHO, interactive=True)
        k_of = gr.update(maximum=max(k, 2), value=k)
        return fine(f"{opened.name}: {len(opened.bank):,} latents"), slider, k_of, self._reach(limits)

    def _draw(self, which: int, *given: Any) -> Iterator[tuple[Any, ...]]:
        opened, setting = self._studio.opened[which], self._setting(which, *given)
        if setting.rho is not None and not setting.beyond:
            lower, upper = self._limits(which, setting)
            if not lower <= setting.rho <= upper:
                reach = f"{floor_to(lower):g} to {floor_to(upper):g}"
                message = f"rho {setting.rho:.3g} is beyond what the bank supports, {reach}"
                yield (notice(message, "tick ‘Beyond the limits’ to see it all the same"), *[gr.skip()] * 3)
                return
        for pictures, found in self._studio.draw(opened, setting):
            line = "the model's own pictures: a bank is needed for others, and the tab Bank can build one"
            if setting.rho is not None:
                moved = sum(each.moved for each in pictures)
                line = f"rho {setting.rho:.3g}: {moved} of {len(pictures)} pictures replaced"
                line += "; % is the share of the bank with a lower log-volume"
            if len(pictures) < len(setting.seeds):
                line += f"; {len(setting.seeds) - len(pictures)} to come"
            yield fine(line), shown(pictures), trusted(found), pictures

    def _keep(self, pictures: list[Picture], said: str) -> tuple[Any, str]:
        return gr.update(value=shown(pictures), visible=True), said

    def _picked(self, pictures: list[Picture], event: gr.SelectData) -> int:
        """The seed of the latent that a picture shows."""
        picture = pictures[event.index]
        return picture.seed if picture.became is None else picture.became

    def _look(self, which: int, *given: Any) -> tuple[Any, ...]:
        *rest, seed = given
        opened, setting = self._studio.opened[which], self._setting(which, *rest)
        picture = as_image(self._studio.pictures(opened, setting, [int(seed)])[0])
        zero = [0.0] * DIRECTIONS
        if opened.bank is None:
            return (fine(f"seed {int(seed)}"), picture, "", [], *zero)
        found = self._studio.look(opened, setting, int(seed))
        line = (
            f"seed {int(seed)}: log-volume {found.log_volume:.2f} nats, above {found.quantile:.0%} of the bank "
            "(0% is a mode, 100% an anti-mode)"
        )
        drawn = curves.spectrum(found.log_sigma, found.mean, found.std)
        near = [
            (as_image(pixels), f"seed {each}") for pixels, each in zip(found.pictures, found.nearest, strict=True)
        ]
        return (fine(line), picture, drawn, near, *zero)

    def _walk(self, which: int, *given: Any) -> tuple[str, Image.Image]:
        rest, seed, amounts = given[: -DIRECTIONS - 1], int(given[-DIRECTIONS - 1]), given[-DIRECTIONS:]
        opened, setting = self._studio.opened[which], self._setting(which, *rest)
        place = (opened.name, setting.label, seed)
        if place not in self._walks:
            k = min(DIRECTIONS, opened.generator.rank_bound)
            self._walks[place] = self._studio.directions(opened, setting, seed, k)
        walks = self._walks[place]
        count = walks.vectors.shape[1]
        sigma = ", ".join(f"{value:.3g}" for value in walks.log_sigma[0].exp().tolist())
        picture = as_image(walks.images(0, walks.moved(0, [list(amounts)[:count]]))[0])
        return fine(f"seed {seed}: singular values of the directions {sigma}"), picture

    def _bank(self, which: int, *given: Any) -> tuple[Any, ...]:
        opened, setting = self._studio.opened[which], self._setting(which, *given)
        if opened.bank is None:
            return notice("this model has no bank", "build one below"), "", [], []
        assert setting.rho is not None
        volumes = curves.volumes(*self._studio.volumes(opened, setting), setting.rho)
        along = curves.over_rho(self._studio.over_rho(opened, setting), setting.rho)
        galleries = []
        for anti in (False, True):
            end = opened.bank.top(ENDS, label=setting.label, k=setting.k, anti=anti)
            pixels = self._studio.pictures(opened, setting, end.seeds)
            volume = zip(pixels, end.seeds, end.log_volumes, strict=True)
            galleries.append([(as_image(each), f"seed {seed} · {value:.1f}") for each, seed, value in volume])
        line = f"{opened.name}: {len(opened.bank):,} latents, k {opened.bank.info.k}, space {opened.bank.info.space}"
        return fine(line), f'<div class="pp-curves">{volumes}{along}</div>', *galleries

    def _cost(self, which: int, label: int | None, rows: int) -> str:
        opened = self._studio.opened[which]
        seconds = self._studio.cost(opened, label if opened.generator.num_classes is not None else None)
        return fine(f"{rows:,} latents take about {rows * seconds / 60:.1f} minutes")

    def _build(self, which: int, rows: int) -> Iterator[str]:
        opened = self._studio.opened[which]
        for line in self._studio.build(opened, int(rows)):
            yield fine(line)
        self._studio.opened[which] = self._studio.with_bank(opened)
        yield fine("built: go to the tab Draw")

    def _take(self, which: int, *given: Any) -> tuple[Any, ...]:
        opened, setting = self._studio.opened[which], self._setting(which, *given)
        device = str(opened.generator.device)
        samples = self._studio.samples(opened, setting)
        return (
            fine(f"{len(setting.seeds)} pictures" + ("" if setting.rho is None else f" at rho {setting.rho:.3g}")),
            str(zipped(samples)),
            commands.sample(opened.generator, setting),
            setting.python(opened.generator.model, device, opened.generator.settings.given()),
            ",".join(str(seed) for seed in samples.became if seed is not None),
        )


def _range(limits: tuple[float, float]) -> tuple[float, float, float]:
    """The ends of a slider, twice the limits, and its step: about a hundredth of them, a power of ten."""
    step = float(10.0 ** np.floor(np.log10(max(limits[1] - limits[0], 1e-6) / 100)))
    low, high = (round(2 * limit / step) * step for limit in limits)
    return float(f"{low:.6g}"), float(f"{high:.6g}"), step


def _class_name(generator: pp.Generator, index: int) -> str:
    names = generator.class_names
    return f"{index}: {names[index].partition(',')[0]}" if index < len(names) else str(index)
