"""Patches of executables: IPS, IPS32 and pchtxt, as values and applied to a storage."""
