#!/usr/bin/env python3
"""Two readers and an adjudicator judge a set in real headless browsers, from sign-in to export.

The server is killed (SIGKILL) and started again in between; no decision may be lost. Everything is
done by keys but the brush. By hand, in an environment with playwright and Debian's chromium:

    review_page.py MEDSEG MANIFEST OUT [RECORDS]

OUT gets store, readers, screenshots in two widths and both themes, and the exported manifest.
"""
import atexit
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

medseg, manifest, out = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
records = int(sys.argv[4]) if len(sys.argv) > 4 else 6
out.mkdir(parents=True, exist_ok=True)
store, readers = out / "store.sqlite", out / "readers.txt"
PASSWORD = "a long password"


def run(*words, given=""):
    return subprocess.run([medseg, "data", "review", *map(str, words)], input=given, text=True,
                          check=True, capture_output=True).stdout


def serve(port=0):
    words = [medseg, "data", "review", manifest, "--store", str(store), "--readers", str(readers),
             "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    line = server.stdout.readline()
    return server, re.search(r"http://\S+", line)[0]


def until(holds, seconds=20):
    """The page's policy forbids the waiting that a driver evaluates in it."""
    end = time.time() + seconds
    while not holds():
        assert time.time() < end, "waited in vain"
        time.sleep(0.01)


def sign_in(page, url, name):
    page.goto(url)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#review:not([hidden])")
    until(lambda: title(page).startswith("Record"))


def title(page):
    return page.text_content("#title")


def after(page, key, before):
    page.keyboard.press(key)
    until(lambda: title(page) != before)


def paint(page):
    box = page.locator("#canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 25, steps=6)
    page.mouse.up()


for name, role in (("anna", "reader"), ("ben", "reader"), ("dora", "adjudicator")):
    if not readers.exists() or name + ":" not in readers.read_text():
        run("--readers", readers, "--add-reader", name, "--role", role, given=PASSWORD + "\n")
server, url = serve()
port = url.rsplit(":", 1)[1]
with sync_playwright() as play:
    browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    faults = []

    def visitor(name, width=1400, scheme="dark"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{name}: {error}"))
        page.on("console", lambda message: faults.append(f"{name}: {message.text}")
                if message.type == "error" and "status of 401" not in message.text
                and "ERR_CONNECTION" not in message.text else None)  # the kill, and before it
        sign_in(page, url, name)
        return page

    anna = visitor("anna")
    anna.screenshot(path=out / "wide-dark.png")
    anna.keyboard.press("b")
    for _ in range(6):
        anna.keyboard.press("]")
    paint(anna)
    paint(anna)
    anna.screenshot(path=out / "painted.png")
    anna.keyboard.press("z")
    anna.keyboard.press("y")
    anna.wait_for_timeout(700)
    anna.reload()
    until(lambda: "unfinished" in anna.text_content("#message"))
    anna.keyboard.press("z")
    assert "Undone" in anna.text_content("#message"), "undo is lost by a reload"
    anna.keyboard.press("y")
    anna.wait_for_timeout(600)

    # the first record revised, then accepted; the server dies between two records
    after(anna, "a", title(anna))
    server.send_signal(signal.SIGKILL)
    server.wait()
    server, url = serve(port)
    anna = visitor("anna")
    times = []
    for _ in range(records - 1):
        began, before = time.time(), title(anna)
        after(anna, "a", before)
        times.append(time.time() - began)
    ben = visitor("ben", width=760, scheme="light")
    ben.screenshot(path=out / "narrow-light.png", full_page=True)
    for index in range(records):
        before = title(ben)
        if index == 1:
            ben.keyboard.press("r")
            ben.wait_for_selector("#reasons:not([hidden])")
            after(ben, "2", before)
        else:
            after(ben, "a", before)
    dora = visitor("dora", width=1400, scheme="light")
    dora.screenshot(path=out / "adjudicator-light.png")
    judged = 0
    while title(dora).startswith("Record"):
        after(dora, "a", title(dora))
        judged += 1
    browser.close()
server.send_signal(signal.SIGINT)
assert server.wait() == 0, "a stop by signal is no fault"
print("disagreements judged:", judged)
print("seconds from key to next record:", [round(one, 3) for one in times])
print("faults of the page:", faults)
print(run("--store", store, "--agreement"))
print(run("--export", "--store", store, "--out", out / "export/manifest.jsonl"))
assert not faults
lines = [json.loads(line) for line in (out / "export/manifest.jsonl").open()]
assert len(lines) == records, (len(lines), records)
assert {one["review"]["status"] for one in lines} == {"accepted"}
assert lines[0]["review"]["trail"][0]["action"] == "revise"
