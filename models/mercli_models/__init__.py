"""The bundle that ships with mercli."""
