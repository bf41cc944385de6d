"""Stop the stack; remove its data if asked to."""

from __future__ import annotations

import shutil
import sys

from deploy.api_key import is_made_by_us
from deploy.local.configuration import Stack
from deploy.local.supervisor import Supervisor
from deploy.paths import display_path
from shared.errors import ConfigurationError


def stop(stack: Stack, *, clean: bool, yes: bool) -> None:
    """:raises StackFailed: something does not stop.
    :raises ConfigurationError: removing data was not agreed to."""
    if clean and not yes:
        _agree(stack)
    where = display_path(stack.data_dir)
    if Supervisor(stack).shutdown():
        print(f"Stopped ({where}).")
    else:
        print(f"Nothing is running ({where}).")
    if clean:
        remove_data(stack)


def _agree(stack: Stack) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("--clean removes data: without a terminal to ask on, give --yes too")
    answer = input(f"Remove the index, the logs and the API key in {display_path(stack.data_dir)}? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was removed or stopped")


def remove_data(stack: Stack) -> None:
    """Only what the stack writes: a user may have chosen a data folder that holds other things."""
    for item in stack.own_files():
        if item == stack.key_file and not is_made_by_us(item):
            continue
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink(missing_ok=True)
    if not stack.data_dir.exists():
        return
    kept = sorted(item.name for item in stack.data_dir.iterdir())
    if kept:
        print(f"Removed its data; left {', '.join(kept)} in {display_path(stack.data_dir)}.")
    else:
        stack.data_dir.rmdir()
        print(f"Removed {display_path(stack.data_dir)}.")
