"""Other ways to the same CLS vectors: the tutorial's loop, transformers' pipeline, sentence-transformers.

All use the same weights, max_length and threads, and batches of 32, which is their default.
"""

import tempfile

import torch

from bert_spark.encoding.model_resolver import resolve_model
from tests.benchmarks.harness import MAX_LENGTH, MODEL

BATCH = 32


def one_at_a_time(texts):
    """Return the tutorial's loop: one text per call, without padding."""
    from transformers import AutoModel, AutoTokenizer

    folder = str(resolve_model(MODEL))
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def run():
        with torch.no_grad():
            for text in texts:
                model(**tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"))[0][
                    :, 0, :
                ].numpy()

    return run


def pipeline(texts):
    """Return transformers' feature-extraction pipeline."""
    from transformers import pipeline

    options = {"truncation": True, "max_length": MAX_LENGTH}
    pipe = pipeline("feature-extraction", str(resolve_model(MODEL)), tokenize_kwargs=options, device="cpu")

    def run():
        for states in pipe(texts, batch_size=BATCH, return_tensors=True):
            states[0, 0].numpy()

    return run


def sentence_model(backend="torch", **model_kwargs):
    """Return a SentenceTransformer with CLS pooling over our weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    folder = model_kwargs.pop("folder", str(resolve_model(MODEL)))
    if backend != "torch" and "file_name" not in model_kwargs:
        model_kwargs["export"] = True
    transformer = Transformer(folder, backend=backend, model_kwargs=model_kwargs, max_seq_length=MAX_LENGTH)
    return SentenceTransformer(modules=[transformer, Pooling(384, pooling_mode="cls")], device="cpu")


def onnx_int8():
    """Return a SentenceTransformer over ONNX whose weights are quantised to 8 bits."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    model = sentence_model("onnx")
    model.save_pretrained(folder)
    export_dynamic_quantized_onnx_model(model, "avx512_vnni", folder)
    options = {"file_name": "onnx/model_qint8_avx512_vnni.onnx"}
    quantised = SentenceTransformer(folder, backend="onnx", model_kwargs=options, device="cpu")
    quantised.max_seq_length = MAX_LENGTH
    return quantised


SENTENCE = {
    "sentence-transformers torch": lambda: sentence_model(),
    "sentence-transformers onnx": lambda: sentence_model("onnx"),
    "sentence-transformers openvino": lambda: sentence_model("openvino", ov_config={"INFERENCE_PRECISION_HINT": "f32"}),
    "sentence-transformers openvino bfloat16": lambda: sentence_model(
        "openvino", ov_config={"INFERENCE_PRECISION_HINT": "bf16"}
    ),
    "sentence-transformers onnx int8": onnx_int8,
}


def available(makers):
    """Return the contenders that could be made, and the reason for each that could not."""
    made, absent = {}, {}
    for name, make in makers.items():
        try:
            made[name] = make()
        except Exception as err:
            absent[name] = f"{type(err).__name__}: {err}".splitlines()[0][:150]
    return made, absent
