"""What two versions of a file have in common, found by content, and written down as a delta (VCDIFF)."""
