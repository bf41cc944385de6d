"""Which questions a change of the index may concern."""
