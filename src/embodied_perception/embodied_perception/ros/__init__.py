"""Hosts stages as ROS 2 lifecycle nodes."""
