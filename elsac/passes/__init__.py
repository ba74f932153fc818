"""One file a pass; the folder reads like the pipeline."""
