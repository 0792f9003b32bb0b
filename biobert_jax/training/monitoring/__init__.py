"""Metrics, progress, profiles, and watching for stalls."""
