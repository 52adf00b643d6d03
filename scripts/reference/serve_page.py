#!/usr/bin/env python3
"""Asks a question on the page of `medseg serve` in a real headless browser, and looks at it.

By hand, in an environment with playwright and Debian's chromium:

    serve_page.py MEDSEG BUNDLE IMAGE OUT [QUESTION]

OUT gets screenshots in two widths and both themes, and what the page saves. Any error of the page,
any request to another host and any text that runs out of the window ends the script with exit 1.
"""
import atexit
import json
import pathlib
import subprocess
import sys

from playwright.sync_api import sync_playwright

medseg, bundle, image = sys.argv[1:4]
out = pathlib.Path(sys.argv[4])
question = sys.argv[5] if len(sys.argv) > 5 else "Which structure protects the brain?"
out.mkdir(parents=True, exist_ok=True)
server = subprocess.Popen([medseg, "serve", "--model", bundle, "--port", "0"],
                          stdout=subprocess.PIPE, text=True)
atexit.register(server.kill)
url = server.stdout.readline().strip()
faults = []

with sync_playwright() as player:
    browser = player.chromium.launch(executable_path="/usr/bin/chromium")
    for theme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme,
                                accept_downloads=True)
        page.on("pageerror", lambda error: faults.append(f"page: {error}"))
        page.on("console", lambda line: line.type == "error" and faults.append(line.text))
        page.on("request", lambda sent: sent.url.startswith((url, "blob:", "data:")) or
                faults.append(f"asks {sent.url}"))
        page.goto(url)
        page.fill("#question", question)
        page.press("#question", "Control+Enter")
        page.wait_for_selector("#fault:not(:empty)")  # there is no image yet
        page.set_input_files("#file", image)
        page.wait_for_selector("#drop.has-image")
        page.press("#question", "Control+Enter")
        page.wait_for_selector("#save-answer:enabled", timeout=300_000)
        page.fill("#question", "And what is below it?")
        page.press("#question", "Control+Enter")
        page.wait_for_selector(".turn:nth-child(2)")
        page.wait_for_selector("#ask:enabled", timeout=300_000)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"wider than {width} pixels")
            page.screenshot(path=out / f"{theme}-{width}.png", full_page=True)
        with page.expect_download() as saved:
            page.click("#save-answer")
        saved.value.save_as(out / "answer.json")
        with page.expect_download() as saved:
            page.click("#save-image")
        saved.value.save_as(out / "overlay.png")
        print(theme, json.loads((out / "answer.json").read_text())[0]["answer"],
              page.locator("#masks li").count(), "masks")
    browser.close()

for fault in faults:
    print(fault)
sys.exit(bool(faults))
