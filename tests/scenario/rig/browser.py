# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven through ChromeDriver in the W3C protocol: JSON over HTTP."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from .waiting import DEADLINE_S, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id in the protocol
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--window-size=1280,1000")


class Browser:
    """One browser with one page. Everything is a round trip; nothing is waited for but by wait()."""

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="spillway-browser-")
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self._base = self._session = None
        try:
            for line in self._driver.stdout:
                if port := re.search(r"started successfully on port (\d+)", line):
                    self._base = f"http://127.0.0.1:{port[1]}"
                    break
            assert self._base, "chromedriver does not start"
            options = {"args": [*FLAGS, f"--user-data-dir={self._folder}"]}
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def _do(self, path, body):
        return self._ask("POST", self._session + path, body)

    def close(self):
        try:
            if self._session:
                self._ask("DELETE", self._session)
        finally:
            self._driver.kill()
            self._driver.wait()
            self._driver.stdout.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    # ---- the page ----

    def open(self, url):
        self._do("/url", {"url": url})

    def run(self, script, *arguments):
        """The body of a function; returns what it returns."""
        return self._do("/execute/sync", {"script": script, "args": list(arguments)})

    def texts(self, selector):
        """The visible text of each element, as it is shown."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)",
                        selector)

    def text(self, selector="body"):
        return "\n".join(self.texts(selector))

    def click(self, selector):
        """As a user does: it has to be visible, and not covered."""
        found = self._do("/element", {"using": "css selector", "value": selector})
        self._do(f"/element/{found[ELEMENT]}/click", {})

    def press(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._do("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def wait(self, condition, what):
        return wait_until(condition, lambda: f"{what}; the page says:\n{self.text()}", pause=0.1)

    def complaints(self):
        """What the console said since the last call."""
        return [entry["message"] for entry in self._do("/se/log", {"type": "browser"})]

    def screenshot(self, path):
        """Of the whole page."""
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    # ---- its surroundings ----

    def tell(self, command, **parameters):
        """A command of Chromium's DevTools protocol."""
        return self._do("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width, height):
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def prefer(self, **features):
        """color_scheme="dark", reduced_motion="reduce" …"""
        self.tell("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()])
