"""Running networks, without the framework that trained them: one protocol over NumPy arrays, one
file a backend."""
