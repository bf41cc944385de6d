"""What an operator does with the processor: ``python -m services.processor COMMAND``."""

from services.processor.commands.entry import run_command

__all__ = ["run_command"]
