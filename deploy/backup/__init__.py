"""Backups of a stack, in containers or local: ``deploy/backup.sh`` and ``deploy/restore.sh``."""
