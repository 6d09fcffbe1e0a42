"""Open vocabulary: what words name, found in images; the words can change at any time."""
