"""The stack in containers. What runs on the host needs Python's standard library alone, and Docker."""
