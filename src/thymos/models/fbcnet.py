"""FBCNet: a filter bank, filters over space for each band, and the variance over time (Mane et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.models.convnets import ConvNetClassifier
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.convolution import BoundedConv1d, BoundedLinear

__all__ = ["BANDS", "FBCNet", "FBCNetClassifier", "FilterBank"]

#: The published bands in Hz: 4 to 40 Hz in steps of 4 Hz.
BANDS = tuple((float(low), float(low + 4)) for low in range(4, 40, 4))


class FilterBank(nn.Module):
    """Band-pass filters without phase, computed on the spectrum; nothing in it is trained.

    A filter passes its band in full and falls to 0 within `slope` on either side, as the square of a cosine. The
    window is mirrored at its end first, which makes it periodic without a step.

    Parameters
    ----------
    n_times : int
        Length of the windows.
    sfreq : float
        Sampling rate in Hz.
    bands : sequence of (low, high)
        Limits in Hz.
    slope : float
        Width of the transition in Hz.
    """

    gain: torch.Tensor

    def __init__(self, n_times: int, sfreq: float, bands: Sequence[tuple[float, float]] = BANDS, slope: float = 2.0):
        super().__init__()
        low, high = torch.tensor(bands, dtype=torch.float64)[:, :, None].unbind(1)
        hz = torch.fft.rfftfreq(2 * n_times, 1 / sfreq, dtype=torch.float64)
        outside = torch.maximum(low - hz, hz - high).clamp(0, slope) / slope  # 0 in the band, 1 beyond the slopes
        self.register_buffer("gain", (outside * torch.pi / 2).cos().square().float(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_bands, n_channels, n_times) of `x`, shape (batch, n_channels, n_times)."""
        # real and imaginary parts on an axis of their own: ONNX has no complex numbers
        spectrum = torch.view_as_real(torch.fft.rfft(torch.cat([x, x.flip(-1)], dim=-1)))
        passed = torch.view_as_complex(spectrum[:, None] * self.gain[:, None, :, None])
        return torch.fft.irfft(passed, n=2 * x.shape[-1])[..., : x.shape[-1]]


class FBCNet(nn.Module):
    """A filter bank, filters over space for each band, swish, and log variances of stretches of the window.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    sfreq : float
        Sampling rate in Hz.
    bands : sequence of (low, high)
        Limits of the bands in Hz.
    spatial : int
        Filters over space for each band.
    stretches : int
        Parts of the window whose variances are read; fewer where a part would have less than two samples.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        sfreq: float,
        bands: Sequence[tuple[float, float]] = BANDS,
        spatial: int = 32,
        stretches: int = 4,
    ):
        super().__init__()
        width = len(bands) * spatial
        self.stretches = max(1, min(stretches, n_times // 2))
        self.bank = FilterBank(n_times, sfreq, bands)
        self.space = BoundedConv1d(len(bands) * n_channels, width, 1, groups=len(bands), bias=False, max_norm=2.0)
        self.norm = BatchNorm(width)
        self.swish = nn.SiLU()
        self.final_layer = BoundedLinear(width * self.stretches, n_outputs, max_norm=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        y = self.swish(self.norm(self.space(self.bank(x).flatten(1, 2))))  # (batch, bands * spatial, times)
        size = y.shape[-1] // self.stretches
        parts = y[..., : size * self.stretches].unflatten(-1, (self.stretches, size))
        return self.final_layer(parts.var(dim=-1, correction=0).clamp(1e-6, 1e6).log().flatten(1))


class FBCNetClassifier(ConvNetClassifier):
    """Classes from the log variance of learnt places in fixed bands (FBCNet; Mane et al. 2021).

    Nine bands of 4 Hz from 4 to 40 Hz, 32 filters over space for each (norm 2 at most), batch normalisation, swish, the
    log variance of four parts of the window, and a dense layer (norm 0.5 at most). A remainder of samples at the end of
    the window is left out, and windows of fewer than eight samples have fewer parts, so that any length will do.

    Parameters
    ----------
    bands : sequence of (low, high) or mapping of str to (low, high), optional
        Limits of the bands in Hz; the published ones by default.
    spatial : int
        Filters over space for each band.
    stretches : int
        Parts of the window whose variances are read.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`; `sfreq` is needed.

    Raises
    ------
    InputError
        From `fit`, if `sfreq` is unknown, if a band is not within 0 Hz and half of it, or if another parameter is
        impossible.

    Notes
    -----
    The authors filter recordings with Chebyshev filters of the second kind, 2 Hz wide in transition, before they cut
    windows. Here the network filters each window, without phase and with slopes as wide, so that it takes raw windows
    as any other; a band is then no narrower than windows of that length can tell. The bias of the filters over space is
    left out, because batch normalisation takes it away again.

    References
    ----------
    R. Mane et al. (2021), FBCNet: a multi-view convolutional neural network for brain-computer interface,
    arXiv:2104.01233, Section II; widths and bounds are those of the authors' programme.
    """

    def __init__(
        self,
        bands: Sequence[tuple[float, float]] | Mapping[str, tuple[float, float]] | None = None,
        spatial: int = 32,
        stretches: int = 4,
        **training: Any,
    ):
        super().__init__(**training)
        self.bands = bands
        self.spatial = spatial
        self.stretches = stretches

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for windows of shape (n_channels, n_times)."""
        self._check("spatial", "stretches")
        if self.sfreq is None:
            raise InputError("FBCNet has bands in Hz and was given no sampling rate.", fits="sfreq in Hz")
        n_channels, n_times = shape
        return FBCNet(n_channels, n_times, n_outputs, self._rate(), self._limits(), self.spatial, self.stretches)

    def _limits(self) -> list[tuple[float, float]]:
        """Return the bands in Hz, or say what is wrong with them."""
        given = BANDS if self.bands is None else self.bands
        try:
            limits = np.array(list(given.values() if isinstance(given, Mapping) else given), dtype=float)
        except (TypeError, ValueError):
            limits = np.empty(0)
        if limits.ndim != 2 or limits.shape[1:] != (2,) or not len(limits):
            raise InputError(f"bands={given!r} came.", fits="one or more pairs (low, high) in Hz")
        half = self._rate() / 2
        for low, high in limits:
            if not 0 <= low < high <= half:
                raise InputError(
                    f"The band {low:g} to {high:g} Hz came.",
                    fits=f"0 <= low < high <= {half:g} Hz, half the sampling rate",
                    do="choose other bands or keep a higher rate",
                )
        return [(float(low), float(high)) for low, high in limits]
