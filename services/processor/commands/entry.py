"""From arguments to an exit code: 0 done, 1 some could not be done, 2 wrongly used or configured."""

from __future__ import annotations

import logging
import os
import sys

from services.processor.commands.arguments import build_parser
from services.processor.commands.stopping import Stopped
from services.processor.commands.terminal import prepare_output, say_error
from shared.errors import ConfigurationError, RagError
from shared.lifecycle import EXIT_CONFIGURATION, EXIT_FAILED, Lifecycle

_EXIT_INTERRUPTED = 130


def run_command(arguments: list[str]) -> int:
    """What a user can cure is one line on stderr, never a traceback.

    :raises SystemExit: from the parser: ``--help``, or arguments that it does not know (2).
    """
    parsed = build_parser().parse_args(arguments)
    prepare_output()
    # What matters comes as an exception; a client's own remarks would tear the output.
    logging.getLogger().addHandler(logging.NullHandler())
    lifecycle = Lifecycle()
    lifecycle.install_signal_handlers()
    try:
        code: int = parsed.run(parsed, lifecycle)
        sys.stdout.flush()
    except (Stopped, KeyboardInterrupt) as stopped:
        say_error(f"{parsed.name}: {str(stopped) or 'stopped'}")
        code = _EXIT_INTERRUPTED
    except RagError as error:
        say_error(f"{parsed.name}: {error}")
        code = EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else EXIT_FAILED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    except OSError as error:
        path = f" ({error.filename})" if error.filename else ""
        say_error(f"{parsed.name}: {error.strerror or error}{path}")
        code = EXIT_FAILED
    finally:
        lifecycle.close()
    return code
