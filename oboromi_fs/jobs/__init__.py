"""Long work over any file system: extraction, verification."""
