"""The HTML page of a real check in a real browser, where playwright and a Chromium are installed.

GRADCHECK_BROWSER is the path of a Chromium that playwright did not install itself.
"""

import os

import numpy as np
import pytest

import gradcheck

pytest.importorskip("jinja2")
playwright = pytest.importorskip("playwright.sync_api")

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
SANDBOX = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def wrong_report():
    """A check of a network whose first gradient lacks the mean."""
    net = gradcheck.MLP((5, 8, 3), ("tanh", "softmax"), "categorical_cross_entropy")
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(7, 5)), np.eye(3)[rng.integers(0, 3, 7)]

    def grad(params):
        gradients = net.backward(params, inputs, targets)
        return {**gradients, "W1": 7 * gradients["W1"]}

    return gradcheck.check(
        lambda params: net.loss(params, inputs, targets),
        net.init(0),
        grad,
        inputs=inputs,
        targets=targets,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(wrong_report().to_html(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        path = os.environ.get("GRADCHECK_BROWSER")
        try:
            started = driver.chromium.launch(executable_path=path, args=SANDBOX)
        except playwright.Error as error:
            reason = str(error).splitlines()[0]
            pytest.skip(
                f"no Chromium (playwright install chromium, or GRADCHECK_BROWSER): {reason}"
            )
        yield started
        started.close()


def opened(browser, address, viewport, **context):
    page = browser.new_page(viewport=viewport, **context)
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return page


def test_nothing_is_fetched_and_nothing_goes_wrong(browser, address):
    page = browser.new_page(viewport=DESK)
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert requests == [address]
    assert complaints == []
    assert page.locator("svg").count() >= 1


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_overflows(browser, address, viewport):
    page = opened(browser, address, viewport)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_keyboard_reaches_every_link_and_table(browser, address):
    page = browser.new_page(viewport=DESK)
    page.goto(address)
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.getAttribute('href') || e.getAttribute('aria-label') || e.tagName)"
                "(document.activeElement)"
            )
        )
    assert reached[0] == "#content"
    links = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    assert {*links, "Table of blocks"} <= set(reached)


def test_the_focus_is_visible(browser, address):
    page = browser.new_page(viewport=DESK)
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0


CONTRAST = """() => {
  const channel = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [red, green, blue] = numbers(colour).slice(0, 3).map(part => channel(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("body *")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) &&
    !["title", "desc"].includes(element.tagName));
  return Math.min(...texts.map(element => {
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [low, high] = [luminance(ink), luminance(background(element))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out(browser, address, scheme):
    page = opened(browser, address, DESK, color_scheme=scheme)
    assert page.evaluate(CONTRAST) >= 4.5  # WCAG 2.2, success criterion 1.4.3
