"""Names over bytes: one module per container format. Siblings that never import each other."""
