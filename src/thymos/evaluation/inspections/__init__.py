"""Inspections: looks at a fitted method, taken where it was fitted and stored beside its predictions."""
