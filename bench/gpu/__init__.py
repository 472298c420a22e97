"""The CUDA backend on a GPU: checked, and timed."""
