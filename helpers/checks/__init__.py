"""The exercises' checks, one module a lab."""
