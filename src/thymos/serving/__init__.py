"""A trained model as a folder, and recordings of anybody made fit for it."""
