"""Fakes with known answers: a tokenizer of words, and a model whose state at position t is (t, id of token t)."""

from types import SimpleNamespace

import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import LoadedModel

PAD, CLS, SEP, UNK = 0, 1, 2, 3


class FakeTokenizer:
    """Word "w7" has the id 7, and any other word is unknown. [CLS] comes first and [SEP] last. Records its calls."""

    unk_token_id = UNK
    pad_token_id = PAD

    def __init__(self, truncation_side="right"):
        self.truncation_side = truncation_side
        self.calls = []

    def __call__(self, texts, add_special_tokens=True, **options):
        self.calls.append(texts)
        if isinstance(texts, str):
            return {"input_ids": self.ids(texts, add_special_tokens)}
        assert type(texts) is list
        return {"input_ids": [self.ids(text, add_special_tokens) for text in texts]}

    def ids(self, text, special):
        words = [int(word[1:]) if word[:1] == "w" and word[1:].isdigit() else UNK for word in text.split()]
        return [CLS, *words, SEP] if special else words


class Output(tuple):
    """Output of a transformers model: a tuple that also has names."""

    pooler_output = None


class FakeModel(torch.nn.Module):
    """State at position t is (t, id of the token at t). Records the shape of each call.

    Parameters
    ----------
    positions
        Number of positions in the model's config.
    fits
        Padded tokens of the largest batch that does not run out of memory.
    half_breaks
        Token id whose text is infinite in half precision.
    always_breaks
        Token id whose text is not a number in any precision.
    """

    def __init__(self, positions=64, fits=10**9, half_breaks=-1, always_breaks=-1):
        super().__init__()
        self.config = SimpleNamespace(max_position_embeddings=positions, hidden_size=2)
        self.fits, self.half_breaks, self.always_breaks = fits, half_breaks, always_breaks
        self.shapes = []
        self.modes = set()
        self.eval()

    def forward(self, input_ids, attention_mask):
        if input_ids.numel() > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        self.shapes.append(tuple(input_ids.shape))
        half = torch.is_autocast_enabled("cpu")
        self.modes.add((self.training, torch.is_inference_mode_enabled(), half))
        positions = torch.arange(input_ids.shape[1]).expand(input_ids.shape)
        states = torch.stack([positions, input_ids], dim=-1).to(torch.float32)
        if half:
            states = states.to(torch.get_autocast_dtype("cpu"))
            states[(input_ids == self.half_breaks).any(dim=1)] = torch.inf
        states[(input_ids == self.always_breaks).any(dim=1), :, 1] = torch.nan
        return Output((states,))


def fake_encoder(model=None, tokenizer=None, **settings):
    """Return a BertEncoder over fakes. The recorded calls of its constructor are cleared."""
    model = model or FakeModel()
    encoder = BertEncoder(LoadedModel(model, tokenizer or FakeTokenizer(), "cpu", "fake"), EncoderConfig(**settings))
    model.shapes.clear()
    model.modes.clear()
    return encoder


def words(count, first=10):
    """Return a text of `count` known words. Its ids start at `first`."""
    return " ".join(f"w{first + i}" for i in range(count))


def first_ids(ids, mask):
    """Embed a batch: the vector of a row is the id of its first token."""
    return ids[:, :1].float()
