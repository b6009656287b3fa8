"""The stages of `heatmark_training.train`, one module each; the table is in `train.py`."""
