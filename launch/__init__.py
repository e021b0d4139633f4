"""What a terminal runs: `python -m launch` opens the labs, `python -m launch.doctor` examines."""
