"""Layers. They know torch and nothing of Thymos."""
