#!/opt/stand-ins/bin/python
"""The command ``ollama``: ``serve``, ``list`` and ``pull``."""

from __future__ import annotations

import json
import os
import sys

import httpx

sys.path.insert(0, "/opt/ollama")


def main() -> int:
    match sys.argv[1:]:
        case ["serve"]:
            from server import serve

            serve(os.environ)
            return 0
        case ["list" | "ls"]:
            return _list()
        case ["pull", model]:
            return _pull(model)
    print("Usage: ollama serve | list | pull MODEL", file=sys.stderr)
    return 2


def _client() -> httpx.Client:
    host, _, port = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434").rpartition(":")
    reachable = "127.0.0.1" if host in ("", "0.0.0.0") else host
    return httpx.Client(base_url=f"http://{reachable}:{port}", trust_env=False, timeout=60)


def _list() -> int:
    try:
        with _client() as client:
            models = client.get("/api/tags").raise_for_status().json()["models"]
    except httpx.HTTPError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print("NAME")
    for model in models:
        print(model["name"])
    return 0


def _pull(model: str) -> int:
    with _client() as client, client.stream("POST", "/api/pull", json={"model": model}) as response:
        for line in response.iter_lines():
            said = json.loads(line)
            if "error" in said:
                print(f"Error: {said['error']}", file=sys.stderr)
                return 1
            done = f" {said['completed'] * 100 // said['total']}%" if said.get("total") else ""
            print(f"{said['status']}{done}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
