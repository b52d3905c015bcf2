"""The families of autoencoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.kernels.architecture import Architecture
from recsys.models.autoencoder.kernels.engine import plan_for
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers, VariationalLayers
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.recvae import RecVaeLayers
from recsys.models.autoencoder.scorer import AutoencoderScorer
from recsys.models.autoencoder.start import first_weights
from recsys.models.base import MemoryNeeds, ModelFamily, Support
from recsys.models.exchange import save_keras
from recsys.models.files import read_scorer, write_scorer

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData


class Autoencoder(ModelFamily):
    """A dense autoencoder with its weights, as Keras has them (float32 arrays in the order of the layers)."""

    architecture: ClassVar[Architecture]

    def __init__(
        self, config: AutoencoderConfig, preprocessing: Preprocessing, columns: int, weights: list[np.ndarray]
    ):
        self.config: AutoencoderConfig = config
        self.preprocessing, self.columns, self.weights = preprocessing, columns, weights

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        settings, model = data.config.training, data.config.model
        assert isinstance(model, AutoencoderConfig)

        def of_weights(weights: list[np.ndarray]) -> Autoencoder:
            return cls(model, data.preprocessing, data.columns, weights)

        if settings.strategy == "elephas":
            from recsys.training.elephas.trainer import ElephasTrainer  # late: it imports TensorFlow

            network = cls.architecture.build(data.columns, model, data.config.seed)
            return ElephasTrainer(data, network, data.loss, of_weights)
        from recsys.training.kernels import compiles
        from recsys.training.local_sgd.trainer import LocalSgdTrainer

        start = first_weights(cls.architecture, model, data.columns, data.config.seed)
        plan = plan_for(
            cls.architecture,
            model,
            data.columns,
            data.density,
            settings.batch_size,
            settings.sampled_items,
            data.loss,
            compiles(settings.kernels),
        )
        return LocalSgdTrainer(data, plan, plan.layout.from_keras(start), of_weights)

    def scorer(self) -> AutoencoderScorer:
        layout = Layout(self.columns, self.config, self.architecture)
        return AutoencoderScorer(layout, self.weights, self.preprocessing)

    def keras_model(self) -> Any:
        """The model in Keras, with these weights."""
        from recsys.tensorflow_env import quiet_keras

        quiet_keras()
        model = self.architecture.build(self.columns, self.config, 0)
        model.set_weights([np.asarray(array) for array in self.weights])
        return model

    def save(self, folder: Path) -> None:
        save_keras(folder, self.keras_model())
        arrays = {f"{number:03d}": array for number, array in enumerate(self.weights)}
        write_scorer(folder, self.config, self.preprocessing, arrays, columns=self.columns)

    @classmethod
    def load(cls, folder: Path) -> Autoencoder:
        saved = read_scorer(folder)
        config = cls.Config.model_validate(saved.config)
        assert isinstance(config, AutoencoderConfig)
        weights = [saved.arrays[name] for name in sorted(saved.arrays)]
        return cls(config, saved.preprocessing, saved.facts["columns"], weights)

    @classmethod
    def memory(cls, config: ModelConfig, columns: int) -> MemoryNeeds:
        assert isinstance(config, AutoencoderConfig)
        return MemoryNeeds(4 * Layout(columns, config, cls.architecture).size)


class DenoisingAutoencoder(Autoencoder):
    """The paper's autoencoder and its variations: AutoRec, Mult-DAE."""

    Config = DaeConfig
    supports = Support(
        strategies=("local_sgd", "elephas"), orientations=("user", "movie"), weights=True, kernels=("numpy", "numba")
    )
    architecture = DenseLayers()


class VariationalAutoencoder(Autoencoder):
    """Mult-VAE (Liang et al. 2018). Its divergence is no part of the Keras model, so that Elephas cannot train it."""

    Config = VaeConfig
    supports = Support(losses=("multinomial",), weights=True, kernels=("numpy", "numba"))
    architecture = VariationalLayers()


class RecVae(Autoencoder):
    """RecVAE (Shenbin et al. 2020). Its divergence is no part of the Keras model, so that Elephas cannot train it."""

    Config = RecVaeConfig
    supports = Support(losses=("multinomial",), weights=True, kernels=("numpy", "numba"))
    architecture = RecVaeLayers()
