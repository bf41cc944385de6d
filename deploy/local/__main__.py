"""``python -m deploy.local start|stop|logs``: what the scripts at the top hand over to."""

from __future__ import annotations

import argparse
import os
import sys

from deploy.errors import printed
from deploy.local.configuration import ROOT, Stack, read_environment
from deploy.local.logs import list_logs, show_log
from deploy.local.settings import LocalStackSettings
from deploy.local.start import start
from deploy.local.stop import stop
from shared.errors import RagError
from shared.settings import load_settings


def main() -> int:
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    try:
        if arguments.command == "start":
            start(arguments.processors, with_prometheus="prometheus" in arguments.beside)
            return 0
        os.environ.update(read_environment())
        stack = Stack(load_settings(LocalStackSettings))
        if arguments.command == "stop":
            stop(stack, clean=arguments.clean, yes=arguments.yes)
        elif arguments.service is None:
            print(list_logs(stack))
        else:
            show_log(stack, arguments.service, arguments.lines, follow=arguments.follow)
    except RagError as error:
        print(printed(arguments.command, error), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start")
    starting.add_argument("--processors", type=int)
    starting.add_argument("--with", dest="beside", action="append", choices=["prometheus"], default=[])
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
