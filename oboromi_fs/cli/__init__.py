"""The command line, ``oboromi``: one module per group of verbs, loaded when its verb is called."""
