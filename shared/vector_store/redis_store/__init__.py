"""Redis store: vector sets in shards, one server-side function for each atomic step."""
