"""The page in a real browser: it opens, sorts, filters, tells where numbers come from, fetches nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

pytest.importorskip("plotly")
pytest.importorskip("faceport_report")
sync = pytest.importorskip("playwright.sync_api")

from faceport_report.report import Report, ReportOptions  # noqa: E402
from tests.plugins.test_report import EVIL, record, write  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here ({', '.join(BROWSERS)}): apt-get install chromium")
    switches = ["--no-sandbox", "--disable-background-networking"]
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=switches, env={**os.environ})
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    curve = {"curve": {"error": [0, 0.05, 0.1], "share": [0, 0.5, 0.9]}}
    records = [record(0.7, 9), record(0.9, 30, precision="int8"), record(0.8, 5, target="openvino")]
    records[0] = replace(records[0], metrics={**records[0].metrics, "landmarks": {"nme": 0.05, **curve}})
    records.append(record(0.6, 7, name=EVIL, status="failed", reason=EVIL, notes=[EVIL]))
    write(folder / "in", *records)
    return Report(ReportOptions([str(folder / "in")], out=str(folder / "page.html"))).act({}).path


@pytest.fixture(params=[(1400, "light"), (390, "dark")], ids=["desktop", "phone"])
def page(request, browser, page_of):
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    shown = context.new_page()
    fetched: list[str] = []
    wrong: list[str] = []
    shown.on("request", lambda asked: fetched.append(asked.url))
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    shown.on("dialog", lambda dialog: wrong.append(dialog.message))
    shown.goto(page_of.as_uri())
    shown.locator("#front").scroll_into_view_if_needed()
    shown.wait_for_selector("#plot-front .main-svg")
    yield shown
    fetched = [url for url in fetched if not url.startswith(("data:", "blob:"))]
    context.close()
    assert fetched == [page_of.as_uri()], "the page fetches nothing but itself"
    assert not wrong, wrong


def column(page, key):
    """Read a column of the table as it stands."""
    keys = page.eval_on_selector_all("#table thead th", "all => all.map(one => one.dataset.key)")
    place = keys.index(key) + 1
    return page.locator(f"#table tbody tr td:nth-child({place})").all_inner_texts()


def test_it_sorts_filters_and_tells_where_numbers_come_from(page):
    key = "widerface_ap.hard"
    page.click(f'#table th[data-key="{key}"] button')
    assert [text[:6] for text in column(page, key)] == ["0.9000", "0.8000", "0.7000", "0.6000"]
    page.click(f'#table th[data-key="{key}"] button')
    assert [text[:6] for text in column(page, key)] == ["0.6000", "0.7000", "0.8000", "0.9000"]
    assert page.get_attribute(f'#table th[data-key="{key}"]', "aria-sort") == "ascending"
    page.fill("#filter", "onnxruntime INT8")
    assert column(page, key)[0].startswith("0.9000") and page.locator("#table tbody tr").count() == 1
    assert page.inner_text("#shown") == "1 of 4 runs"
    page.fill("#filter", "")
    page.click("#columns summary")
    page.click("#columns label:has-text('status') input")
    assert page.locator('#table th[data-key="status"]').count() == 0
    page.click("#columns summary")
    page.locator("#table tbody tr").last.click()
    assert "faceport run" in page.inner_text("#detail dd.command")
    page.click("#detail button")


def test_every_part_is_there_and_fits(page):
    assert page.inner_text("#decision h2").startswith("Ship retinaface_mobilenet onnxruntime int8")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # draws what is out of sight, too
    assert page.locator(".plot:has(.main-svg)").count() == 4
    assert "Cumulative error of landmarks" in page.inner_text("#curves")
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen, "nothing is wider than the window"
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0


def test_a_thousand_records_open(browser, tmp_path):
    """Its time is not held to a limit here, where others compute beside it; the README has the number."""
    many = [record(0.5 + at / 5000, 5 + at, name=f"model{at % 40}") for at in range(1000)]
    write(tmp_path / "in", *many)
    path = Report(ReportOptions([str(tmp_path / "in")], out=str(tmp_path / "p.html"))).act({}).path
    context = browser.new_context()
    shown = context.new_page()
    shown.goto(path.as_uri())
    assert shown.locator("#table tbody tr").count() == 1000
    assert shown.inner_text("#shown") == "1000 of 1000 runs"
    context.close()
