"""A headless Chromium for tests of pages, driven over its own pipe: real clicks, keys and media.

The browser is `$ELSAC_BROWSER` or the first of :data:`NAMES` on the PATH. Nothing is downloaded.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
PATIENCE = 60.0
"""Seconds that the browser has for an answer; only a browser that hangs takes them."""

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--mute-audio", "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def find_browser() -> str:
    """Return the browser, or skip the test; fail where ELSAC_REQUIRE_BROWSER or CI is set."""
    asked = os.environ.get("ELSAC_BROWSER")
    found = next(filter(None, map(shutil.which, [asked] if asked else NAMES)), None)
    if found is not None:
        return found
    missing = (
        f"ELSAC_BROWSER={asked} is no program" if asked else f"none of {', '.join(NAMES)} is there"
    )
    text = f"no browser to open the page in: {missing}; on Debian: apt-get install chromium"
    if os.environ.get("ELSAC_REQUIRE_BROWSER", os.environ.get("CI", "")) not in ("", "0", "false"):
        pytest.fail(text)
    pytest.skip(text)


class Browser:
    """One browser process with one page; use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._buffer = b""
        self._session: str | None = None

    def __enter__(self) -> Self:
        program = find_browser()
        # The browser reads commands from descriptor 3 and answers on 4. Ours are moved out of the
        # way first, so that none of them is overwritten.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in (*os.pipe(), *os.pipe())]
        their_in, self._out, self._in, their_out = ends
        log = os.open(self.folder / "browser.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._process = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={self.folder / 'profile'}", "about:blank"],
            os.environ | {"HOME": str(self.folder)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, their_in, 3),
                (os.POSIX_SPAWN_DUP2, their_out, 4),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setpgroup=0,
        )
        for end in (their_in, their_out, log):
            os.close(end)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *error: object) -> None:
        try:
            os.killpg(self._process, signal.SIGKILL)  # the group that was made for it above
        except ProcessLookupError:
            pass
        os.waitpid(self._process, 0)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(end, method)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of this size, and wait until it is there."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.media("screen", dark)
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive(end, "load"))

    def media(self, kind: str, dark: bool = False) -> None:
        """Show the page on the screen or as printed, in light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Move the pointer to the middle of the first element that matches, and click."""
        x, y = self.middle(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Move the pointer to the middle of the first element that matches."""
        x, y = self.middle(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Scroll an element into view and return where it is."""
        quoted = json.dumps(selector)
        x, y = self.run(
            f"""(async () => {{
                const node = document.querySelector({quoted});
                node.scrollIntoView({{block: "center", inline: "center", behavior: "instant"}});
                // Two frames later the events of this scrolling are over.
                for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
                const box = node.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        return x, y

    def key(self, key: str) -> None:
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {}
        press = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **press, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **press)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def complaints(self) -> list[str]:
        """What the page logged, threw, or was refused since it was opened."""
        self.run("0")  # events come before this answer
        found = []
        for event in self.events:
            given = event.get("params", {})
            if event["method"] == "Log.entryAdded":
                found.append(given["entry"]["text"])
            elif event["method"] == "Runtime.consoleAPICalled":
                found.append(f"console: {given['args']}")
            elif event["method"] == "Runtime.exceptionThrown":
                found.append(str(given["exceptionDetails"]))
        return found

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        self.run("0")
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def _receive(self, end: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            chunk = os.read(self._in, 1 << 20) if ready else b""
            if not chunk:
                log = (self.folder / "browser.log").read_text(errors="replace")[-2000:]
                pytest.fail(f"the browser gave no answer to {what}; it said: {log}")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer
