"""Bridges to other programs' worlds, each behind an optional dependency of its own."""
