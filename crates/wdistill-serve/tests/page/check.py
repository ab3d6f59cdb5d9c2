"""The page of `wdistill serve` in a headless Chromium: a text is typed, a language chosen, a translation copied.

    python check.py PROGRAM MODELS CHROMIUM SCREENSHOTS
        (a Python with playwright and libretranslatepy; MODELS holds model folders en-de and de-en)

Serves the models, uses the page as a reader does, with a mouse, with a keyboard, on a phone, in the dark, and writes a
picture of each into SCREENSHOTS. Ends with an error at the first thing that is not as it should be.
"""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from libretranslatepy import LibreTranslateAPI
from playwright.sync_api import expect, sync_playwright

PROGRAM, MODELS, CHROMIUM, PICTURES = sys.argv[1:5]
TEXT = "Where is my house?"


def translated(*arguments):
    """The lines that the command writes, and what it says of them."""
    command = [PROGRAM, "translate", "--quiet", "--sentences", "split", *arguments]
    output = subprocess.run(command, input=TEXT, capture_output=True, text=True, check=True)
    return output.stdout.splitlines(), output.stderr


def typing(page, expected, notices):
    page.get_by_label("Text to translate").press_sequentially(TEXT, delay=20)
    expect(page.locator("#translation")).to_have_text(expected)
    expect(page.locator("#count")).to_have_text(f"{len(TEXT)} characters")
    # A model that learnt little is cut at its limit, and page and command say so.
    expect(page.locator("#problem")).to_be_visible(visible=notices != "")


def check(browser, address):
    model = ["--model", f"{MODELS}/en-de"]
    [expected], notices = translated(*model)
    best, _ = translated(*model, "--n-best", "3")
    others = [line.split(" ||| ")[1] for line in best[1:]]
    others = [other for other in dict.fromkeys(others) if other != expected]
    failures = []

    def open_page(**settings):
        page = browser.new_context(**settings).new_page()
        page.on("console", lambda message: message.type == "error" and failures.append(message.text))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("response", lambda response: response.status == 400 and failures.append(response.text()))
        foreign = lambda request: not request.url.startswith((address, "data:"))
        page.on("request", lambda request: foreign(request) and failures.append(request.url))
        page.goto(f"{address}/?source=en&target=de")
        return page

    page = open_page()
    typing(page, expected, notices)
    expect(page.locator("#alternatives button")).to_have_text(others)
    page.screenshot(path=f"{PICTURES}/light.png")
    if others:
        page.locator("#alternatives button").first.click()
        expect(page.locator("#translation")).to_have_text(others[0])
    page.get_by_role("button", name="Swap languages").click()
    expect(page.locator("#source")).to_have_value("de")
    expect(page.locator("#target")).to_have_value("en")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#translation")).to_have_text("")

    # With the keyboard alone: the text has the focus, and a tab leads on.
    page = open_page()
    page.keyboard.type(TEXT)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#translation")).to_have_text(expected)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "clear", "a tab leads from the text to what is below it"

    dark = open_page(color_scheme="dark")
    typing(dark, expected, notices)
    dark.screenshot(path=f"{PICTURES}/dark.png")
    ground = dark.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 27)", ground

    phone = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    typing(phone, expected, notices)
    phone.screenshot(path=f"{PICTURES}/phone.png")
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"the page is {width} pixels wide on a phone of 360"

    # What is refused is said.
    page = open_page()
    page.route("**/translate", lambda route: route.fulfill(status=429, json={"error": "Slowdown: try again"}))
    page.get_by_label("Text to translate").fill(TEXT)
    expect(page.get_by_role("alert")).to_have_text("Slowdown: try again")
    failures[:] = [failure for failure in failures if "429" not in failure]

    page = browser.new_context().new_page()
    page.goto(f"{address}/?source=en&target=de&q=Where%20is%20my%20house%3F")
    expect(page.locator("#translation")).to_have_text(expected)
    assert not failures, failures
    print(f"{TEXT} -> {expected}; others: {others}")


def check_client(address):
    """LibreTranslate's own client, which knows nothing of this server."""
    client = LibreTranslateAPI(f"{address}/")
    [expected], _ = translated("--model", f"{MODELS}/en-de")
    assert client.translate(TEXT, "en", "de") == expected
    assert [language["code"] for language in client.languages()] == ["de", "en"]
    german = "Wo ist der Bahnhof, und wann fährt der nächste Zug nach Berlin?"
    assert client.detect(german)[0]["language"] == "de"


def check_idle(address):
    """A thousand connections that say nothing, beside one that wants a translation."""
    host, port = address.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(1000)]
    [expected], _ = translated("--model", f"{MODELS}/en-de")
    assert LibreTranslateAPI(f"{address}/").translate(TEXT, "en", "de") == expected
    [connection.close() for connection in idle]


def check_documentation():
    """The first two commands of docs/src/serving.md, as they stand."""
    page = Path(__file__).resolve().parents[4] / "docs/src/serving.md"
    serve, ask = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[:2]
    with tempfile.TemporaryDirectory() as place:
        model = Path(place, "runs/demo/cut/student/model")
        model.parent.mkdir(parents=True)
        model.symlink_to(Path(MODELS, "en-de").resolve())
        path = f"{Path(PROGRAM).resolve().parent}:{os.environ['PATH']}"
        options = {"shell": True, "cwd": place, "env": os.environ | {"PATH": path}, "text": True}
        server = subprocess.Popen(f"exec {serve}", stderr=subprocess.PIPE, **options)
        try:
            assert " at http://127.0.0.1:5000" in server.stderr.readline()
            answer = subprocess.run(ask, stdout=subprocess.PIPE, check=True, **options).stdout
        finally:
            server.terminate()
            server.wait()
    [expected], _ = translated("--model", f"{MODELS}/en-de")
    assert json.loads(answer)["translatedText"] == expected, answer


def main():
    # Both ends need a handle for each connection; the server has the same limit as this program.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    command = [PROGRAM, "serve", "--models", MODELS, "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = server.stderr.readline().split(" at ")[1].split(";")[0]
        check_client(address)
        check_idle(address)
        check_documentation()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            check(browser, address)
            browser.close()
    finally:
        server.terminate()
        server.wait()


main()
