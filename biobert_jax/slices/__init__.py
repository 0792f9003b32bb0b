"""Slices of TPUs, and what a compiled program asks of them: text to figures."""
