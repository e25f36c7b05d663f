"""A CT-like abdomen rendered around a label map, real or analytic: sample data, tests, training."""
