"""Groups drawn again: confidence intervals of what was counted by group."""
