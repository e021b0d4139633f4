"""The exercises: their engine, the learner's progress, and one module of checks a lab."""
