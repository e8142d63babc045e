"""What this project promises, put to the test by breaking it: see README.md here. `make torture` runs all of it."""
