"""From embeddings and answers to scores, order and promise."""
