"""Keys that every experiment has: name, default, unit, source."""

import os

import ml_collections
from ml_collections.config_dict import placeholder

from biobert_jax.models.config import BertConfig

SIZES = {
  'tiny': BertConfig.tiny(),
  'base': BertConfig.base(),
  'large': BertConfig.large(),
}
# Keys that a size sets; the vocabulary sets the remaining one.
_SET_BY_SIZE = (
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'intermediate_size',
  'max_position_embeddings',
  'type_vocab_size',
)


def data_folder(name: str) -> str:
  """The default folder of a corpus: `$BIOBERT_DATA/name`."""
  root = os.environ.get('BIOBERT_DATA', os.path.join('..', 'shared', 'data'))
  return os.path.join(root, name)


def get_config(size: str) -> ml_collections.ConfigDict:
  """Defaults of all tasks.

  Args:
    size: 'tiny', 'base' or 'large', the architecture without `init_from`,
      which brings its own.

  Returns:
    The config, still open for more keys.

  Raises:
    ValueError: an unknown size.
  """
  if size not in SIZES:
    raise ValueError(f'variant {size!r}; choose from {", ".join(SIZES)}')
  config = ml_collections.ConfigDict()
  config.seed = 0  # For initialisation, dropout and the order of the data.
  # The model to start from, in any format: weights, architecture, vocabulary,
  # casing. Unset: random weights.
  config.init_from = placeholder(str)
  # Of a work folder: 'best', 'latest' or the number of a step; unset: the best
  # where one is chosen, else the latest.
  config.init_from_step = placeholder(str)
  # Names of its classes by id, A,B,C; unset: as its files state them.
  config.init_from_labels = placeholder(tuple)
  config.batch_size = 32  # Packed sequences of a global batch.
  config.accumulate = 1  # Microbatches per step: less memory, same result.

  config.model = ml_collections.ConfigDict(
    {name: getattr(SIZES[size], name) for name in _SET_BY_SIZE}
  )
  config.model.hidden_act = (
    'gelu'  # By erf, as in BioBERT; or 'gelu_tanh', 'relu'.
  )
  # Fractions 0-1; unset: those of `init_from`, or 0.1.
  config.model.hidden_dropout_prob = placeholder(float)
  config.model.attention_probs_dropout_prob = placeholder(float)

  config.compute = ml_collections.ConfigDict()
  config.compute.dtype = 'float32'  # Activations; 'bfloat16' on TPU.
  config.compute.param_dtype = 'float32'  # The only one for training.
  # Or 'dot_product_attention', or 'splash_attention' for long sequences on
  # TPUs; both need attention_probs_dropout_prob = 0.
  config.compute.attention = 'einsum'
  config.compute.scan_layers = (
    False  # True: compiles faster, runs a little slower.
  )
  config.compute.remat = 'none'  # 'names', 'dots', 'full': less memory.
  # 'threefry2x32': the same bits on every slice; 'rbg': the TPU's own
  # generator, which is fast.
  config.compute.rng = 'threefry2x32'
  # Dtype in which gradients are summed over devices; 'bfloat16' halves the
  # bytes that they send, on TPU and GPU.
  config.compute.reduce_dtype = 'float32'
  # Dtype of stored attention scores; 'bfloat16' halves what attention reads and
  # writes. The softmax is computed in float32 either way.
  config.compute.scores_dtype = 'float32'

  config.vocab = ml_collections.ConfigDict()
  # A vocab.txt, only without init_from; unset: one is built from the corpus.
  config.vocab.path = placeholder(str)
  config.vocab.do_lower_case = placeholder(bool)  # Unset: that of init_from.
  config.vocab.size = 2000  # Tokens of a vocabulary that is built.

  config.optim = ml_collections.ConfigDict()
  config.optim.name = 'adamw'  # BERT's; 'lamb' for batches of thousands.
  config.optim.learning_rate = 5e-5  # Its peak.
  config.optim.warmup_fraction = 0.1  # Of all steps, linear from 0.
  # True: the learning rate falls by warmup_fraction where warmup ends, as in
  # google-research/bert optimization.py:32-54.
  config.optim.reference_jump = False
  # False: as in the reference, whose authors call it an oversight.
  config.optim.bias_correction = True
  config.optim.b1 = 0.9
  config.optim.b2 = 0.999
  config.optim.eps = 1e-6
  config.optim.weight_decay = 0.01  # Except for biases and layer norms.
  config.optim.clip_norm = 1.0  # Largest global norm of the gradient.
  # A step is skipped if the gradient's norm before clipping is larger, as it is
  # if it is not finite; unset: no bound.
  config.optim.skip_norm = placeholder(float)

  config.mesh = ml_collections.ConfigDict()
  # Or 'zero1', 'fsdp', 'tp'; see parallel/sharding.py.
  config.mesh.strategy = 'dp'
  config.mesh.model = 1  # Devices per packed sequence; more than 1 for 'tp'.

  config.train = ml_collections.ConfigDict()
  config.train.epochs = 20.0
  config.train.steps = placeholder(int)  # If set, it replaces epochs.
  config.train.evaluations = 20  # How often the dev set is scored, evenly.
  config.train.keep = 'best'  # By the score on the dev set; or 'last'.
  config.train.eval_batch_size = 32  # Packed sequences.
  config.train.log_every_steps = 10
  config.train.checkpoint_every_steps = 500
  config.train.keep_checkpoints = 2  # The latest ones, besides the best.
  # Whole states saved and kept for good at each multiple; unset: none.
  config.train.keep_every_steps = placeholder(int)
  # From this step on, five are traced for xprof, unless a resumed run is past
  # it; unset: none.
  config.train.profile_step = placeholder(int)
  # Consecutive steps that may be skipped before the run ends as diverged.
  config.train.max_skipped_steps = 10
  # A step or batch that takes longer ends the job, to be relaunched, and writes
  # the stack of every thread to stacks_HOST.txt of the work folder; 0: never.
  config.train.watchdog_seconds = 600.0
  return config
