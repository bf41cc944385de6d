"""``python -m deploy.dashboards``: write what Grafana reads, the pictures and the page that shows them."""

from __future__ import annotations

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.files import written
from deploy.local.configuration import ROOT


def main() -> None:
    for path, content in written(BOARDS).items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main()
