"""The words of a clip: hashed n-grams, and a classifier of them."""
