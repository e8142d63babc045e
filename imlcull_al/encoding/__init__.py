"""Encoders, embeddings and the embedding cache."""
