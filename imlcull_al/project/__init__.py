"""A project's folders and files: stages, photos, labels and tables."""
