"""On a GPU the next window runs, and the one after it is tokenised, while the caller uses the last one. Fakes."""

import threading

import pytest

from tests.support.fakes import FakeModel, FakeTokenizer, fake_encoder


def test_the_next_window_is_tokenised_while_the_model_runs():
    second_is_tokenised = threading.Event()

    class Tokenizer(FakeTokenizer):
        def __call__(self, texts, **options):
            if "w20" in texts:
                second_is_tokenised.set()
            return super().__call__(texts, **options)

    class Model(FakeModel):
        def forward(self, input_ids, attention_mask):
            if 10 in input_ids:
                assert second_is_tokenised.wait(10), "the second window was not tokenised while the first ran"
            return super().forward(input_ids, attention_mask)

    encoder = fake_encoder(Model(), Tokenizer(), window_rows=1, pooling="max")
    encoder.lookahead = True  # as on a GPU
    assert encoder.encode(["w10", "w20", "w30"])[:, 1].tolist() == [10, 20, 30]


def test_the_next_window_runs_while_the_caller_uses_the_last_one():
    second_runs = threading.Event()

    class Model(FakeModel):
        def forward(self, input_ids, attention_mask):
            if 20 in input_ids:
                second_runs.set()
            return super().forward(input_ids, attention_mask)

    encoder = fake_encoder(Model(), pooling="max")
    encoder.lookahead = True
    results = encoder.encode_windows([word] for word in ("w10", "w20", "w30"))
    assert next(results).vectors[0, 1] == 10
    assert second_runs.wait(10), "the second window did not run before it was asked for"
    assert [result.vectors[0, 1] for result in results] == [20, 30]


def test_an_error_in_the_tokenising_thread_is_raised():
    encoder = fake_encoder(window_rows=1)
    encoder.lookahead = True
    encoder.text_tokenizer.tokenizer = None
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        encoder.encode(["w10", "w20"])


def test_on_a_cpu_windows_are_read_one_at_a_time():
    requested = []
    encoder = fake_encoder()
    results = encoder.encode_windows(requested.append(row) or ["w10"] for row in range(3))
    next(results)
    assert requested == [0]
