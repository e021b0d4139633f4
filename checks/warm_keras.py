"""Imported early in the process that is copied for the checks of lab 14: Keras takes seconds."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: F401
