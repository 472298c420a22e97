"""The kernels, one module for each way to run them; `fastpr.dispatch` has their table."""
