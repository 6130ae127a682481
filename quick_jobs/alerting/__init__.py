"""Alerts and pings: what makes one, and how they are sent."""
