"""The settings of autoencoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from recsys.config.model import ModelConfig
from recsys.config.ranges import Choices, Range, Space
from recsys.config.table import Complaint, key
from recsys.errors import ConfigError
from recsys.registries import loss_named

Activation = Literal["relu", "selu", "elu", "gelu", "silu", "tanh", "sigmoid", "linear", "softmax"]

_BESIDE = "set model.kind = 'sum', with the tables [model.first] and [model.second]: there it is model.second"
_LINEAR_BESIDE = {
    "linear": f"{_BESIDE}.kind = 'linear'",
    "linear_l2": f"{_BESIDE}.l2",
    "linear_dropout": f"{_BESIDE}.dropout",
    "linear_user_power": f"{_BESIDE}.user_power",
    "linear_movie_power": f"{_BESIDE}.movie_power",
    "linear_weight": "set model.kind = 'sum': there it is model.second_weight",
}


class WithLoss(ModelConfig):
    """A table with a loss, which may be a registered one or package.module:Class."""

    loss: str = key(
        "mse",
        "mse: squared error over all entries; masked_mse: over rated entries only; "
        "multinomial: log-likelihood of the rated movies under a softmax; or package.module:Class",
    )

    @field_validator("loss")
    @classmethod
    def _loss_is_registered(cls, value: str) -> str:
        try:
            loss_named(value)
        except ConfigError as error:
            raise ValueError(str(error).partition(": ")[2]) from None
        return value


# as Adam's steps are
LEARNING: Mapping[str, Range | Choices] = {
    "training.learning_rate": Range(low=1e-4, high=1e-2, scale="log"),
    "training.batch_size": Range(low=8, high=512, scale="log", type="int"),
}


class AutoencoderConfig(WithLoss):
    """What all autoencoders have. The defaults are the paper's model."""

    search: ClassVar[Mapping[str, Range | Choices]] = {
        "model.hidden": Choices(choices=((150, 25, 150), (100,), (200,), (300,), (400,), (500,), (600,))),
        "model.input_dropout": Range(low=0, high=0.8),
        "model.dropout": Range(low=0, high=0.6),
        "model.l2": Range(low=1e-7, high=1e-2, scale="log"),
        **LEARNING,
    }

    hidden: tuple[int, ...] = key((150, 25, 150), "widths of the hidden layers, in order", "units", min_length=1)
    activation: Activation = key("relu", "activation of the hidden layers")
    output_activation: Activation | None = key(
        None, "activation of the output; by default softmax for mse, linear for masked_mse and multinomial"
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
    input_dropout: float = key(0.0, "fraction of the input dropped in training (denoising)", "fraction", ge=0, lt=1)
    dropout: float = key(0.0, "fraction of each hidden layer dropped in training", "fraction", ge=0, lt=1)
    l2: float = key(0.0, "weight of the squared kernels in the loss", ge=0)

    renamed: ClassVar[Mapping[str, str]] = _LINEAR_BESIDE

    @field_validator("hidden")
    @classmethod
    def _widths_are_positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 1 for width in value):
            raise ValueError("every width must be at least 1")
        return value

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        allowed = loss_named(self.loss).activations
        if allowed is not None and self.output_activation not in (None, *allowed):
            names = " or ".join(repr(name) for name in allowed)
            text = f"model.loss = {self.loss!r} has its own activation: leave model.output_activation out, or {names}"
            yield ("model.loss", "model.output_activation"), text

    def complaints_with(self, config: Any) -> Iterator[Complaint]:
        """The impossible combinations with keys of other tables."""
        orientation, activation = config.data.orientation, self.resolved_output_activation
        # where the loss does not go with it either, that is said of the loss
        if orientation == "movie" and orientation in loss_named(self.loss).orientations and activation != "linear":
            text = (
                f"model.output_activation = {activation!r} does not go with data.orientation = "
                "'movie', where users are fitted by linear regression: leave it out, or set 'linear'"
            )
            yield ("model.output_activation", "data.orientation"), text

    def search_space(self) -> Space:
        """Also the scale of the input where one is set."""
        scaled = {"model.input_scale": Range(low=1, high=100, scale="log")} if self.input_scale != 1 else {}
        return {**self.search, **scaled}

    @property
    def resolved_output_activation(self) -> str:
        """The output's activation, with the loss's own default."""
        return self.output_activation or loss_named(self.loss).default_activation

    @property
    def shifted(self) -> bool:
        """Whether a row's offset is added to its outputs."""
        return self.input_normalisation in ("center", "offset")


class DaeConfig(AutoencoderConfig):
    """kind = "dae": a dense autoencoder, denoising with input_dropout."""

    kind: str = key("dae", "dae: a dense autoencoder, denoising with input_dropout")


class LikesConfig(AutoencoderConfig):
    """What variational autoencoders have beside the rest; they are for likes."""

    loss: str = key("multinomial", "multinomial: log-likelihood of the rated movies under a softmax")
    latent: int = key(200, "width of the latent layer", "units", ge=1)
    kl_weight: float = key(0.2, "weight of the divergence from the prior in the loss; of recvae for each rating", ge=0)
    kl_epochs: float = key(20.0, "the divergence's weight rises from 0 over this long", "epochs", ge=0)


class VaeConfig(LikesConfig):
    """kind = "vae": Mult-VAE, the hidden layers once more behind the latent ones."""

    search: ClassVar[Mapping[str, Range | Choices]] = {
        "model.hidden": Choices(choices=((200,), (300,), (400,), (600,), (800,))),
        "model.latent": Range(low=50, high=500, scale="log", type="int"),
        "model.kl_weight": Range(low=0.01, high=1, scale="log"),
        "model.kl_epochs": Range(low=0, high=60),
        "model.input_dropout": Range(low=0, high=0.8),
        **LEARNING,
    }

    kind: str = key("vae", "vae: a variational autoencoder, the hidden layers once more behind the latent ones")


class RecVaeConfig(LikesConfig):
    """kind = "recvae": a deep encoder of layers of one width, a decoder of one layer."""

    # widths and depths about those of the paper, whose weight of the divergence is 0.005
    search: ClassVar[Mapping[str, Range | Choices]] = {
        "model.hidden": Choices(choices=tuple((width,) * depth for depth in (2, 3, 5) for width in (200, 400, 600))),
        "model.latent": Range(low=50, high=500, scale="log", type="int"),
        "model.kl_weight": Range(low=5e-4, high=0.5, scale="log"),
        "model.input_dropout": Range(low=0, high=0.8),
        "model.dropout": Range(low=0, high=0.5),
        **LEARNING,
    }

    kind: str = key("recvae", "recvae: a variational autoencoder with a deep encoder and a decoder of one layer")
    hidden: tuple[int, ...] = key(
        (600, 600, 600, 600, 600), "widths of the hidden layers, all the same", "units", min_length=1
    )

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        yield from super().complaints()
        if len(set(self.hidden)) > 1:
            text = "model.kind = 'recvae' adds up its hidden layers: give all of model.hidden one width"
            yield ("model.kind", "model.hidden"), text
