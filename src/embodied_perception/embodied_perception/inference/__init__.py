"""Inference: where models come from, and how they run on the device that there is."""
