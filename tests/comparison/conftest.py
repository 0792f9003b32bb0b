"""Comparisons only have to run here; their times are for who starts them."""

import os

os.environ['BIOBERT_UNTIMED'] = '1'
