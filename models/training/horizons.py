"""What is predicted: kinds of failure, in the order of the outputs, and the ends of the pieces of the hazard."""

FAILURE_TYPES = ["memory", "thermal", "power", "interconnect", "other"]
#: Days.
HORIZONS = [7.0, 30.0, 90.0]
