"""From a question to passages: dense and lexical search of the same index, fused."""
