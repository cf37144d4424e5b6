# SPDX-License-Identifier: Apache-2.0
"""The status page as people see it: in a real browser, while one output is away, another too slow, and
a third has nothing to complain of. One browser for all of it, because it is heavy."""

import os
import pathlib
import re
import shutil
import signal
import threading

import pytest

from rig import admin
from rig.browser import Browser
from rig.lines import lines
from rig.receiver import Reply
from rig.waiting import stays, wait_until

pytestmark = [pytest.mark.release,
              pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no chromedriver")]

SHED = {"capacity": "256KiB", "overflow": "drop_oldest",
        "shed": {"high": "60%", "low": "30%", "keep": "10%"}}
SMALL = {"batch": {"max_bytes": "16KiB"}}
# A folder for screenshots, for people: tests/README.md
SHOTS = os.environ.get("SPILLWAY_SCREENSHOTS")

# Each element that shows text and what its contrast is against what lies behind it.
CONTRASTS = """
const parse = (color) => color.match(/[0-9.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const back = parse(getComputedStyle(node).backgroundColor);
    if (back.length < 4 || back[3] === 1) return back;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")].filter((node) => node.offsetParent && !node.closest("svg") &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()))
  .map((node) => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className, node.textContent.slice(0, 40)];
  }).sort((a, b) => a[0] - b[0]);
"""
TOO_WIDE = """
return [...document.querySelectorAll("body *")].filter((node) =>
  node.getBoundingClientRect().right > innerWidth + 1 && !node.closest(".unseen, thead"))
  .map((node) => node.outerHTML.slice(0, 100));
"""


class Overload:
    """An agent whose endpoints are `away`, `slow` and `good`, fed until the end."""

    def __init__(self, rig):
        self.away, self.slow, self.good = rig.receiver(), rig.receiver(), rig.receiver()
        self.away.always(Reply(401))
        self.slow.always(Reply(200, delay=0.4))
        self.agent = rig.agent(
            {"app": {"type": "stdin", "max_line_bytes": "1KiB", "lane": SHED},
             "host": {"type": "host_metrics", "interval": "1s", "lane": {"capacity": "2MiB"}}},
            {"main": rig.http(self.away, **SMALL, breaker={"rest": "2s", "rest_max": "2s"}),
             "archive": rig.http(self.slow, **SMALL, concurrency={"max": 1}),
             "quick": rig.http(self.good, **SMALL, inputs=["host"])},
            memory_limit="48MiB").start_piped()
        self._done = threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _feed(self):
        at = 0
        while not self._done.wait(0.05):
            self.agent.feed(lines(at, 100))
            at += 100

    def finish(self):
        self._done.set()
        self._feeder.join()

    @property
    def url(self):
        return "http://{}:{}".format(*admin.address(self.agent))


def picture(browser, name):
    if SHOTS:
        browser.screenshot(pathlib.Path(SHOTS) / f"{name}.png")


def check_what_it_tells(browser):
    browser.wait(lambda: "dropped in 2 lanes of outputs archive, main" in browser.text("#verdict"),
                 "both lanes to shed")
    browser.wait(lambda: any("app → archive" in text and "is held up by its endpoint" in text
                             for text in browser.texts("#problems > li")),
                 "the cause, which is looked for over some seconds")
    told = r"Dropping [\d.,]+/s: app → (?:main|archive)\nsince \d\d:\d\d"
    browser.wait(lambda: len(re.findall(told, browser.text("#problems > li"))) == 2, "how much and since when")
    problems = browser.texts("#problems > li")
    dropping = [text for text in problems if re.match(told, text)]
    main = next(text for text in dropping if "app → main" in text)
    assert "shed_sample" in main and "shed at the door by sampling" in main
    assert "circuit breaker is not closed, status 401" in main
    archive = next(text for text in dropping if "app → archive" in text)
    assert "Output archive is held up by its endpoint" in archive
    breaker = next(text for text in problems if text.startswith("Output main: circuit breaker"))
    assert "since" in breaker and "Last failure: status 401. Somebody has to mend that" in breaker
    assert not any("quick" in text for text in problems)
    drops = browser.texts("#drops tbody tr")
    assert any("app → main" in row and "shed_sample" in row and "events" in row for row in drops)

    def lanes():
        return dict(row.split("\t", 1) for row in browser.texts("#lanes tbody tr"))
    assert set(lanes()) == {"app → main", "app → archive", "host → main", "host → archive", "host → quick"}
    browser.wait(lambda: "drops" in lanes()["app → archive"], "the lane of the slow output to drop")
    browser.wait(lambda: "flows" in lanes()["host → quick"], "the lane of the good output to flow")
    log = browser.text("#log")
    assert "circuit breaker opened" in log and "shedding started" in log
    drawing = browser.run("return document.querySelector('#drawing svg').getAttribute('aria-label')")
    assert "app to main" in drawing and "dropped" in drawing
    browser.wait(lambda: browser.run("return document.querySelectorAll('#drawing g.shedding').length") == 2,
                 "both to be drawn so")
    assert "✗" in browser.run("return document.title")


def check_its_structure(browser):
    count = "return document.querySelectorAll(arguments[0]).length"
    for landmark in ("main", "header", "footer", "nav[aria-label]"):
        assert browser.run(count, landmark) == 1, landmark
    headings = browser.run("return [...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])")
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(headings, headings[1:]))
    assert browser.run(count, "section:not([aria-labelledby])") == 0
    assert browser.run(count, "table:not([aria-labelledby]), tbody tr > :first-child:not(th)") == 0
    assert browser.run(count, "svg:not([aria-label]), [role=meter]:not([aria-label])") == 0
    assert browser.run(count, "[role=status], [aria-live]") == 1  # no more than the verdict speaks
    browser.press("\ue004", "\ue007")  # Tab, Enter: the skip link
    assert browser.run("return document.activeElement.id") == "now"


def check_that_it_moves_without_flicker(browser):
    browser.run("window.mark = document.querySelector('#lanes tbody tr');"
                "window.made = 0; new MutationObserver((all) => all.forEach((one) => {"
                "  window.made += [...one.addedNodes].filter((node) => node.nodeType === 1).length;"
                "})).observe(document.querySelector('#lanes'), { childList: true, subtree: true });")
    before = browser.texts("#drops tbody tr")
    browser.wait(lambda: browser.texts("#drops tbody tr") != before, "the figures to move")
    assert browser.run("return window.mark.isConnected && window.made === 0")


def check_in_any_light(browser):
    for scheme in ("light", "dark"):
        browser.prefer(color_scheme=scheme)
        weakest, *who = browser.run(CONTRASTS)[0]
        assert weakest >= 4.5, (scheme, weakest, who)
        picture(browser, f"overload-{scheme}")
    papers = []
    for scheme in ("light", "dark"):
        browser.prefer(color_scheme=scheme)
        papers.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert papers[0] != papers[1]


def check_on_a_phone(browser):
    browser.prefer(color_scheme="light", reduced_motion="reduce")
    browser.resize(320, 640)
    browser.wait(lambda: browser.run("return document.querySelector('#drawing svg').viewBox.baseVal.width") < 320,
                 "the drawing to fit")
    assert browser.run("return document.documentElement.scrollWidth") <= 320
    assert browser.run(TOO_WIDE) == []
    assert browser.run("return getComputedStyle(document.querySelector('svg .stream')).transitionDuration") == "0s"
    picture(browser, "overload-phone")
    browser.prefer()
    browser.resize(1280, 1000)


def check_pause(browser):
    browser.click("#pause")
    assert browser.run("return document.querySelector('#pause').getAttribute('aria-pressed')") == "true"
    browser.wait(lambda: "paused" in browser.text("#pulse"), "it to say so")
    asked = "return performance.getEntriesByType('resource').length"
    wait_until(lambda: browser.run("return isAsking") is False, "what is under way")
    count = browser.run(asked)
    stays(lambda: browser.run(asked) == count, 3, "it asks although it is paused")
    browser.click("#pause")
    browser.wait(lambda: browser.run(asked) > count, "it to go on")
    # A page that nobody sees does not ask either.
    look = "Object.defineProperty(document, 'visibilityState', { value: arguments[0], configurable: true });" \
           "document.dispatchEvent(new Event('visibilitychange'))"
    browser.run(look, "hidden")
    wait_until(lambda: browser.run("return isAsking") is False, "what is under way")
    count = browser.run(asked)
    stays(lambda: browser.run(asked) == count, 3, "it asks although it is hidden")
    browser.run(look, "visible")
    browser.wait(lambda: browser.run(asked) > count, "it to go on")


def check_silence(browser, agent):
    agent.process.send_signal(signal.SIGSTOP)
    try:
        browser.wait(lambda: "does not answer since" in browser.text("#silence"), "it to notice")
        assert re.search(r"since \d\d:\d\d:\d\d\. What is shown is from then", browser.text("#silence"))
        browser.wait(lambda: "no answer for" in browser.text("#pulse"), "for how long")
        picture(browser, "silence")
    finally:
        agent.process.send_signal(signal.SIGCONT)
    browser.wait(lambda: browser.run("return document.querySelector('#silence').hidden"), "the answer")


def check_links(browser, url):
    links = browser.run("return [...document.querySelectorAll('footer a')].map((a) => a.getAttribute('href'))")
    assert len(links) == 7
    for link in links:
        browser.click(f"footer a[href='{link}']")
        browser.wait(lambda: browser.run("return location.pathname") == link, link)
        assert len(browser.text()) > 40, link
        browser.open(url)
        browser.wait(lambda: browser.texts("#lanes tbody tr"), "the page again")


def check_recovery(browser, scene):
    scene.away.always(200)
    browser.wait(lambda: "circuit breaker" not in browser.text("#problems"), "the breaker to close")
    card = next(text for text in browser.texts("#outputs article") if text.startswith("main\n"))
    assert re.search(r"Breaker\s+closed", card), card


@pytest.fixture(scope="module")
def one_browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(one_browser):
    yield one_browser
    one_browser.open("about:blank")  # before its agent is gone
    one_browser.complaints()


def test_an_overload_is_seen_understood_and_clicked_through(rig, browser):
    scene = Overload(rig)
    try:
        browser.resize(1280, 1000)
        browser.open(scene.url + "/")
        check_what_it_tells(browser)
        check_its_structure(browser)
        check_that_it_moves_without_flicker(browser)
        check_in_any_light(browser)
        check_on_a_phone(browser)
        check_pause(browser)
        complaints = browser.complaints()
        check_links(browser, scene.url + "/")
        # Of the pages behind the links: not ready is a 503, and they have no icon.
        complaints += [said for said in browser.complaints()
                       if "/readyz " not in said and "/favicon.ico " not in said]
        check_recovery(browser, scene)
        assert complaints + browser.complaints() == []
        check_silence(browser, scene.agent)
    finally:
        scene.finish()
    scene.slow.always(200)
    scene.agent.stop()


def test_a_quiet_agent_is_called_well(rig, browser):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}).start_piped()
    agent.feed(lines(0, 100))
    receiver.wait_events(100)
    browser.open("http://{}:{}/".format(*admin.address(agent)))
    browser.wait(lambda: browser.text("#verdict") == "All is flowing. Nothing was dropped in the last hour.",
                 "the verdict")
    assert browser.texts("#problems li") == []
    assert browser.run("return document.querySelectorAll('#drawing svg g.lane').length") == 1
    assert "Nothing was dropped in the last hour." in browser.text()
    assert browser.complaints() == []
    picture(browser, "quiet")
    agent.end_input()
    agent.finish().agree_with(receiver)
