"""Mods as consoles and emulators load them: where each tool looks, what it takes from there, and what it passes over."""
