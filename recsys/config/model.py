"""What is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import field_validator

from recsys.config.table import Complaint, Table, key

Activation = Literal["relu", "selu", "elu", "gelu", "silu", "tanh", "sigmoid", "linear", "softmax"]


class ModelConfig(Table):
    """The dense autoencoder. The defaults are the paper's model."""

    kind: Literal["dae", "vae", "recvae", "linear"] = key(
        "dae",
        "dae: an autoencoder, denoising with input_dropout; vae: variational, the hidden layers once more behind the "
        "latent ones; recvae: variational, a deep encoder of layers of one width, a decoder of one layer; linear: the "
        "linear path alone",
    )
    hidden: tuple[int, ...] = key((150, 25, 150), "widths of the hidden layers, in order", "units", min_length=1)
    activation: Activation = key("relu", "activation of the hidden layers")
    output_activation: Activation | None = key(
        None, "activation of the output; by default softmax for mse, linear for masked_mse and multinomial"
    )
    loss: Literal["mse", "masked_mse", "multinomial"] = key(
        "mse",
        "mse: squared error over all entries; masked_mse: over rated entries only; "
        "multinomial: log-likelihood of the rated movies under a softmax",
    )
    input_normalisation: Literal["none", "l2", "center", "offset"] = key(
        "none",
        "rating arrays as they enter: as they are; l2: scaled to length 1; center: less the mean of the array's "
        "ratings, then scaled to length 1, and the mean added to the output; offset: as they are, and the mean, drawn "
        "towards 0.7 of the highest rating by five ratings, added to the output",
    )
    input_scale: float = key(
        1.0, "what rating arrays are multiplied by as they enter: with more of it l2 holds the encoder less", gt=0
    )
    input_dropout: float = key(0.0, "part of the input that is dropped in training (denoising)", "fraction", ge=0, lt=1)
    dropout: float = key(0.0, "part of each hidden layer that is dropped in training", "fraction", ge=0, lt=1)
    l2: float = key(0.0, "weight of the squared kernels in the loss", ge=0)
    latent: int = key(200, "vae, recvae: width of the latent layer", "units", ge=1)
    kl_weight: float = key(
        0.2, "vae, recvae: weight of the divergence from the prior in the loss; of recvae for each rating", ge=0
    )
    kl_epochs: float = key(20.0, "vae, recvae: the divergence's weight rises from 0 over this long", "epochs", ge=0)
    linear: Literal["none", "ease"] = key(
        "none",
        "ease: item-item weights in closed form (EASE, EDLAE) from the training users; with another kind than linear "
        "their scores are added to the output of the autoencoder, which is trained without them",
    )
    linear_l2: float = key(500.0, "linear: ridge of every movie", "ratings", gt=0)
    linear_dropout: float = key(
        0.0, "linear: part of the input that the ridge stands for dropping out (EDLAE)", "fraction", ge=0, lt=1
    )
    linear_user_power: float = key(
        0.0, "linear: a user of n ratings counts as n to minus twice this; 0.5 makes users equal", ge=0
    )
    linear_movie_power: float = key(
        0.0, "linear: scores are divided by the movie's number of training ratings to this power"
    )
    linear_weight: float = key(1.0, "linear: weight of its scores beside the autoencoder's output", gt=0)

    @field_validator("hidden")
    @classmethod
    def _widths_are_positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 1 for width in value):
            raise ValueError("every width must be at least 1")
        return value

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if self.loss == "multinomial" and self.output_activation not in (None, "linear"):
            text = "model.loss = 'multinomial' holds the softmax itself: leave model.output_activation out, or 'linear'"
            yield ("model.loss", "model.output_activation"), text
        if self.linear != "none" and self.loss != "multinomial":
            text = f"model.linear = {self.linear!r} scores for a ranking: set model.loss = 'multinomial', or drop it"
            yield ("model.linear", "model.loss"), text
        if self.kind == "linear" and self.linear == "none":
            yield ("model.kind", "model.linear"), "model.kind = 'linear' needs model.linear = 'ease'"
        if self.kind in ("vae", "recvae") and self.loss != "multinomial":
            text = f"model.kind = {self.kind!r} is for likes: set model.loss = 'multinomial', or model.kind = 'dae'"
            yield ("model.kind", "model.loss"), text
        if self.kind == "recvae" and len(set(self.hidden)) > 1:
            text = "model.kind = 'recvae' adds up its hidden layers: give all of model.hidden one width"
            yield ("model.kind", "model.hidden"), text

    @property
    def resolved_output_activation(self) -> str:
        """The output's activation, with the loss's own default."""
        return self.output_activation or ("softmax" if self.loss == "mse" else "linear")
