"""Programs that run inside our containers: the host hands them to ``python -`` there, as they stand."""
