"""The page in a real browser, with a camera that shows real faces: live numbers, switches, pictures."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from faceport.data.drawing import PALETTE
from faceport.data.pictures import decode, encode
from tests.plugins.serving import serving

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
pytest.importorskip("openvino")
sync = pytest.importorskip("playwright.sync_api")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAIT = 120_000  # milliseconds: another model is compiled meanwhile


@pytest.fixture(scope="module")
def photo(real_dir):
    return real_dir / "photos/multiface.jpg"


@pytest.fixture(scope="module")
def browser(tmp_path_factory, photo):
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here ({', '.join(BROWSERS)}): apt-get install chromium")
    image = decode(photo)[:, 200:1040][:, :840]  # 4:3, six faces
    film = tmp_path_factory.mktemp("film") / "faces.mjpeg"
    # All of one size: the browser's camera shows noise for a picture that differs from the film's first.
    shown = [image[shift : shift + 600, shift : shift + 800] for shift in (0, 4, 8, 4)]
    film.write_bytes(b"".join(map(encode, shown)))
    switches = [
        "--no-sandbox",
        "--disable-background-networking",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=switches, env={**os.environ})
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def service():
    with serving("targets=[openvino]") as running:
        yield running


@pytest.fixture(params=[(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")], ids=str)
def page(request, browser, service):
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, permissions=["camera"]
    )
    shown = context.new_page()
    foreign: list[str] = []
    wrong: list[str] = []
    shown.on("request", lambda asked: foreign.append(asked.url))
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    # A refusal of the service is an error to the browser, and a sentence on the page.
    shown.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            if message.type == "error" and "status of 4" not in message.text
            else None
        ),
    )
    shown.goto(service.address)
    shown.wait_for_selector("#model option", state="attached")
    yield shown
    context.close()
    own = (service.address, "data:", "blob:")
    assert not [url for url in foreign if not url.startswith(own)], "the page asks nobody else"
    assert not wrong, wrong


def number(page, place):
    """Read a number off the page once it is there."""
    says(page, place, r"\d")
    return float(re.match(r"[\d.]+", page.inner_text(place))[0])


def says(page, place, pattern):
    """Wait until a place says something; its first, where there are several."""
    page.locator(place, has_text=re.compile(pattern)).first.wait_for(timeout=WAIT)


def captions(page):
    return page.locator("#stage figcaption").all_inner_texts()


def fits(page):
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen, "nothing is wider than the window"


def test_a_camera_is_watched_and_models_are_switched_meanwhile(page, tmp_path):
    page.focus("#camera")
    page.keyboard.press("Enter")
    says(page, "#stage figcaption", "^[4-9] faces")
    assert number(page, "#fps") > 0 and number(page, "#latency") > number(page, "#beyond") >= 0
    assert number(page, "#stages tr[data-stage=networks] td") > 0
    label, caption = page.evaluate(
        "[document.querySelector('#stage canvas').ariaLabel,"
        " document.querySelector('#stage figcaption').innerText]"
    )
    assert label == caption
    page.wait_for_timeout(500)  # some frames more
    coloured = """(colours) => {
        const one = document.querySelector('#stage canvas');
        const all = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
        return colours.map((colour) => {
            let count = 0;
            for (let at = 0; at < all.length; at += 4)
                count += colour.every((value, place) => Math.abs(all[at + place] - value) < 12);
            return count;
        });
    }"""
    boxes = page.evaluate(coloured, [[*PALETTE[track]] for track in range(1, 7)])
    assert min(boxes) > 50, "six boxes, and each face has the colour of its number still"
    page.screenshot(path=tmp_path / "camera.png", full_page=True)
    page.select_option("#model", label="retinaface_mobilenet on openvino, fp32")
    says(page, "#stage figcaption", "openvino")
    page.select_option("#second", label="retinaface_mobilenet on onnxruntime, fp32")
    page.wait_for_selector("#differ:not([hidden])", timeout=WAIT)
    assert ["openvino" in one for one in captions(page)] == [True, False]
    assert number(page, "#differences dd") >= 4
    fits(page)
    page.screenshot(path=tmp_path / "beside.png", full_page=True)
    page.click("#camera")
    page.wait_for_selector("#camera[aria-pressed=false]")


def test_pictures_are_looked_at(page, photo, tmp_path):
    page.set_input_files("#files", [str(photo), str(photo)])
    says(page, "#said", "^12 faces in 2 pictures")
    assert page.locator("#strip li").count() == 2
    assert captions(page)[0].startswith("6 faces in multiface.jpg")
    fits(page)
    page.screenshot(path=tmp_path / "pictures.png", full_page=True)
    page.focus("#tab-look")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#verify") and not page.is_visible("#look")
    page.set_input_files("#first", str(photo))
    page.set_input_files("#other", str(photo))
    says(page, "#verdict", "gives no embeddings")


def test_a_screen_reader_has_a_name_for_everything_and_the_keyboard_reaches_it(page):
    reader = page.context.new_cdp_session(page)
    for tab in ("look", "verify", "gallery"):
        page.click(f"#tab-{tab}")
        nodes = reader.send("Accessibility.getFullAXTree")["nodes"]
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
            and any(
                one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", ())
            )
        ]
        assert len(named) >= 8 and all(name for _, name in named), named
        page.focus(".skip")
        reached = set()
        for _ in range(len(named)):
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
            page.keyboard.press("Tab")
        own = {"look": "camera", "verify": "first", "gallery": "searched"}[tab]
        assert {f"tab-{tab}", "model", own} <= reached


def test_the_description_is_a_page(page, service):
    page.goto(f"{service.address}/docs")
    page.wait_for_selector("article")
    assert page.locator("article").count() >= 20
    fits(page)
