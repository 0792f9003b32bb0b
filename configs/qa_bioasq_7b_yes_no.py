"""BioASQ 7b (Tsatsaronis et al. 2015), yes/no questions.

    python -m biobert_jax train --config=configs/qa_squad_v2.py:base \\
      --workdir=runs/squad_v2 --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_7b_yes_no.py:base \\
      --workdir=runs/bioasq_7b_yes_no --config.init_from=runs/squad_v2 \\
      --config.data.dir=DATA/bioasq_7b/yesno
    python -m biobert_jax predict --workdir=runs/bioasq_7b_yes_no \\
      --input=DATA/bioasq_7b/yesno/test.json --output=yesno.json --format=json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions yesno.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

The recipe is that of BioBERT at BioASQ 7b (Yoon et al. 2019; bioasq-biobert,
examplecode.sh): snippets as they are, at most 500 of each answer, 2 epochs of
batches of 10. Its scores vary: five runs on the questions of 6b have a macro F1
of 74.11, 78.46, 80.89, 71.57 and 81.25 percent (its README). The later PyTorch
code has an accuracy of 69.29 on 7b (README of biobert-pytorch), 3 epochs of
batches of 12 at a learning rate of 8e-6, without SQuAD.

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. The script that scores also takes all types of questions at once:
give `prepare-submission` the predictions of every type.
"""

import ml_collections

from .common import base, finetune, yes_no


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = yes_no.get_config(size, base.data_folder('bioasq_7b/yesno'))
  # 3 packed sequences of 384 hold about 10 snippets with their questions.
  config.batch_size = 3
  config.data.max_per_label = 500
  finetune.add_question_files(config, prefix='*')
  config.data.devel_split = ''  # The last step is kept.
  return config.lock()
