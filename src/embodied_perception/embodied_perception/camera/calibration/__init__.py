"""Cameras calibrated from views of a board."""
