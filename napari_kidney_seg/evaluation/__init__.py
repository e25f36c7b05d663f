"""The KiTS scores: hierarchical classes, Dice and surface Dice, tables, and pictures to judge by eye."""
