"""Answers that are given again as long as nothing has changed that they rest on."""
