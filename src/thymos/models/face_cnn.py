"""Expressions of faces from small photographs: the published three blocks, and a compact residual network."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from thymos.base.checks import as_type, check_number
from thymos.base.errors import InputError
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.images import ImageAugmentation, Mirrored, Pixels, ResidualBlock
from thymos.training.estimator import Prepared, TorchClassifier, check_layers

__all__ = ["CompactFaceNet", "FaceCNN", "ThreeBlockCNN"]

_SMALLEST = 8  # pixels: smaller images are enlarged, since three halvings have to leave something
_FEATURES = 256  # outputs of the dense layer of the three blocks, which fusion joins


class _FaceNet(nn.Module):
    """What both networks share: whole numbers in, random changes while training, features, a last layer.

    A subclass sets ``maps``, from images to features of shape (batch, n_features), and ``final_layer``.
    """

    maps: nn.Sequential
    final_layer: nn.Linear

    def __init__(self, n_channels: int, augmentation: nn.Module | None):
        super().__init__()
        self.pixels = Pixels(n_channels)
        self.augmentation = augmentation or nn.Identity()

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return features, shape (batch, n_features), of images (batch, n_channels, height, width)."""
        x = self.pixels(x)
        if min(x.shape[2:]) < _SMALLEST:
            x = functional.interpolate(x, [max(_SMALLEST, side) for side in x.shape[2:]])
        x = self.pixels.standardise(self.augmentation(x))
        return self.maps(x.contiguous(memory_format=torch.channels_last))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs)."""
        return self.final_layer(self.embed(x))


class ThreeBlockCNN(_FaceNet):
    """Three convolutions of 3 x 3, each followed by a halving, and a dense layer (Hegh et al. 2025; methods B4.5).

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the images.
    n_outputs : int
    width : int
        Maps of the first block; the next have two and four times as many.
    dropout : float
        Before the dense layer.
    augmentation : Module, optional
        Changes images while training.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        n_outputs: int,
        width: int = 32,
        dropout: float = 0.3,
        augmentation: nn.Module | None = None,
    ):
        super().__init__(shape[0], augmentation)
        blocks, before = [], shape[0]
        for factor in (1, 2, 4):
            after = factor * width
            blocks += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            blocks.append(nn.MaxPool2d(2))
            before = after
        size = before * int(np.prod([max(_SMALLEST, side) // 8 for side in shape[1:]]))
        dense = nn.Linear(size, _FEATURES, bias=False), BatchNorm(_FEATURES), nn.ReLU()
        self.maps = nn.Sequential(*blocks, nn.Flatten(), nn.Dropout(dropout), *dense)
        self.final_layer = nn.Linear(_FEATURES, n_outputs)


class CompactFaceNet(_FaceNet):
    """Residual blocks with squeeze-and-excitation and random depth, for two cores of a processor.

    A first convolution halves the image (of 32 pixels and more), three stages of blocks halve it twice again, and the
    means of the last maps are read by one layer.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the images.
    n_outputs : int
    width : int
        Maps of the first stage; the next have two and four times as many.
    depths : sequence of int
        Blocks of each stage.
    dropout : float
        Before the last layer.
    drop_path : float
        Probability that the last block is left out for a sample while training; earlier ones less, in proportion.
    augmentation : Module, optional
        Changes images while training.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        n_outputs: int,
        width: int = 32,
        depths: tuple[int, ...] = (1, 2, 2),
        dropout: float = 0.2,
        drop_path: float = 0.1,
        augmentation: nn.Module | None = None,
    ):
        super().__init__(shape[0], augmentation)
        stride = 2 if min(shape[1:]) >= 32 else 1
        layers = [nn.Conv2d(shape[0], width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        before, number, total = width, 0, sum(depths)
        for stage, depth in enumerate(depths):
            after = width * 2**stage
            for block in range(depth):
                drop = drop_path * number / max(1, total - 1)
                layers.append(ResidualBlock(before, after, 2 if stage and not block else 1, drop))
                before, number = after, number + 1
        self.maps = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.final_layer = nn.Linear(before, n_outputs)


class FaceCNN(TorchClassifier):
    """Classes from small photographs of faces.

    Photographs may be whole numbers from 0 to 255 and stay so in memory; batches become floating-point, are changed at
    random while training (mirrored, turned, shifted, zoomed, brightened, partly erased) and standardised by mean and
    deviation of the training photographs. No scaler is needed before it.

    Parameters
    ----------
    architecture : {'three_block', 'compact'}
        The published network, or the residual one.
    width : int
        Maps of its first block.
    depths : sequence of int
        Residual blocks of each stage, for ``compact``.
    dropout : float
    drop_path : float
        Random depth, for ``compact``.
    flip, rotation, shift, zoom, brightness, erasing : float
        As :class:`~thymos.nn.images.ImageAugmentation`.
    mirrored : bool
        Predict the mean probabilities of a photograph and its mirror image.
    **training
        As :class:`~thymos.training.estimator.TorchClassifier`; ``monitor='macro_f1'`` by default.

    Attributes
    ----------
    classes_, module_, history_, best_epoch_, selection_, n_parameters_, n_features_in_
        As :class:`~thymos.training.estimator.TorchClassifier`.

    Raises
    ------
    InputError
        From `fit`, if a parameter does not fit or samples are no images.

    Notes
    -----
    Samples have shape (n_samples, 1 or 3, height, width) or (n_samples, height, width). A table counts as images of one
    row. Whole numbers from 0 to 255, of an integer type, are grey values or colours, and floats from 0 to 1 their
    shares; a network that learnt from either takes both, one that learnt from other numbers takes them as they are. Of
    the published network the paper gives three convolutions, a pool and a dense layer; sizes and normalisation are
    those of methods B4.5. The schedule is its own: the rate falls to a tenth (half there) after 7 epochs (5) without a
    lower validation loss, training stops after 12 such epochs, gradients are clipped at 1, and the epoch with the best
    macro F1 is taken.

    References
    ----------
    Hegh et al. (2025), face and physiology with GAN augmentation (card B4 of the methods); K. He et al. (2016), J. Hu
    et al. (2018), G. Huang et al. (2016) for the compact network.
    """

    dtypes = (np.float32, np.uint8)

    def __init__(
        self,
        architecture: str = "three_block",
        width: int = 32,
        depths: tuple[int, ...] = (1, 2, 2),
        dropout: float = 0.3,
        drop_path: float = 0.1,
        flip: float = 0.5,
        rotation: float = 15.0,
        shift: float = 0.1,
        zoom: float = 0.0,
        brightness: float = 0.2,
        erasing: float = 0.2,
        mirrored: bool = False,
        lr: float = 1e-3,
        schedule: str = "plateau",
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int | None = 12,
        monitor: str = "macro_f1",
        **training: Any,
    ):
        super().__init__(
            lr=lr,
            schedule=schedule,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            monitor=monitor,
            **training,
        )
        self.architecture = architecture
        self.width = width
        self.depths = depths
        self.dropout = dropout
        self.drop_path = drop_path
        self.flip = flip
        self.rotation = rotation
        self.shift = shift
        self.zoom = zoom
        self.brightness = brightness
        self.erasing = erasing
        self.mirrored = mirrored

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for images of shape (n_channels, height, width)."""
        self._check_networks()
        changes = ImageAugmentation(self.flip, self.rotation, self.shift, self.zoom, self.brightness, self.erasing)
        n_channels, height, width = shape
        size = n_channels, height, width
        made: _FaceNet
        if self.architecture == "compact":
            made = CompactFaceNet(
                size, n_outputs, self.width, tuple(self.depths), self.dropout, self.drop_path, changes
            )
        else:
            made = ThreeBlockCNN(size, n_outputs, self.width, self.dropout, changes)
        return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub lacks this argument

    def begin(self, module: nn.Module, X: torch.Tensor) -> None:
        """Let a new network learn the scale of the training images."""
        cast(_FaceNet, module).pixels.learn(X)

    def prepare(self, X: np.ndarray, y: Any, validation: Any = None, meta: pd.DataFrame | None = None) -> Prepared:
        """As :meth:`TorchEstimator.prepare`; whole numbers are bytes."""
        X = _bytes(X)
        self.white_ = _white(X)
        return super().prepare(X, y, validation, meta)

    def typed(self, X: Any) -> Any:
        """Return images as numbers that mean the grey values they had in training: bytes are shares of 255."""
        if not isinstance(X, np.ndarray) or X.dtype.kind not in "iuf" or not np.isfinite(X).all():
            return X
        if X.dtype.kind == "f" and (self.white_ != 255 or _white(X) == 1):
            return X
        return as_type("Images", X, np.uint8 if self.white_ else np.float32)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return images of shape (n_samples, n_channels, height, width)."""
        if X.ndim > 4 or (X.ndim == 4 and X.shape[1] not in (1, 3)):
            raise InputError(
                f"Samples of shape {X.shape[1:]} came.", fits="images: (1 or 3, height, width), or (height, width)"
            )
        return X.reshape(len(X), *(1,) * (4 - X.ndim), *X.shape[1:])

    def predictor(self, module: nn.Module) -> nn.Module:
        """Return a trained module with what makes probabilities of its outputs."""
        made = super().predictor(module)
        return Mirrored(made) if self.mirrored else made

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        made = super().predict_proba(X)
        if not self.mirrored:
            return made
        return (made + super().predict_proba(np.asarray(X)[..., ::-1])) / 2

    def features(self, X: np.ndarray) -> np.ndarray:
        """Return what the last layer is given, shape (n_samples, n_features)."""
        return self._outputs(X, "embed").numpy()

    def _check_networks(self) -> None:
        if self.architecture not in ("three_block", "compact"):
            raise InputError(f"architecture={self.architecture!r} came.", fits="three_block or compact")
        check_layers({"width": self.width}, self.dropout)
        if self.architecture == "compact":
            try:
                check_layers({f"depths[{k}]": depth for k, depth in enumerate(self.depths)})
            except TypeError:
                raise InputError(
                    f"depths={self.depths!r} came.", fits="blocks of each stage, such as (1, 2, 2)"
                ) from None
        for name, most in {
            **{"flip": 1.0, "erasing": 1.0, "brightness": 1.0, "shift": 1.0},
            **{"rotation": 180.0, "zoom": 0.9, "drop_path": 0.9},
        }.items():
            check_number(name, getattr(self, name), 0.0, most)


def _white(X: Any) -> int:
    """Return what white is among numbers: 255 of whole ones, 1 of floats from 0 to 1, 0 where that cannot be said."""
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "uf" or not X.size:
        return 0
    return 255 if X.dtype == np.uint8 else int(X.min() >= 0 and X.max() <= 1)


def _bytes(X: Any) -> Any:
    """Return whole numbers from 0 to 255 as bytes, which the network divides by 255, and anything else as it is."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "iu" and X.size and X.min() >= 0 and X.max() <= 255:
        return X.astype(np.uint8, copy=False)
    return X
