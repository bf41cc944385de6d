"""The same answers in the words of OpenAI's chat completions."""
