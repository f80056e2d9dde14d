"""Asks ``agent serve`` for work with a signed request: from cron, from CI, or from wherever Python runs.

It needs no package. HOOK_URL is the address (https://agent.example/webhooks/generic), HOOK_SECRET its secret:

    0 6 * * 1  python3 send.py acme/shop "Update the dependencies." --work-key dependencies

    make test > test.log 2>&1 || python3 send.py acme/shop "Repair what this log shows." --context test.log
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

PAUSES = (0, 5, 30, 120)
"""Seconds before each attempt."""


def main() -> int:
    asked = arguments()
    request = {"repository": asked.repository, "instruction": asked.instruction, "work_key": asked.work_key}
    if asked.context:
        # The end of a log is what matters, and the model sees 40,000 characters.
        request["context"] = Path(asked.context).read_text(errors="replace")[-40_000:]
    body, ident = json.dumps(request).encode(), f"msg_{uuid.uuid4()}"
    for pause in PAUSES:
        time.sleep(pause)
        try:
            print(send(os.environ["HOOK_URL"], os.environ["HOOK_SECRET"], ident, body))
        except urllib.error.HTTPError as exc:
            print(f"{exc.code}: {exc.read().decode()}", file=sys.stderr)
            if exc.code < 500:
                return 1
        except OSError as exc:
            print(exc, file=sys.stderr)
        else:
            return 0
    return 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask agent serve for work.")
    parser.add_argument("repository", help="owner/name")
    parser.add_argument("instruction", help="what to do")
    parser.add_argument("--context", default="", help="a file with a log or a report")
    parser.add_argument("--work-key", default="", help="while a task has this name, it is told instead of doubled")
    return parser.parse_args()


def send(url: str, secret: str, ident: str, body: bytes) -> str:
    """Send one request. The id stays the same when it is sent again, so that it counts once; the time does not."""
    at = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.digest(key, f"{ident}.{at}.".encode() + body, "sha256")).decode()
    headers = {
        "content-type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{signed}",
    }
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return str(answer.read().decode())


if __name__ == "__main__":
    sys.exit(main())
