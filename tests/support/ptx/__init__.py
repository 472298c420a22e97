"""The PTX that numba-cuda compiles, run on the CPU."""
