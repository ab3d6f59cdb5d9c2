"""The package in a headless Chromium: 200 translations beside the native program's, and the page.

    python check.py PACKAGE WORK CHROMIUM PICTURES
        (a Python with playwright; WORK holds models/int8, source.txt and what the program made of it, int8.txt)

Serves the package and the model, opens the model by its address, as a folder and by a drop, uses the page with a mouse,
with a keyboard, on a phone and in the dark, and writes pictures into PICTURES. Ends with an error at the first thing that
is not as it should be.
"""

import functools
import http.server
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

PACKAGE, WORK, CHROMIUM, PICTURES = map(Path, sys.argv[1:5])
MODEL = WORK / "models" / "int8"
TEXT = "Where is my house?"

TRANSLATE = """async ([address, lines]) => {
    const { Translator } = await import("/wdistill/index.js");
    const translator = await Translator.open(address, { sentences: "line" });
    const found = await translator.translate(lines);
    translator.close();
    return found.map(({ text }) => text);
}"""

DROP = """async (files) => {
    const transfer = new DataTransfer();
    for (const [name, address] of files) transfer.items.add(new File([await (await fetch(address)).blob()], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """A server that gives away files and takes nothing; returns its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def translated(page, expected):
    expect(page.locator("#state")).to_have_text("Ready: en to de.")
    page.get_by_label("Text to translate").fill(TEXT)
    expect(page.locator("#translation")).to_have_text(expected)


def check(browser, address):
    failures = []
    names = sorted(file.name for file in MODEL.iterdir())

    def open_page(query="", **settings):
        page = browser.new_context(**settings).new_page()
        page.on("console", lambda message: message.type == "error" and failures.append(message.text))
        page.on("pageerror", lambda error: failures.append(str(error)))
        sends = lambda request: request.method != "GET" or not request.url.startswith((address, "data:", "blob:"))
        page.on("request", lambda request: sends(request) and failures.append(f"{request.method} {request.url}"))
        page.goto(f"{address}/wdistill/page/index.html{query}")
        return page

    # The program's translations, and the text's own.
    page = open_page()
    lines = (WORK / "source.txt").read_text(encoding="utf-8").splitlines()
    native = [line.split(" ||| ")[1] for line in (WORK / "int8.txt").read_text(encoding="utf-8").splitlines()]
    found = page.evaluate(TRANSLATE, [f"{address}/model/", lines])
    assert len(native) == 200 and found == native, [pair for pair in zip(found, native) if pair[0] != pair[1]]
    [expected] = page.evaluate(TRANSLATE, [f"{address}/model/", [TEXT]])

    # An address, by mouse; then a folder and dropped files.
    page.get_by_label("or an address").fill(f"{address}/model/")
    page.get_by_role("button", name="Open").click()
    translated(page, expected)
    page.screenshot(path=PICTURES / "browser-light.png")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#translation")).to_have_text("")
    page = open_page()
    page.get_by_label("Choose a folder").set_input_files(MODEL)
    translated(page, expected)
    page = open_page()
    page.evaluate(DROP, [[name, f"/model/{name}"] for name in names])
    translated(page, expected)

    # What is wrong is said, and a model can be opened after it.
    page.get_by_label("Choose files").set_input_files([MODEL / name for name in names if name != "model.safetensors"])
    expect(page.get_by_role("alert")).to_contain_text("model.safetensors")
    page.get_by_label("Choose files").set_input_files([MODEL / name for name in names])
    translated(page, expected)
    expect(page.get_by_role("alert")).to_be_hidden()

    # With the keyboard alone.
    page = open_page()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type(f"{address}/model/")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Text to translate")).to_be_focused()
    page.keyboard.type(TEXT)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#translation")).to_have_text(expected)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "clear"

    dark = open_page("?model=/model/", color_scheme="dark")
    translated(dark, expected)
    dark.screenshot(path=PICTURES / "browser-dark.png")
    ground = dark.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 27)", ground

    phone = open_page("?model=/model/", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    translated(phone, expected)
    phone.screenshot(path=PICTURES / "browser-phone.png")
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"the page is {width} pixels wide on a phone of 360"

    assert not failures, failures
    print(f"200 translations are the native program's; {TEXT} -> {expected}")


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(PACKAGE, f"{folder}/wdistill")
        shutil.copytree(MODEL, f"{folder}/model")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        check(browser, serve(folder))
        browser.close()


main()
