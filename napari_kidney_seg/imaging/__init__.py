"""Pure functions on arrays and volumes, each spatial one beside its inverse."""
