"""The program `perception`, one file a command."""
