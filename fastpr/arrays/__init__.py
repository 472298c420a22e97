"""Arrays that users pass: where they are, and how they are read in place."""
