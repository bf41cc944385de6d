"""The stories, as data: one JSON file a theme. ``services.replay.story`` says what the fields mean."""
