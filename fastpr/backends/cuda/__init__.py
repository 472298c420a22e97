"""CUDA kernels through numba-cuda; `fastpr.backends.cuda.blocks` is the backend itself."""
