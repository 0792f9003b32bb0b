"""Keys of pre-training."""

import ml_collections

from . import base


def get_config(size: str, steps: int) -> ml_collections.ConfigDict:
  """Defaults of pre-training experiments.

  Published for BioBERT (Lee et al. 2019, section 3.2): BERT-base cased to start
  from, batches of 192 sequences of 512, the number of steps. Assumed from BERT
  (Devlin et al. 2019, A.2): learning rate 1e-4 with 10,000 steps of warmup and
  linear decay to 0, weight decay 0.01, dropout 0.1, 15 % of the tokens
  predicted, a tenth of the documents shortened.

  Args:
    size: 'tiny' (for a laptop: short sequences, few steps), 'base' or 'large'.
    steps: of the whole run; 'tiny' has 100.

  Returns:
    The config, still open.
  """
  config = base.get_config(size)
  config.task = 'pretraining'
  config.batch_size = 192
  config.compute.dtype = 'bfloat16'
  config.compute.reduce_dtype = 'bfloat16'
  config.compute.rng = 'rbg'
  # Products in bfloat16 are rounded anyway; float32 would only store them twice
  # as wide (tests/models/layers_test.py).
  config.compute.scores_dtype = 'bfloat16'
  config.optim.learning_rate = 1e-4
  config.optim.warmup_fraction = min(0.1, 10_000 / steps)
  config.train.steps = steps
  config.train.keep = 'last'
  config.train.evaluations = 100
  config.train.eval_batch_size = 192
  config.train.log_every_steps = 100
  config.train.checkpoint_every_steps = 1000

  config.data = ml_collections.ConfigDict()
  # The output of `biobert-jax prepare-corpus`; or a pattern of TFRecord files
  # by google-research/bert create_pretraining_data.py, with their masks.
  config.data.dir = base.data_folder('corpus')
  config.data.train_split = 'train'
  # Scored during training; with TFRecord files, another pattern.
  config.data.devel_split = 'validation'
  config.data.test_split = ''  # '': none.
  config.data.verify = (
    'sample'  # Shards whose hash is checked: or 'sizes', 'all'.
  )
  # Of shards in a bucket each host makes a copy once, in $BIOBERT_CACHE. True:
  # they are read in the bucket, by a request or more a document, slowly.
  config.data.read_in_place = False
  config.data.max_seq_length = 512  # Tokens of a packed sequence.
  config.data.pack = True  # False: one pair per sequence, then padding.
  config.data.max_pairs = 8  # Most pairs in a packed sequence.
  config.data.next_sentence = True  # False: whole documents, no pairs.
  config.data.short_seq_prob = 0.1  # Probability to shorten a document.
  # A document of one sentence has no next sentence. 'unlabelled' leaves it out
  # of that loss; 'random' pairs it with a random sentence, as the reference
  # does, so that more than half of the labels say random.
  config.data.single_sentence = 'unlabelled'
  config.data.eval_rows = 2048  # Held-out sequences that are scored.

  config.masking = ml_collections.ConfigDict()
  config.masking.rate = 0.15  # Fraction of the tokens of a sequence.
  config.masking.max_predictions = 80  # Most of a packed sequence.
  config.masking.whole_word = False  # True: all tokens of a word, or none.
  if size == 'tiny':
    _shrink(config)
  return config


def paper_config(size: str, steps: int) -> ml_collections.ConfigDict:
  """The same with unpacked sequences, as Google's code makes them."""
  config = get_config(size, steps)
  config.data.pack = False
  config.data.max_pairs = 1
  config.data.single_sentence = 'random'
  return config


def _shrink(config: ml_collections.ConfigDict) -> None:
  """Shrinks what takes a laptop longer than minutes."""
  config.batch_size = 16
  config.compute.dtype = 'float32'
  config.compute.reduce_dtype = 'float32'
  config.compute.rng = 'threefry2x32'
  config.compute.scores_dtype = 'float32'
  config.optim.learning_rate = 1e-3  # From random weights.
  config.optim.warmup_fraction = 0.1
  config.train.steps = 100
  config.train.evaluations = 4
  config.train.eval_batch_size = 16
  config.train.log_every_steps = 10
  config.train.checkpoint_every_steps = 50
  config.data.max_seq_length = 128
  config.data.eval_rows = 128
  config.masking.max_predictions = 20
