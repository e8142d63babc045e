"""From photos to embeddings, and their cache."""
