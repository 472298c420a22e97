"""The kernels, one module for each way to run them; `fastpr.backends.choose` has their table."""
