"""Furnished rooms with named, coloured objects, rendered as RGB-D recordings with ground truth."""
