"""A process loads each encoder once on each device, and keeps a bounded number of them."""

import threading

import pytest

from bert_spark.encoding import encoder_cache
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import FingerprintError, ModelError, SetupError
from tests.support.tiny_models import negate_words


@pytest.fixture(autouse=True)
def fresh_cache():
    encoder_cache.clear_encoders()
    yield
    encoder_cache.clear_encoders()


@pytest.fixture
def loads(monkeypatch):
    """Return the list of loaded models, (max_length, device). No model is really loaded."""
    loaded_models = []

    def load(config, device):
        loaded_models.append((config.max_length, device))
        return (config.max_length, device)

    monkeypatch.setattr(encoder_cache, "load_model", load)
    monkeypatch.setattr(encoder_cache, "BertEncoder", lambda loaded, config: [loaded, config])
    return loaded_models


def test_equal_settings_share_one_encoder(loads):
    first = encoder_cache.get_encoder(EncoderConfig(max_length=7), "cpu")
    assert encoder_cache.get_encoder(EncoderConfig(max_length=7), "cpu") is first
    assert loads == [(7, "cpu")]


def test_a_thousand_calls_load_the_model_once(loads):
    before = encoder_cache.model_loads()
    for _ in range(1000):
        encoder_cache.get_encoder(EncoderConfig(), "cpu")
    assert encoder_cache.model_loads() - before == 1


def test_two_encoders_per_device_are_kept(loads):
    one, two = EncoderConfig(max_length=1), EncoderConfig(max_length=2)
    for _ in range(3):
        encoder_cache.get_encoder(one, "cpu")
        encoder_cache.get_encoder(two, "cpu")
    assert loads == [(1, "cpu"), (2, "cpu")]


def test_a_third_encoder_replaces_the_least_recently_used(loads):
    one, two, three = (EncoderConfig(max_length=n) for n in (1, 2, 3))
    for config in (one, two, one, three, one, two):
        encoder_cache.get_encoder(config, "cpu")
    assert [length for length, _ in loads] == [1, 2, 3, 2]


def test_a_process_that_alternates_between_devices_loads_once_on_each(loads):
    """Spark can run tasks of different GPUs in one worker process."""
    for device in ("cuda:0", "cuda:1", "cuda:2") * 3:
        encoder_cache.get_encoder(EncoderConfig(max_length=1), device)
    assert loads == [(1, "cuda:0"), (1, "cuda:1"), (1, "cuda:2")]


def test_a_third_encoder_on_one_device_does_not_change_other_devices(loads):
    encoder_cache.get_encoder(EncoderConfig(max_length=1), "cuda:1")
    for length in (1, 2, 3):
        encoder_cache.get_encoder(EncoderConfig(max_length=length), "cuda:0")
    cached = [(config.max_length, device) for config, device in encoder_cache._encoders]
    assert cached == [(1, "cuda:1"), (2, "cuda:0"), (3, "cuda:0")]


def test_the_old_encoder_is_dropped_before_the_new_one_is_loaded(loads, monkeypatch):
    """A GPU that has memory for two models may not have memory for three."""
    cached = []
    monkeypatch.setattr(encoder_cache, "load_model", lambda config, device: cached.append(len(encoder_cache._encoders)))
    for length in (1, 2, 3):
        encoder_cache.get_encoder(EncoderConfig(max_length=length), "cuda:0")
    assert cached == [0, 1, 1]


def test_the_device_is_the_one_of_this_process(loads, monkeypatch):
    monkeypatch.setattr(encoder_cache, "pick_device", lambda requested: f"picked for {requested}")
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


def test_a_real_encoder_is_loaded(tiny_bert):
    encoder = encoder_cache.get_encoder(EncoderConfig(model=str(tiny_bert), device="cpu"))
    assert encoder.encode(["hello"]).shape == (1, 32)
    assert encoder.loaded.device == "cpu"


def test_a_missing_gpu_is_refused_before_loading(loads, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SetupError, match="torch sees no GPU here"):
        encoder_cache.get_encoder(EncoderConfig(device="cuda"))
    assert loads == []


def test_another_model_than_expected_is_refused_and_changed_files_are_loaded_again(model_copy):
    config = EncoderConfig(model=str(model_copy), device="cpu")
    before = config_fingerprint(config)
    first = encoder_cache.get_encoder(config, fingerprint=before)
    assert encoder_cache.get_encoder(config, fingerprint=before) is first
    negate_words(model_copy)
    after = config_fingerprint(config)
    assert encoder_cache.get_encoder(config, fingerprint=after).fingerprint == after != before
    with pytest.raises(
        FingerprintError, match=f"is encoder {after[:12]} here, {before[:12]} where the job was started"
    ):
        encoder_cache.get_encoder(config, fingerprint=before)
