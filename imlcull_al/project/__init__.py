"""The folders and files of a project: names, photos, answers, tables."""
