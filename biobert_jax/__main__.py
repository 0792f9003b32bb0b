"""`python -m biobert_jax COMMAND`, which is `biobert-jax COMMAND`."""

import sys

from biobert_jax.commands.main import main

if __name__ == '__main__':
  sys.exit(main())
