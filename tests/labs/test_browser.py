"""What a person sees: `make lab`'s JupyterLab in a real browser, labs run to their end.

`make test` runs lab 00, the first steps; `make test-all` every lab. With RAY_LABS_PICTURES=folder
each lab is saved there as long pictures, for a person to look at.
"""

import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import expect, sync_playwright

from benchmarks.perfetto import CHROMIUM, OFFLINE
from helpers import local, paths
from helpers.labs import NAMES, exercises, read
from launch import apart
from tests.support.environment import without_ray

PICTURES = os.environ.get("RAY_LABS_PICTURES")
FIRST, VIEWS, TRACKERS = "00_start_here", "05_seeing_inside_ray", "11_trackers_and_callbacks"
ALIKE = [lab for lab in NAMES if lab not in (FIRST, VIEWS, TRACKERS)]

expect.set_options(timeout=60_000)  # milliseconds; a busy machine gets its time
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def state():
    with apart.state() as folder:
        yield folder


@pytest.fixture(scope="module")
def open_lab(tmp_path_factory, state):
    """A running `make lab`, as a function of a lab's name that opens it in a browser.

    Every cell is in the page, also those out of sight, and nothing is saved.
    """
    folder = tmp_path_factory.mktemp("browser")
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "docmanager-extension/plugin": {"autosave": False},
    }
    for name, content in settings.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    environment = without_ray()
    environment |= {
        "RAY_LABS_STATE": str(state),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    lab = subprocess.Popen(
        [sys.executable, "-m", "launch", "--no-browser"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = next(found[0] for line in lab.stdout if (found := re.search(r"http\S+/lab\S+", line)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
            # A workspace each: in a shared one a page brings back the notebooks of those before.
            own = url.replace("/lab/tree/", "/lab/workspaces/{lab}/tree/", 1)
            own = own.replace("00_start_here", "{lab}")
            yield lambda lab: _open(browser, own.format(lab=lab))
            browser.close()
    finally:
        lab.terminate()
        lab.wait(150)  # 4 on two quiet cores


def _open(browser, url: str):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(url)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    return page


def run_all(page, lab: str, seconds: int):
    """Run all cells of an open lab, wait for the last one, and return the notebook's element."""
    notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    menu(page, "Run", "Run All Cells")
    prompts = notebook.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts.first).to_have_text(re.compile(r"\[[\d*]+\]"))
    expect(prompts.last).to_have_text(re.compile(r"\[\d+\]"), timeout=seconds * 1000)
    if PICTURES:
        _photograph(page, notebook, lab)
    return notebook


def run_all_but_the_last(page, seconds: int):
    """Run an open lab up to `ray.shutdown()`, and return the notebook's element."""
    notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    notebook.locator(".jp-CodeCell").last.click()
    menu(page, "Run", "Run All Above Selected Cell")
    prompts = notebook.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts.nth(-2)).to_have_text(re.compile(r"\[\d+\]"), timeout=seconds * 1000)
    return notebook


def menu(page, name: str, entry: str):
    """Choose an entry of one of JupyterLab's menus."""
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.get_by_role("menuitem", name=entry, exact=True).click()


def _photograph(page, notebook, lab: str):
    """The whole lab as long pictures, for a person to look at."""
    page.set_viewport_size({"width": 1280, "height": 8_000})
    scroller = notebook.locator(".jp-WindowedPanel-outer")
    whole, shown = scroller.evaluate("one => [one.scrollHeight, one.clientHeight]")
    for part in range(math.ceil(whole / shown)):
        scroller.evaluate("(one, top) => { one.scrollTop = top; }", part * shown)
        scroller.screenshot(path=Path(PICTURES) / f"{lab}-{part + 1}.png")
    page.set_viewport_size({"width": 1280, "height": 1000})


def output(notebook, lab: str, cell_id: str):
    """The output area of a cell."""
    index = [cell["id"] for cell in read(lab)["cells"]].index(cell_id)
    return notebook.locator(".jp-Cell").nth(index).locator(".jp-Cell-outputArea")


def assert_calm(notebook):
    """No error and nothing on stderr anywhere."""
    for kind in ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr"):
        shown = notebook.locator(f".jp-RenderedText[data-mime-type='{kind}']")
        assert shown.all_inner_texts() == []


@pytest.mark.parametrize("lab", [FIRST])
def test_first_steps(open_lab, lab):
    notebook = run_all(open_lab(lab), lab, 120)
    assert notebook.locator(".jp-RenderedMermaid svg, .jp-RenderedMermaid img").count() == 1
    assert "not started" in output(notebook, lab, "as-task-check").inner_text()
    assert "✓" in output(notebook, lab, "doctor").inner_text()
    board = output(notebook, lab, "progress").inner_text()
    assert "00_start_here" in board and "0 of 1" in board
    assert "joins the course's Ray" in output(notebook, lab, "describe").inner_text()
    errors = notebook.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.all_inner_texts() == []
    solution = notebook.locator("details", has_text="Solution")
    assert not solution.locator("pre").is_visible(), "open before anyone asked for it"
    solution.locator("summary").click()
    expect(solution.locator("pre")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("lab", [VIEWS])
def test_views_of_ray(open_lab, lab):
    page = open_lab(lab)
    notebook = run_all_but_the_last(page, 300)
    if PICTURES:
        _photograph(page, notebook, lab)
    assert_calm(notebook)
    cpu = output(notebook, lab, "cpu").locator(".ray-labs-live")
    expect(cpu).to_contain_text(re.compile(r"CPU \d+% of \d+ cores"))
    expect(output(notebook, lab, "cluster")).to_contain_text("object store")
    expect(output(notebook, lab, "crowd")).to_contain_text(
        re.compile(r"\d actors.*HotReadings", re.S)
    )
    _use_timeline(page, output(notebook, lab, "whole"))
    _use_search_bars(output(notebook, lab, "chain-search"), output(notebook, lab, "pinned"))
    _watch_usage(page, notebook, lab, cpu)
    # Ray goes, and what was live says so.
    notebook.locator(".jp-CodeCell").last.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    for cell in ("cpu", "cluster", "crowd"):
        gone = output(notebook, lab, cell).get_by_text("Ray is not running in this notebook")
        expect(gone).to_be_visible(timeout=60_000)


def _use_timeline(page, shown):
    """Hover a bar, type into the filter, click a task, drag over a range, zoom."""
    canvas = shown.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box, bar = canvas.bounding_box(), page.evaluate(f"() => {{ {WHOLE}; return bar }}")
    x, y = box["x"] + bar["x"], box["y"] + bar["y"]
    page.mouse.move(x - 2, y)
    page.mouse.move(x, y)
    expect(page.locator(".bk-Tooltip", has_text="describe FINISHED")).to_be_visible()
    page.mouse.click(x, y)
    told = shown.locator("pre").first
    expect(told).to_have_text(re.compile(r"^describe  FINISHED\s+id [0-9a-f]{48}\s+waited"))
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=5)
    page.mouse.up()
    expect(told).to_have_text(re.compile(r"^[\d.]+ s to [\d.]+ s: [\d.]+ at once"))
    shown.locator("input").first.fill("describe")
    expect(told).to_have_text(re.compile(r"^12 of \d+ tasks"))
    before = page.evaluate(f"() => {{ {WHOLE}; return span }}")
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_function(f"before => {{ {WHOLE}; return span < before }}", arg=before)


KILLED = [
    """
import os, psutil, ray
from helpers import ui
del os.environ["RAY_ADDRESS"]  # a Ray of its own
ray.init(logging_level="error", log_to_driver=False)
""",
    "ui.cpu_usage()",
    "ui.actor_tree()",
    "input()",
    """
for process in psutil.Process().children(recursive=True):
    if process.name() in ("gcs_server", "raylet"):
        process.kill()
""",
]


@pytest.mark.slow
def test_ray_is_killed_under_live_views(open_lab):
    lab = "killed"
    file = paths.NOTEBOOKS / f"{lab}.ipynb"
    cells = list(map(nbformat.v4.new_code_cell, KILLED))
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    try:
        page = open_lab(lab)
        menu(page, "Run", "Run All Cells")
        cpu, tree = (page.locator(".ray-labs-live").nth(number) for number in range(2))
        expect(cpu).to_contain_text(re.compile(r"CPU \d+% of"), timeout=90_000)
        expect(tree).to_contain_text("No actor yet")
        page.locator(".jp-Stdin-input").press("Enter")
        for view in (cpu, tree):
            said = view.get_by_text(re.compile("Ray has ended|Ray does not answer any more"))
            expect(said).to_be_visible(timeout=60_000)
        expect(cpu).to_contain_text(re.compile(r"CPU \d+% of"))
    finally:
        file.unlink()


# The timeline of the whole program, and where in it the first bar of `describe` is.
WHOLE = """
  const plots = Bokeh.documents.flatMap(one => one.roots()).filter(root => root.type == "Column")
  const plot = plots[0].children[0], {x_scale, y_scale} = Bokeh.index.find_one(plot).frame
  const {name, start, end, y} = plot.renderers[0].data_source.data, at = name.indexOf("describe")
  const bar = {x: x_scale.compute((start[at] + end[at]) / 2), y: y_scale.compute(y[at])}
  const span = plot.x_range.end - plot.x_range.start
"""


def _use_search_bars(tasks, objects):
    """Type a name, follow a link, type an object's id."""
    field = tasks.locator("input")
    map_id = objects.locator("input").input_value()
    field.fill("convert")
    field.press("Enter")
    expect(tasks).to_contain_text(re.compile(r"\d+ found: \d+ FINISHED"))
    tasks.get_by_role("button", name=re.compile("convert [0-9a-f]{8} FINISHED")).first.click()
    expect(tasks).to_contain_text("the driver")
    expect(objects).to_contain_text("16 MB")
    objects.get_by_role("button", name="the task behind it").click()
    expect(objects).to_contain_text("draw_map")
    objects.locator("input").fill(map_id)
    objects.locator("input").press("Enter")
    expect(objects).to_contain_text("Nobody holds")


def _watch_usage(page, notebook, lab, cpu):
    """Run the program once more: the picture of the cores changes while it runs."""
    index = [cell["id"] for cell in read(lab)["cells"]].index("report-run")
    cell = notebook.locator(".jp-Cell").nth(index)
    cell.locator(".cm-content").click()
    prompt = cell.locator(".jp-InputPrompt")
    line = cpu.locator("polyline").last
    before = line.get_attribute("points")
    page.keyboard.press("Control+Enter")
    expect(line).not_to_have_attribute("points", before)
    named = cpu.filter(has_text=re.compile("convert|describe|count_hot|HotReadings"))
    deadline = time.monotonic() + 180
    while not named.count():
        assert time.monotonic() < deadline, cpu.inner_text()
        if "*" not in prompt.inner_text():  # over before the view, on busy cores, looked again
            page.keyboard.press("Control+Enter")
        page.wait_for_timeout(200)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"))


@pytest.mark.slow
@pytest.mark.parametrize("lab", ALIKE)
def test_pictures_and_verdicts(open_lab, lab):
    notebook = run_all(open_lab(lab), lab, 420)
    assert_calm(notebook)
    for cell in read(lab)["cells"]:
        if cell["cell_type"] == "code" and re.search(r"plots\.\w+\(|plt\.show", cell["source"]):
            drawn = output(notebook, lab, cell["id"]).locator("img").all()
            assert drawn, cell["id"]
            for picture in drawn:
                assert picture.evaluate("image => image.naturalWidth") > 300, cell["id"]
        if cell["cell_type"] == "code" and re.search(
            r"ui\.(task_timeline|lives)\(", cell["source"]
        ):
            canvas = output(notebook, lab, cell["id"]).locator(".ray-labs-timeline canvas").first
            expect(canvas).to_be_visible()
            assert canvas.bounding_box()["width"] > 300, cell["id"]
        if cell["cell_type"] == "code" and "animate.pendulums" in cell["source"]:
            swing = output(notebook, lab, cell["id"]).locator(".jp-RenderedHTMLCommon svg")
            assert 1_000 < len(swing.evaluate("svg => svg.outerHTML")) < 200_000
            turned = "svg => svg.querySelector('line').getCTM().b"
            before = swing.evaluate(turned)
            swing.page.wait_for_function(
                "([svg, before]) => svg.querySelector('line').getCTM().b != before",
                arg=[swing.element_handle(), before],
            )
    sweeps = notebook.locator("img[alt*=' complete · ']").all()
    assert sweeps or not any("SweepView(" in cell["source"] for cell in read(lab)["cells"])
    for sweep in sweeps:
        assert re.search(r"[1-9]\d* trials? · \d+ complete", sweep.get_attribute("alt"))
    for exercise in exercises(lab):
        check = read(lab)["cells"][exercise.index + 1]["id"]
        assert "not started" in output(notebook, lab, check).inner_text()


def _assert_live_sweep(shown):
    headline = shown.locator("img").get_attribute("alt")
    assert re.match(r"[1-9]\d* trials · [1-9]\d* complete", headline)


@pytest.mark.slow
@pytest.mark.parametrize("lab", [TRACKERS])
def test_pages_of_the_trackers(open_lab, lab):
    page = open_lab(lab)
    notebook = run_all_but_the_last(page, 420)
    shown = {
        "tensorboard": ["2 cards", "/test_accuracy", "/train_accuracy"],
        "mlflow-page": ["ray-labs", "3 matching runs"],
    }
    urls = []
    for cell, texts in shown.items():
        frame = output(notebook, lab, cell).locator("iframe")
        frame.scroll_into_view_if_needed()
        for text in texts:
            body = frame.content_frame.locator("body")
            expect(body).to_contain_text(text)
        urls.append(frame.get_attribute("src"))
    if PICTURES:
        _photograph(page, notebook, lab)
    for cell in ("curves", "side", "hooks-drawn"):
        assert output(notebook, lab, cell).locator("img").count() == 1, cell
    _assert_live_sweep(output(notebook, lab, "sweep-run"))
    for exercise in ("best-from-disk", "notifier", "one-file", "trial-lines"):
        assert "not started" in output(notebook, lab, f"{exercise}-check").inner_text()
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    said = notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()
    assert all("_WandbLoggingActor" in text for text in said), said  # the lab tells of that line
    _assert_end_with_the_kernel(page, urls)


def _assert_end_with_the_kernel(page, urls: list[str]):
    """The servers listen on this machine only, and are gone when their notebook's kernel is."""
    ports = {urllib.parse.urlsplit(url).port for url in urls}
    listening = [one for one in psutil.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    servers = [one for one in listening if one.laddr.port in ports]
    assert {one.laddr.ip for one in servers} == {"127.0.0.1"}
    processes = [psutil.Process(one.pid) for one in servers]
    for process in list(processes):
        processes += [process.parent(), *process.children(recursive=True)]
    menu(page, "Kernel", "Shut Down Kernel")
    assert local.wait_until_gone(processes, 60)
