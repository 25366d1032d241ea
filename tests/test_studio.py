"""The studio in a real browser, which can reach nothing but this machine."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import socket
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import polarprior as pp
import pytest
from polarprior.cli.main import main

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
MISSING = [name for name in ("gradio", "playwright") if find_spec(name) is None] + ([] if CHROMIUM else ["chromium"])
REQUIRED = bool(os.environ.get("POLARPRIOR_BROWSER"))
pytestmark = pytest.mark.skipif(bool(MISSING) and not REQUIRED, reason=f"needs {', '.join(MISSING)}")
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
MODEL = """
import time
import polarprior as pp, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8))
        self.layers = nn.Sequential(*layers)
        self.broken, self.slow = False, 0.0

    def forward(self, z):
        if self.broken:
            raise RuntimeError("<b>out of paint</b>")
        time.sleep(self.slow)
        return self.layers(z)

def make():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return pp.wrap(Net(), latent_dim=6)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    (folder / "of_studio.py").write_text(MODEL)
    before = Path.cwd()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        assert main(["bank", "build", "torch:of_studio:make", "-n", "500", "-k", "4", "--out", "bank"]) == 0
        yield folder
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def studio(folder):
    """What the page plays with."""
    from polarprior.studio.model import Opened, Studio

    generator = pp.load("torch:of_studio:make", "cpu")
    path = folder / "bank.safetensors"
    return Studio([Opened(generator, pp.Bank.open(path), path)])


@pytest.fixture(scope="module")
def address(studio):
    from polarprior.studio.serving import serve

    port = free_port()
    page = serve(studio, port, browse=False)
    yield f"http://127.0.0.1:{port}"
    page.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", ALONE])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(90_000)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#pictures img")
    yield page
    page.close()


def says(page, where, text):
    page.wait_for_function(
        "([where, text]) => document.querySelector(where)?.innerText.includes(text)", arg=[where, text]
    )


def sources(page):
    return page.eval_on_selector_all("#pictures img", "all => all.map(each => each.src)")


def set_rho(page, rho):
    number = page.locator("#rho input[type=number]")
    number.fill(str(rho))
    number.press("Enter")
    page.locator("#go").click()


def open_tab(page, name):
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.get_by_role("tab", name=name).click()


def test_the_page_asks_no_other_host(page, address):
    others = [url for url in page.asked if not url.startswith((address, "data:", "blob:"))]
    assert page.asked
    assert others == []


def test_rho_changes_the_grid_without_a_jacobian(page, studio, monkeypatch):
    def none(*_, **__):
        raise AssertionError("a Jacobian was taken")

    monkeypatch.setattr("polarprior.volume.estimators.top_singular_values", none)
    before = sources(page)
    assert len(before) == 16
    set_rho(page, 0.3)
    says(page, "#said", "rho 0.3")
    says(page, "#trust", "effective sample size")
    assert sources(page) != before


def test_beyond_the_limits_it_is_refused_until_somebody_ticks(page, studio):
    set_rho(page, 40)
    says(page, "#said", "beyond what the bank supports")
    page.locator("#beyond input").check()
    says(page, "#said", "pictures replaced")
    says(page, "#trust", "too small for this polarity")


def test_a_picture_is_looked_at_and_walked_from(page):
    page.locator("#pictures .thumbnail-item").nth(3).click()
    open_tab(page, "Look at one")
    says(page, "#look-said", "seed 3: log-volume")
    assert page.locator("#look-spectrum svg").count() == 1
    page.locator("#find").click()
    says(page, "#look-said", "singular values of the directions")
    before = page.locator("#look-picture img").get_attribute("src")
    number = page.locator("#direction-0 input[type=number]")
    number.fill("2")
    number.press("Enter")
    page.locator("#find").click()
    page.wait_for_function("before => document.querySelector('#look-picture img').src != before", arg=before)


def test_a_bank_is_shown(page):
    open_tab(page, "Bank")
    page.locator("#bank-go").click()
    says(page, "#bank-said", "500 latents, k 4")
    assert page.locator("#bank-curves svg").count() == 3


def test_what_is_taken_away_is_what_the_command_writes(page, folder, tmp_path):
    set_rho(page, 0.25)
    says(page, "#said", "rho 0.25")
    open_tab(page, "Take away")
    page.locator("#take-go").click()
    says(page, "#take-said", "16 pictures at rho 0.25")
    with page.expect_download() as download:
        page.locator("#take-file a").first.click()
    words = shlex.split(page.locator("#take-command .cm-content").inner_text())
    lines = page.locator("#take-python .cm-content").inner_text()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        files = {Path(name).name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    assert {"samples.json", "seed0000.png", "seed0015.png"} <= set(files)
    assert words[0] == "polarprior"
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    for name, command in (("a", ["-m", *words]), ("b", ["-c", lines])):
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, *command], cwd=tmp_path / name, env=environ, check=True, capture_output=True)
        assert {path.name: path.read_bytes() for path in (tmp_path / name / "drawn").iterdir()} == files


def test_long_work_can_be_stopped(page, studio):
    network = studio.opened[0].generator.network
    page.get_by_text("More", exact=True).click()
    page.get_by_label("online: fresh latents").check()
    network.slow = 0.2
    try:
        page.locator("#go").click()
        says(page, "#said", "to come")
        page.locator("#stop").click()
        says(page, "#said", "stopped")
        page.wait_for_timeout(1500)
        assert "stopped" in page.locator("#said").inner_text()
    finally:
        network.slow = 0.0


def test_a_model_that_fails_leaves_the_page_alive(page, studio):
    network = studio.opened[0].generator.network
    network.broken = True
    try:
        page.locator("#go").click()
        says(page, "#said", "<b>out of paint</b>")
    finally:
        network.broken = False
    page.locator("#go").click()
    says(page, "#said", "pictures replaced")


@pytest.mark.parametrize("typed", ["15-0", "a", "0-999"])
def test_seeds_that_are_none_are_refused(page, typed):
    page.locator("#seeds textarea, #seeds input").fill(typed)
    page.locator("#go").click()
    says(page, "#said", "type such as 0-15")


def test_nothing_lies_over_anything_at_390_pixels(page):
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = page.eval_on_selector_all(
        "#pictures .thumbnail-item",
        "all => all.map(each => { const b = each.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom] })",
    )
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert right <= other[0] or left >= other[2] or bottom <= other[1] or top >= other[3]


OF_GRADIO = {
    ".empty": "an empty gallery or image has a label that its role forbids",
    ".image-container": "the button around a picture has no name",
    ".\u037c": "colours of the code editor",
}
"""Serious findings of axe in elements that Gradio makes, by a part of their selectors."""


OPAQUE = """() => [...document.querySelectorAll('.pp-fine, .pp-trust')].every(each => {
    for (let place = each; place; place = place.parentElement)
        if (getComputedStyle(place).opacity != 1) return false
    return true
})"""
"""Nothing of ours is faded, as it is while something is to come."""


def test_axe_finds_nothing_serious_in_our_own_elements(page):
    from axe_playwright_python.sync_playwright import Axe

    serious = []
    for name, button, said, text in (
        ("Draw", "#go", "#said", "rho 0.1"),
        ("Look at one", "#look-go", "#look-said", "log-volume"),
        ("Bank", "#bank-go", "#bank-said", "500 latents"),
        ("Take away", "#take-go", "#take-said", "16 pictures"),
    ):
        open_tab(page, name)
        if name == "Draw":
            set_rho(page, 0.1)
        else:
            page.locator(button).click()
        says(page, said, text)
        page.wait_for_function(OPAQUE)
        for each in Axe().run(page).response["violations"]:
            if each["impact"] in ("serious", "critical"):
                serious += [(name, each["id"], node["target"][0]) for node in each["nodes"]]
    assert [each for each in serious if not any(known in each[2] for known in OF_GRADIO)] == []


@pytest.fixture
def opened_page(browser):
    """A function that serves the page of a model with a bank or without one, and opens it."""
    from polarprior.studio.model import Opened, Studio
    from polarprior.studio.serving import serve

    ends = []

    def open_it(model, *paths):
        port = free_port()
        generator = pp.load(model, "cpu")
        banks = [Opened(generator, pp.Bank.open(path), path) for path in paths]
        served = serve(Studio(banks or [Opened(generator, None, None)]), port, browse=False)
        page = browser.new_page(viewport={"width": 1280, "height": 1200})
        page.set_default_timeout(90_000)
        ends.extend((page, served))
        page.goto(f"http://127.0.0.1:{port}")
        page.wait_for_selector("#pictures img")
        return page

    yield open_it
    for each in ends:
        each.close()


def test_a_grey_model_with_classes(opened_page, tmp_path):
    path = tmp_path / "bank.safetensors"
    assert main(["bank", "build", "mnist:classes", "-n", "600", "-k", "4", "--out", str(path)]) == 0
    page = opened_page("mnist:classes", path)
    page.locator("#class input").click()
    page.get_by_role("option", name="3: three").click()
    set_rho(page, 0.3)
    says(page, "#said", "rho 0.3")
    says(page, "#trust", "of 60")
    open_tab(page, "Take away")
    page.locator("#take-go").click()
    says(page, "#take-command", "--class 3")


def test_another_bank_draws_its_own_pictures(folder, opened_page):
    assert main(["bank", "build", "torch:of_studio:make", "-n", "300", "-k", "3", "--out", "other"]) == 0
    page = opened_page("torch:of_studio:make", folder / "bank.safetensors", folder / "other.safetensors")
    says(page, "#trust", "500 of 500")
    page.locator("#which input").click()
    page.get_by_role("option", name="other.safetensors").click()
    says(page, "#trust", "300 of 300")


def test_a_pipeline_without_a_bank(opened_page, tmp_path):
    small = pytest.importorskip("polarprior_diffusers.small")
    small.made("consistency").save_pretrained(tmp_path / "pipeline")
    page = opened_page(f"diffusers:{tmp_path / 'pipeline'}")
    says(page, "#said", "the model's own pictures")
    page.locator("#pictures .thumbnail-item").nth(1).click()
    open_tab(page, "Look at one")
    says(page, "#look-said", "seed 1")
    open_tab(page, "Take away")
    page.locator("#take-go").click()
    says(page, "#take-command", "--seeds 0,1")
    assert "--polarity" not in page.locator("#take-command .cm-content").inner_text()


def test_a_port_that_is_taken_and_a_bank_of_another_model_are_refused(folder, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["studio", "torch:of_studio:make", "--bank", "bank.safetensors", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"--port: {port} is taken" in said
    assert main(["studio", "dcgan-faces", "--bank", "bank.safetensors", "--port", str(free_port())]) == 1
    assert "error: " in capsys.readouterr().err


def test_a_model_without_a_bank_is_offered_one(folder, opened_page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    page = opened_page("torch:of_studio:make")
    open_tab(page, "Bank")
    page.locator("#bank-go").click()
    says(page, "#bank-said", "this model has no bank")
    page.locator("#build-cost").click()
    says(page, "#bank-said", "minutes")
    page.locator("#build-go").click()
    says(page, "#bank-said", "built: go to")
    assert len(list(tmp_path.glob("torch-*.safetensors"))) == 1
    open_tab(page, "Draw")
    says(page, "#reach", "The bank supports")
    set_rho(page, 0.2)
    says(page, "#said", "pictures replaced")
