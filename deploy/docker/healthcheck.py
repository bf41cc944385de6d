"""``healthcheck.py PORT_VARIABLE live|ready``: exit 0 where the service on that port says that it is.

Runs in the container every few seconds, so it is one file, needs nothing but sockets, and is quick.
"""

import os
import socket
import sys

_TIMEOUT = 4.0
_OK = b"200"


def main(port_variable: str, question: str) -> str | None:
    """What is wrong, or ``None``."""
    port = os.environ.get(port_variable, "")
    try:
        with socket.create_connection(("127.0.0.1", int(port)), _TIMEOUT) as connection:
            connection.settimeout(_TIMEOUT)
            connection.sendall(f"GET /health/{question} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            status = connection.makefile("rb").readline()
    except (OSError, ValueError) as error:
        return f"{port_variable}={port}: {error}"
    if status.split()[1:2] == [_OK]:
        return None
    return f"/health/{question}: {status.decode(errors='replace').strip()}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
