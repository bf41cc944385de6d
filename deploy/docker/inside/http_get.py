"""In a container: fetch one URL of its own, and write its status and its text as one JSON object."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request


def main(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30) as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError as error:
        status, body = 0, str(error).encode()
    print(json.dumps({"status": status, "text": body.decode("utf-8", errors="replace")}))


if __name__ == "__main__":
    main(sys.argv[1])
