"""Average precision at k and its family: rows become ranks, ranks sums over rows."""
