"""One self-contained HTML page from stored results."""
