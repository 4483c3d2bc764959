"""A program that stands in for Open WebUI: `serve --host H --port P`, which answers and records its environment.

STAND_IN_MOOD makes it difficult: `deaf` ignores SIGTERM, `ill` answers 503, `broken` ends at once.
"""

import http.server
import json
import os
import signal
import sys
from pathlib import Path


class Answers(http.server.BaseHTTPRequestHandler):
    """GET /health as Open WebUI answers it."""

    def do_GET(self) -> None:
        self.send_response(503 if os.environ.get("STAND_IN_MOOD") == "ill" else 200)
        self.end_headers()
        self.wfile.write(b'{"status":true}')

    def log_message(self, *_: object) -> None:
        print(f"asked for {self.path}", flush=True)


def main(words: list[str]) -> None:
    """Serve until a signal ends the process."""
    mood = os.environ.get("STAND_IN_MOOD")
    print(f"stand-in, process {os.getpid()}", flush=True)
    if mood == "broken":
        sys.exit("a library is missing")
    if mood == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert words[0] == "serve"
    options = dict(zip(words[1::2], words[2::2], strict=True))
    server = http.server.ThreadingHTTPServer((options["--host"], int(options["--port"])), Answers)
    Path("environment.json").write_text(json.dumps(dict(os.environ)))
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
