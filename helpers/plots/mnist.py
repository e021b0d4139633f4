"""Digits, and which of them a network takes for which."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from helpers.plots.look import (
    PALE,
)


def digits(images: np.ndarray, captions: Sequence, title: str = "", columns: int = 12) -> None:
    """Draw images in a grid.

    Args:
        images: (n, 28, 28), any numeric type; black is the largest value.
        captions: n short texts, one under each image.
        title: what the reader should see.
        columns: images in a row.
    """
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(7.5, 0.95 * rows + 0.3), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.text(0.5, -0.05, caption, transform=axis.transAxes, ha="center", va="top", fontsize=9)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    plt.show()


def confusion(matrix: np.ndarray, title: str) -> None:
    """Draw a confusion matrix with the diagonal left pale, so that the mistakes stand out.

    Args:
        matrix: (10, 10) counts; rows are true digits, columns what the model said.
        title: what the reader should see.
    """
    mistakes = matrix.astype(float)
    np.fill_diagonal(mistakes, 0)
    axis = plt.figure(figsize=(4.6, 4.2)).subplots()
    axis.imshow(mistakes, cmap="Oranges")
    for (row, column), count in np.ndenumerate(matrix):
        strong = mistakes[row, column] > mistakes.max() / 2
        colour = PALE if row == column else "white" if strong else "black"
        axis.text(column, row, count, ha="center", va="center", fontsize=8, color=colour)
    axis.set(xticks=range(10), yticks=range(10), xlabel="said", ylabel="true", title=title)
    plt.show()
