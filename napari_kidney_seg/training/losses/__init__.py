"""Losses, one family per file. Each returns one value per sample: so hard cases can be told, and mixup can weigh."""
