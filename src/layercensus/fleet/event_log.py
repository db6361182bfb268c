"""⇄ What the collector says to people: one line of JSON on standard error for each event.

    {"time": "2026-11-25T12:00:00Z", "event": "token_expires", "cluster_id": "6f2a…", "days": 12, "next": "issue …"}

No token, key or body is ever a field.
"""

import json
import sys
import time


def log(event: str, **fields: object) -> None:
    """Say it."""
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **fields}
    sys.stderr.write(f"{json.dumps(line)}\n")
    sys.stderr.flush()
