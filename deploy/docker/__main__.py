"""``python -m deploy.docker start|stop|logs``: what the scripts at the top hand over to."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deploy.docker.engine import find_engine
from deploy.docker.layout import Layout
from deploy.docker.logs import list_logs, show_log
from deploy.docker.options import Options, parse_scale
from deploy.docker.start import start
from deploy.docker.stop import remembered_project, stop
from deploy.env_file import data_dir, read_settings
from deploy.errors import printed
from deploy.paths import ROOT
from shared.errors import RagError


def main() -> int:
    arguments = _parser().parse_args()
    here = Path.cwd()
    os.chdir(ROOT)
    settings = read_settings()
    layout = Layout(data_dir(settings))
    try:
        if arguments.command == "start":
            start(_options(arguments, here), settings)
        elif arguments.command == "stop":
            stop(layout, settings, clean=arguments.clean, yes=arguments.yes)
        else:
            find_engine()
            project = remembered_project(layout)
            if arguments.service is None:
                print(list_logs(project))
            else:
                return show_log(project, arguments.service, arguments.lines, follow=arguments.follow)
    except RagError as error:
        print(printed(arguments.command, error), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What runs, runs on; ./stop.sh stops it.", file=sys.stderr)
        return 130
    return 0


def _options(arguments: argparse.Namespace, here: Path) -> Options:
    return Options(
        profiles=tuple(name for names in arguments.profile for name in names.split(",")),
        source=arguments.source,
        llm=arguments.llm,
        scale=parse_scale(arguments.scale),
        overrides=tuple((here / path).resolve() for path in arguments.override),
        build=arguments.build,
        show_credentials=arguments.show_credentials,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.docker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start")
    for name in ("profile", "scale"):
        starting.add_argument(f"--{name}", action="append", default=[])
    starting.add_argument("--override", action="append", default=[], type=Path)
    for name in ("source", "llm"):
        starting.add_argument(f"--{name}")
    for name in ("build", "show-credentials"):
        starting.add_argument(f"--{name}", action="store_true")
    stopping = commands.add_parser("stop")
    stopping.add_argument("--clean", action="store_true")
    stopping.add_argument("--yes", action="store_true")
    logs = commands.add_parser("logs")
    logs.add_argument("service", nargs="?")
    logs.add_argument("-n", dest="lines", type=int, default=50)
    logs.add_argument("--no-follow", dest="follow", action="store_false")
    return parser


if __name__ == "__main__":
    sys.exit(main())
