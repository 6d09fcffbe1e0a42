"""The program `perception`, one file a command, or a folder where a command is several."""
