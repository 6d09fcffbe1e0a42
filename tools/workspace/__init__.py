"""The workspace: one environment under .ros/ and the commands that run in it."""
