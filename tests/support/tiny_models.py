"""Create tiny random encoders of common architectures with real tokenizers, and save them with save_pretrained."""

import json

import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    MPNetConfig,
    MPNetModel,
    MPNetTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
)

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_loader import load_model

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = """a an and are at be but for from good happy hate have hello hi i in is it like love me my name nicolas no not
of on one sad so text that the this time to today tweet two user very was we with word work world you http""".split()
SUBWORDS = ["##s", "##ed", "##ing", "##er", "##est", "##ly", "##ness", "##tion"]
SIGNS = [chr(code) for code in range(33, 127) if not chr(code).isalnum()]
CJK = ["日", "本", "中", "文"]  # each is a word of its own for the tokenizer; kana and emoji are unknown
BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_SPECIAL = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
VOCABULARY = list(dict.fromkeys([*LETTERS, *(f"##{letter}" for letter in LETTERS), *SIGNS, *CJK, *WORDS, *SUBWORDS]))
TOKENS = len(BERT_SPECIAL) + len(VOCABULARY)
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.4,  # at the usual 0.02 the vectors of all texts are nearly the same
}
# A batch of three texts with padding on the right
IDS = torch.tensor([[2, 40, 41, 42, 43, 3], [2, 50, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]])
MASK = (IDS != 0).long()


def wordpiece(kind, folder, special=BERT_SPECIAL):
    """Save a WordPiece tokenizer into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*special, *VOCABULARY]), encoding="utf-8")
    kind.from_pretrained(str(folder)).save_pretrained(str(folder))
    (folder / "vocab.txt").unlink(missing_ok=True)


def byte_pairs(folder):
    """Save a byte-level BPE tokenizer, trained on WORDS, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    # white space of several kinds gets tokens of its own
    lines = [" ".join(WORDS)] * 3 + ["a\u00a0 \u00a0b\u2003 \u2003c  \u00a0"] * 50
    trained.train_from_iterator(lines, vocab_size=400, special_tokens=special, show_progress=False)
    trained.save_model(str(folder))
    RobertaTokenizerFast.from_pretrained(str(folder)).save_pretrained(str(folder))


def tiny(config, model, vocabulary=TOKENS, positions=64, **settings):
    """Return a random model, the same on every run."""
    torch.manual_seed(0)
    return model(config(vocab_size=vocabulary, max_position_embeddings=positions, **(SIZES | settings)))


def save(model, folder, **options):
    """Save a model's weights as safetensors into `folder` and return the folder."""
    model.save_pretrained(str(folder), **options)
    return folder


def negate_words(folder):
    """Change the word embeddings of a saved model, and so its vectors."""
    tensors = load_file(folder / "model.safetensors")
    changed = {name: -tensor if "word_embeddings" in name else tensor for name, tensor in tensors.items()}
    save_file(changed, folder / "model.safetensors", {"format": "pt"})
    return folder


def roberta(folder):
    """Save a RoBERTa. It counts positions from pad_token_id + 1: a table of 34 is enough for 32 tokens."""
    byte_pairs(folder)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    return save(tiny(RobertaConfig, RobertaModel, 400, 34, **special), folder)


def distilbert(folder):
    """Save a DistilBERT of 32 positions."""
    wordpiece(BertTokenizerFast, folder)
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "initializer_range": 0.4}
    torch.manual_seed(0)
    return save(DistilBertModel(DistilBertConfig(vocab_size=TOKENS, max_position_embeddings=32, **sizes)), folder)


def electra(folder):
    """Save an ELECTRA of 32 positions."""
    wordpiece(BertTokenizerFast, folder)
    return save(tiny(ElectraConfig, ElectraModel, positions=32, embedding_size=16), folder)


def mpnet(folder):
    """Save an MPNet. It counts positions as RoBERTa does."""
    wordpiece(MPNetTokenizerFast, folder, MPNET_SPECIAL)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    return save(tiny(MPNetConfig, MPNetModel, positions=34, **special), folder)


ARCHITECTURES = {"roberta": roberta, "distilbert": distilbert, "electra": electra, "mpnet": mpnet}


def load_cpu(folder, **settings):
    """Load a folder's model onto the CPU."""
    return load_model(EncoderConfig(model=str(folder), **settings), "cpu")


def change_json(path, **changes):
    """Change some values of a json file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
