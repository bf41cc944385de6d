"""FAISS store: SQLite holds the truth, each process keeps a FAISS index of it in memory."""
