"""BioASQ questions to SQuAD files, and predictions to a submission."""
