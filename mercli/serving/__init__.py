"""One process that owns a graphics processor: it runs the networks of all workers, in common batches."""
