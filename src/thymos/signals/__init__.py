"""Signal processing: pure functions on arrays, and thin scikit-learn transformers around them."""
