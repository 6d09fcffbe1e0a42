"""Classification: what an image shows, and the evidence for it."""
