"""Training of single stages: data, sampling, augmentation, losses, and the only loop over epochs."""
