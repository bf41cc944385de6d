"""From a question to a grounded answer: retrieve, weigh the evidence, generate, check, cite."""
