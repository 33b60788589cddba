"""A video written again with what is said of it, and its sound."""
