"""Prompt injections: what they do to answers, with the defence and without."""
