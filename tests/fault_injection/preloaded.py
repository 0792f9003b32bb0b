"""What `children` imports once, for all processes that it forks."""

import orbax.checkpoint  # noqa: F401

from biobert_jax.data import input_pipeline  # noqa: F401
from biobert_jax.training import train  # noqa: F401
from tests.fixtures import small_run  # noqa: F401
