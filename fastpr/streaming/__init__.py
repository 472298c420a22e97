"""States that add up, wait for devices, are merged and are saved."""
