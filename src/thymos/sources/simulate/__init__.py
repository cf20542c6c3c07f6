"""The simulator: data with a known truth, for tests, demonstrations and null controls."""
