"""A process loads each encoder once on each device, and holds a bounded number of them."""

import threading

import pytest

from bert_spark.encoding import encoder_cache
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ModelError, SetupError


@pytest.fixture(autouse=True)
def fresh_cache():
    encoder_cache.clear_encoders()
    yield
    encoder_cache.clear_encoders()


@pytest.fixture
def loads(monkeypatch):
    """Replace the loading by a list of what was loaded: (max_length, device)."""
    made = []

    def load(config, device):
        made.append((config.max_length, device))
        return (config.max_length, device)

    monkeypatch.setattr(encoder_cache, "load_model", load)
    monkeypatch.setattr(encoder_cache, "BertEncoder", lambda loaded, config: [loaded, config])
    return made


def test_equal_settings_share_one_encoder(loads):
    first = encoder_cache.get_encoder(EncoderConfig(max_length=7), "cpu")
    assert encoder_cache.get_encoder(EncoderConfig(max_length=7), "cpu") is first
    assert loads == [(7, "cpu")]


def test_a_thousand_calls_load_once_and_the_count_says_so(loads):
    before = encoder_cache.model_loads()
    for _ in range(1000):
        encoder_cache.get_encoder(EncoderConfig(), "cpu")
    assert encoder_cache.model_loads() - before == 1


def test_other_settings_are_another_encoder_and_two_stay(loads):
    one, two = EncoderConfig(max_length=1), EncoderConfig(max_length=2)
    for _ in range(3):
        encoder_cache.get_encoder(one, "cpu")
        encoder_cache.get_encoder(two, "cpu")
    assert loads == [(1, "cpu"), (2, "cpu")]


def test_the_third_takes_the_place_of_the_one_not_used_for_longest(loads):
    one, two, three = (EncoderConfig(max_length=n) for n in (1, 2, 3))
    for config in (one, two, one, three, one, two):
        encoder_cache.get_encoder(config, "cpu")
    assert [length for length, _ in loads] == [1, 2, 3, 2]


def test_a_process_that_alternates_between_devices_loads_once_on_each(loads):
    """Spark hands one worker process tasks of different GPUs in turn."""
    for device in ("cuda:0", "cuda:1", "cuda:2") * 3:
        encoder_cache.get_encoder(EncoderConfig(max_length=1), device)
    assert loads == [(1, "cuda:0"), (1, "cuda:1"), (1, "cuda:2")]


def test_a_third_encoder_on_one_device_leaves_the_other_devices_alone(loads):
    encoder_cache.get_encoder(EncoderConfig(max_length=1), "cuda:1")
    for length in (1, 2, 3):
        encoder_cache.get_encoder(EncoderConfig(max_length=length), "cuda:0")
    held = [(config.max_length, device) for config, device in encoder_cache._encoders]
    assert held == [(1, "cuda:1"), (2, "cuda:0"), (3, "cuda:0")]


def test_the_old_encoder_is_gone_before_the_new_one_is_loaded(loads, monkeypatch):
    """Three models do not fit where two do."""
    held = []
    monkeypatch.setattr(encoder_cache, "load_model", lambda config, device: held.append(len(encoder_cache._encoders)))
    for length in (1, 2, 3):
        encoder_cache.get_encoder(EncoderConfig(max_length=length), "cuda:0")
    assert held == [0, 1, 1]


def test_the_device_is_the_one_this_process_owns(loads, monkeypatch):
    monkeypatch.setattr(encoder_cache, "pick_device", lambda wanted: f"picked for {wanted}")
    encoder_cache.get_encoder(EncoderConfig(device="cuda"))
    assert loads == [(60, "picked for cuda")]


def test_a_failed_load_is_tried_again(loads, monkeypatch):
    working = encoder_cache.load_model

    def broken(config, device):
        raise ModelError("broken")

    monkeypatch.setattr(encoder_cache, "load_model", broken)
    with pytest.raises(ModelError, match="broken"):
        encoder_cache.get_encoder(EncoderConfig(), "cpu")
    monkeypatch.setattr(encoder_cache, "load_model", working)
    assert encoder_cache.get_encoder(EncoderConfig(), "cpu")[0] == (60, "cpu")


def test_threads_that_start_together_load_once(loads, monkeypatch):
    start = threading.Barrier(8)
    working = encoder_cache.load_model

    def slow(config, device):
        threading.Event().wait(0.05)
        return working(config, device)

    monkeypatch.setattr(encoder_cache, "load_model", slow)

    def run():
        start.wait()
        encoder_cache.get_encoder(EncoderConfig(), "cpu")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [(60, "cpu")]


def test_clear_drops_every_encoder(loads):
    encoder_cache.get_encoder(EncoderConfig(), "cpu")
    encoder_cache.clear_encoders()
    encoder_cache.get_encoder(EncoderConfig(), "cpu")
    assert len(loads) == 2


def test_a_real_encoder_comes_out(tiny_bert):
    encoder = encoder_cache.get_encoder(EncoderConfig(model=str(tiny_bert), device="cpu"))
    assert encoder.encode(["hello"]).shape == (1, 32)
    assert encoder.loaded.device == "cpu"


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_loaded(loads, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SetupError, match="torch sees no GPU here"):
        encoder_cache.get_encoder(EncoderConfig(device="cuda"))
    assert loads == []
