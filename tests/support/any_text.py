"""Generate any text with hypothesis, and replace lone surrogates in it as the encoder does."""

from hypothesis import strategies as st

CHARACTERS = st.one_of(
    st.characters(),
    st.characters(categories=["Cs"]),  # lone surrogates
    st.characters(categories=["Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "So"]),
    st.sampled_from(" \t\n\r\0\u200b\u200d\ufffd\ufeff\u202e#@&'😀日é"),
)
WORDS = st.sampled_from(
    ["hello", "happy", "working", "[SEP]", "[PAD]", "[UNK]", "##s", "a" * 101, "@user", "&amp;", "."]
)
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=30),
    st.lists(WORDS, max_size=90).map(" ".join),  # some are far longer than max_length
    st.text(st.sampled_from("ab \ud83d\ude00"), max_size=80),
)


def without_lone_surrogates(text):
    """Return `text` with each lone surrogate as U+FFFD, and each surrogate pair as its character."""
    result, position = [], 0
    while position < len(text):
        code = ord(text[position])
        following = ord(text[position + 1]) if position + 1 < len(text) else 0
        if 0xD800 <= code < 0xDC00 and 0xDC00 <= following < 0xE000:
            result.append(chr(0x10000 + ((code - 0xD800) << 10) + (following - 0xDC00)))
            position += 1
        else:
            result.append("\ufffd" if 0xD800 <= code < 0xE000 else text[position])
        position += 1
    return "".join(result)
