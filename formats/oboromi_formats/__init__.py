"""The byte layouts of the container formats, declared as data: no I/O, no validation, nothing of the file system.

One module per format. Each has ``LAYOUTS``, the tuple of everything it declares: :class:`~oboromi_formats.layout.Layout` for a header,
:class:`~oboromi_formats.layout.Table` for a run of equal rows. Integers are little-endian unless a field says otherwise; offsets in
comments count from the start of their structure.
"""
