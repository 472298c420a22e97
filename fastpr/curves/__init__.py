"""Every number that follows from a table of counts; NumPy alone."""
