"""Fault injection for everything this project promises: see README.md here. `make torture` runs all of it."""
