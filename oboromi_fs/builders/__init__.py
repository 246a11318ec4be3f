"""Names into bytes: one module per container format, the mirror of :mod:`oboromi_fs.backends`. Siblings that never import each other."""
