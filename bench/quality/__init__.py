"""How good the answers are, measured through a running stack on reading-comprehension questions."""
