"""The demo: real nodes on a real graph, watched, recorded, and reported with pictures."""
