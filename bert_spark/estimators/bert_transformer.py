"""Embed texts with BERT as a scikit-learn transformer. Holds settings only, and no weights unless a model is passed."""

from __future__ import annotations

import copy
import inspect
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bert_spark.encoding.config import DEFAULT_MODEL, EncoderConfig
from bert_spark.encoding.live_kinds import is_sentence_transformer
from bert_spark.encoding.pooling import MODEL_POOLING
from bert_spark.encoding.text_validation import check_texts
from bert_spark.errors import ConfigError
from bert_spark.estimators.text_input import TextInputMixin
from bert_spark.estimators.vector_store import encode_with_store
from bert_spark.memory import check_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from bert_spark.encoding.encoder import BertEncoder
    from bert_spark.estimators.precomputed import TextEncoder


class BertTransformer(TextInputMixin):
    """Embed texts with BERT inside a scikit-learn Pipeline or FeatureUnion.

    Parameters
    ----------
    tokenizer
        A live transformers tokenizer, together with a live `model`; None when `model` is a name.
    model
        Name on the hub, local folder, "packaged:minilm-l6", a live transformers model, or a live SentenceTransformer,
        which brings its own tokenizer. A pickle holds only the name of a named model. A live model is part of the
        pickle, on the CPU. Of a live model with a head, such as a classifier, the model below the head is used.
    max_length
        Tokens read from each text, including special tokens. None is 60, or with pooling "model" the length in the
        model's own recipe.
    embedding_func
        Callable on the model's output in place of `pooling`, e.g. ``lambda x: x[0][:, 0, :]``. It never sees padding,
        unless it does not return one row of fixed width per text. Then it runs on each text alone, padded to
        max_length.
    pooling
        As in `EncoderConfig`. None is "cls", and "model", the model's own recipe, for a SentenceTransformer.
    revision, normalize, dimensions, prompt, precision, engine, token_budget, clean, long_text, device
        As in `EncoderConfig`. `fit` resolves `precision="auto"`, and a fitted transformer keeps that precision on
        every machine.
    missing
        "error" refuses None, NaN and pd.NA and names the row. "empty" treats them as "".
    memory
        Folder that stores vectors. A grid search then runs BERT only once for each text and setting.
    encoder
        An object that embeds texts elsewhere, e.g. ``SparkEncoder()``. None embeds them in this process.

    Attributes
    ----------
    n_features_out_
        Numbers in one vector.
    precision_
        Number format of the computation, never "auto".

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import LinearSVC
    >>> model = make_pipeline(BertTransformer(), LinearSVC(C=1.0, class_weight="balanced"))
    """

    def __init__(
        self,
        tokenizer: Any = None,
        model: Any = DEFAULT_MODEL,
        max_length: int | None = None,
        embedding_func: Callable[..., Any] | None = None,
        *,
        revision: str | None = None,
        pooling: str | None = None,
        normalize: bool = False,
        dimensions: int | None = None,
        prompt: str | None = None,
        precision: str = "float32",
        engine: str = "torch",
        token_budget: int = 0,
        clean: str = "off",
        long_text: str = "truncate",
        device: str = "auto",
        missing: str = "error",
        memory: str | None = None,
        encoder: TextEncoder | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.model = model
        self.max_length = max_length
        self.embedding_func = embedding_func
        self.revision = revision
        self.pooling = pooling
        self.normalize = normalize
        self.dimensions = dimensions
        self.prompt = prompt
        self.precision = precision
        self.engine = engine
        self.token_budget = token_budget
        self.clean = clean
        self.long_text = long_text
        self.device = device
        self.missing = missing
        self.memory = memory
        self.encoder = encoder

    @classmethod
    def from_config(cls, config: EncoderConfig) -> BertTransformer:
        """Return a transformer with the settings of `config`."""
        names = cls._get_param_names()
        chosen = {**config.settings(), "embedding_func": config.embedding_func}
        return cls(**{name: value for name, value in chosen.items() if name in names})

    @property
    def config(self) -> EncoderConfig:
        """The encoder's settings. For live objects the model is their own name, or "live"."""
        model = self.model if isinstance(self.model, str) else getattr(self.model, "name_or_path", "") or "live"
        default_pooling = MODEL_POOLING if is_sentence_transformer(self.model) and not self.embedding_func else "cls"
        return EncoderConfig(
            model=model,
            revision=self.revision,
            max_length=self.max_length,
            pooling=self.pooling or default_pooling,
            normalize=self.normalize,
            dimensions=self.dimensions,
            prompt=self.prompt,
            precision=getattr(self, "precision_", "auto") if self.precision == "auto" else self.precision,
            engine=self.engine,
            token_budget=self.token_budget,
            clean=self.clean,
            long_text=self.long_text,
            device=self.device,
            embedding_func=self.embedding_func,
        )

    def fit(self, X: Any, y: Any = None) -> BertTransformer:
        """Check the texts and settings. BERT itself is not trained.

        Raises
        ------
        TextError
            If a text is missing or is not a str.
        ConfigError
            If a setting is not valid.
        """
        check_texts(X, self.missing)
        self._check_memory()
        self.precision_ = EncoderConfig(precision=self.precision, engine=self.engine, device=self.device).precision
        self.n_features_out_ = self.encoder.width(self.config) if self.encoder else self._local_encoder().width
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the embeddings of texts: float32, shape (n_texts, n_features_out_).

        Parameters
        ----------
        X
            List, tuple, array, Series, one-column frame or Arrow array of n_texts str.

        Raises
        ------
        TextError
            If a text is missing or is not a str.
        DataError
            If the result does not fit into memory.
        """
        texts = check_texts(X, self.missing)
        self._check_memory()
        if self.encoder is not None:
            return self.encoder.encode(texts, self.config)
        local = self._local_encoder()
        check_fits(len(texts), local.width, copies=2)  # the vectors of each window, and the concatenated matrix
        if self.memory is None or not texts:
            return local.encode(texts)
        return encode_with_store(texts, local.fingerprint, self.memory, local.encode)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns: bert0, bert1, ..."""
        check_is_fitted(self, "n_features_out_")
        return np.array([f"bert{i}" for i in range(self.n_features_out_)], dtype=object)

    def _check_memory(self) -> None:
        if self.memory is None:
            return
        if not isinstance(self.memory, str | os.PathLike):
            raise ConfigError(f"memory={self.memory!r} is a {type(self.memory).__name__}; expected a folder, or None")
        if not isinstance(self.model, str):
            raise ConfigError("memory needs a model by name, whose content has a fingerprint; got a live model")

    def _local_encoder(self) -> BertEncoder:
        is_own = is_sentence_transformer(self.model)
        if isinstance(self.model, str) and self.tokenizer is None:
            from bert_spark.encoding.encoder_cache import get_encoder

            return get_encoder(self.config)
        if isinstance(self.model, str) or (self.tokenizer is None) != is_own:
            raise ConfigError(
                "got one of tokenizer and model as an object; pass both live, or a model's name alone"
                if not is_own
                else "got a tokenizer with a SentenceTransformer, which has its own; leave the tokenizer out"
            )
        key = (self.config, id(self.model), id(self.tokenizer), self.embedding_func)
        if self.__dict__.get("_live_encoder", (None, None))[0] != key:
            self._live_encoder = (key, self._encoder_of_live_model())
        encoder: BertEncoder = self._live_encoder[1]
        return encoder

    def _encoder_of_live_model(self) -> BertEncoder:
        from bert_spark.encoding.encoder import BertEncoder
        from bert_spark.encoding.live_model import from_live_objects, from_sentence_transformer

        if is_sentence_transformer(self.model):
            return BertEncoder(from_sentence_transformer(self.model), self.config)
        keep_head = self.embedding_func is not None
        return BertEncoder(from_live_objects(self.tokenizer, self.model, keep_head=keep_head), self.config)

    def __sklearn_clone__(self) -> BertTransformer:
        """Return an unfitted clone that shares a live model and encoder. They are not fitted, so they need no copy."""
        clone = type(self)(**self.get_params(deep=False))
        if hasattr(self, "_sklearn_output_config"):
            clone._sklearn_output_config = dict(self._sklearn_output_config)
        return clone

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_live_encoder", None)
        if str(getattr(self.model, "device", "cpu")) != "cpu":  # a machine without a GPU can load it
            state["model"] = copy.deepcopy(self.model).cpu()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle or an artefact. Settings that are newer than it get their default."""
        parameters = inspect.signature(type(self)).parameters
        super().__setstate__({name: one.default for name, one in parameters.items()} | state)
