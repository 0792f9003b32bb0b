"""Read a checkpoint of any form and keep it in ours, checked.

MODEL is a TF1 or TF2 checkpoint (its prefix, its folder, or a .tar.gz of it), a
Hugging Face folder (model.safetensors, pytorch_model.bin, flax_model.msgpack or
tf_model.h5, sharded or not), a file of weights, a work folder, an import or an
export; the form is detected. Every tensor is mapped or reported.
"""

from biobert_jax.commands import checkpoint_flags, command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.checkpoints import import_weights, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  return import_weights.import_weights(
    checkpoint_flags.read(flags),
    flags.output,
    overwrite=flags.overwrite,
    slots=flags.keep_slots,
  )


FLAGS = (
  command.model('input'),
  *checkpoint_flags.OUTPUT,
  Flag('--keep_slots', "keep the optimizer's moments and counters too", False),
  *checkpoint_flags.READING,
)
EXAMPLES = (
  '--model=biobert_v1.1_pubmed.tar.gz --output=runs/biobert',
  '--model=tagger --output=runs/tagger --head=token --labels=O,B,I',
)
WRITES = 'DIR, to train from (--config.init_from=DIR), predict with or export'
COMMAND = Command('import', __doc__, FLAGS, _run, EXAMPLES, WRITES)
