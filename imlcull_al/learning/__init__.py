"""Turn embeddings and answers into scores, queues and guarantees."""
