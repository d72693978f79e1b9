#!/usr/bin/env python3
"""Makes the sample model in examples/model, and runs it.

    python3 examples/make-model.py            train it and write examples/model (a few seconds)
    python3 examples/make-model.py --check    train it again and compare: exit 1 where a byte differs
    python3 examples/make-model.py generate   read examples/model and let it write

The model guesses the next letter from the three letters before it: one hidden layer of rectified linear units, one softmax.
It is tiny, but it is a real one: trained here, stored as safetensors, and `generate` computes with nothing but those files.

Standard library only. The same bytes come out of every run and of every machine with IEEE 754 doubles: training calls neither
the C library's exp nor sum() of floats, which newer Pythons round differently, and no order depends on a hash.
"""

import argparse
import json
import random
import struct
import sys
from pathlib import Path

TEXT = """
a model is a folder of files, and whoever can change one of the files can change what the model does. so the maker of a
model signs it. to sign a model is to hash each of its files, to write the hashes down as a list, and to sign the list with
a key that only the maker holds. whoever gets the model hashes the files again and compares. if one letter of one file was
changed, the hashes differ, and the model is refused. if the list was changed, the signature does not fit the list, and the
model is refused. if a file was added or a file is missing, the model is refused as well.

a signature says who signed, and it says what was signed. it does not say that the model is good, and it does not say when
it was signed. a key can be stolen, and the thief can sign as well as the maker can. that is why each signature is written
into a log. the log is a list that can only grow. nobody can take an entry out of the log, and nobody can change an entry,
because the root of the log is a hash over all of its entries, and the log signs that root. the maker reads the log and sees
each signature that was made with the key. a signature that is not in the log is refused, so the thief has to show what
was signed.

the proof that an entry is in the log is short. for a log of a million entries it is twenty hashes. the proof is kept next
to the signature, together with the root that the log has signed, and so the model can be checked without the network. the
one who checks needs the key of the maker and the key of the log, and nothing else. the keys must come from somewhere else
than the model, because a model that brings its own keys proves nothing at all.

a log could lie. it could show one root to the maker and another root to the one who checks. that is why the roots are
shown to witnesses. a witness remembers the last root that it has seen, and it signs a new root only if the new log holds
everything that the old log held. a log that has shown two roots for one size has been caught, and the two signed roots are
the evidence. trust is good, and a proof that anybody can check again is better.
"""

MODEL = Path(__file__).resolve().parent / "model"
CONTEXT = 3
HIDDEN = 40
EPOCHS = 24
SEED = 20
LEARNING_RATES = (0.08, 0.008)
START = "\n"  # stands before the text and between its paragraphs


def main():
    parser = argparse.ArgumentParser(description="Makes the sample model in examples/model, and runs it.")
    parser.add_argument("mode", nargs="?", choices=["make", "generate"], default="make")
    parser.add_argument("--check", action="store_true", help="train again and compare with the files that are there")
    parser.add_argument("--prompt", default="the log ", help="what the generated text starts with")
    parser.add_argument("--length", type=int, default=240, help="how many letters to generate")
    parser.add_argument("--seed", type=int, default=1, help="which of the possible texts to generate")
    options = parser.parse_args()
    if options.mode == "generate":
        print(generate(options.prompt, options.length, options.seed))
        return 0
    files = make()
    if options.check:
        return check(files)
    for name, content in files.items():
        path = MODEL / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"{len(content):>8}  {path}")
    return 0


def check(files):
    """Compares the files that training gives with those that are there."""
    differing = [name for name, content in files.items() if read_or_none(MODEL / name) != content]
    for name in differing:
        print(f"{MODEL / name} is not what this script makes", file=sys.stderr)
    return 1 if differing else 0


def read_or_none(path):
    return path.read_bytes() if path.is_file() else None


def make():
    """Trains the model and gives its files, name to bytes."""
    text = corpus()
    letters = sorted(set(text))
    codes = [letters.index(letter) for letter in text]
    weights = train(codes, len(letters))
    stored = write_safetensors(weights)
    # Measured on what is stored, after the rounding to 32 bits.
    loss = mean_loss(read_safetensors(stored), codes)
    config = {
        "architecture": "next-letter perceptron",
        "context": CONTEXT,
        "hidden_size": HIDDEN,
        "activation": "relu",
        "vocab_size": len(letters),
        "torch_dtype": "float32",
    }
    vocab = {letter: code for code, letter in enumerate(letters)}
    parameters = sum(size(shape) for shape, _ in weights.values())
    return {
        "README.md": model_card(parameters, len(codes), loss).encode(),
        "config.json": to_json(config),
        "model.safetensors": stored,
        "tokenizer/vocab.json": to_json(vocab),
    }


def corpus():
    """Gives the training text: lines joined, paragraphs ended by a line end."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in TEXT.strip().split("\n\n")]
    return START.join(paragraphs) + START


def to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


# The model. Weights are a dictionary, name to (shape, flat list of numbers): the layout of the file.


def train(codes, vocab):
    """Trains by plain stochastic gradient descent, one letter at a time."""
    chance = random.Random(SEED)

    def noise(count, scale):
        return [scale * (2.0 * chance.random() - 1.0) for _ in range(count)]

    # One row of the hidden layer for every letter at every place of the context; one row of the output for every unit.
    hidden = [[noise(HIDDEN, 0.25) for _ in range(vocab)] for _ in range(CONTEXT)]
    hidden_bias = [0.0] * HIDDEN
    output = [noise(vocab, 0.15) for _ in range(HIDDEN)]
    output_bias = [0.0] * vocab

    examples = list(windows(codes))
    steps = EPOCHS * len(examples)
    first, last = LEARNING_RATES
    step = 0
    for _ in range(EPOCHS):
        shuffle(examples, chance)
        for context, target in examples:
            rate = first + (last - first) * (step / steps)
            step += 1
            rows = [hidden[place][code] for place, code in enumerate(context)]
            units = activate(rows, hidden_bias)
            slope = softmax(predict(units, output, output_bias))
            slope[target] -= 1.0
            back = [0.0] * HIDDEN
            for unit, value in enumerate(units):
                if value > 0.0:
                    row = output[unit]
                    total = 0.0
                    for weight, part in zip(row, slope):
                        total += weight * part
                    back[unit] = rate * total
                    factor = rate * value
                    output[unit] = [weight - factor * part for weight, part in zip(row, slope)]
            output_bias = [bias - rate * part for bias, part in zip(output_bias, slope)]
            hidden_bias = [bias - part for bias, part in zip(hidden_bias, back)]
            for place, code in enumerate(context):
                hidden[place][code] = [weight - part for weight, part in zip(rows[place], back)]

    return {
        "hidden.bias": ((HIDDEN,), hidden_bias),
        "hidden.weight": ((CONTEXT, vocab, HIDDEN), [w for place in hidden for row in place for w in row]),
        "output.bias": ((vocab,), output_bias),
        "output.weight": ((HIDDEN, vocab), [w for row in output for w in row]),
    }


def windows(codes):
    """Gives every letter of the text with the letters before it; before the first stands the end of a paragraph."""
    end = codes[-1]
    padded = [end] * CONTEXT + codes
    for place, target in enumerate(codes):
        yield tuple(padded[place : place + CONTEXT]), target


def shuffle(items, chance):
    """Shuffles in place, with random() only: how random.shuffle draws is not promised to stay."""
    for last in range(len(items) - 1, 0, -1):
        other = int(chance.random() * (last + 1))
        items[last], items[other] = items[other], items[last]


def activate(rows, bias):
    """Gives the hidden units: the rows of the context's letters added up, and nothing below zero."""
    return [max(0.0, bias + a + b + c) for bias, a, b, c in zip(bias, *rows)]


def predict(units, output, bias):
    """Gives a score for every letter."""
    scores = bias
    for value, row in zip(units, output):
        if value > 0.0:
            scores = [score + value * weight for score, weight in zip(scores, row)]
    return scores


def softmax(scores):
    top = max(scores)
    powers = [exp(score - top) for score in scores]
    total = 0.0
    for power in powers:
        total += power
    return [power / total for power in powers]


def exp(x):
    """Computes e to the x for x of zero or less, to about 1e-12, with sums and products only.

    The C library's may differ from one system to the next in the last bit, and training makes large differences of small
    ones.
    """
    if x < -40.0:
        return 0.0
    x /= 1024.0
    power = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x / 120.0))))
    for _ in range(10):
        power *= power
    return power


def log(x):
    """Computes the natural logarithm for x between 0 and 1, by Newton's steps on our own exp."""
    y = 0.0
    while exp(y - 1.0) > x:
        y -= 1.0
    for _ in range(8):
        power = exp(y)
        y = min(0.0, y + 2.0 * (x - power) / (x + power))
    return y


class Network:
    """The model as it is read from its tensors."""

    def __init__(self, weights):
        (context, vocab, units), hidden = weights["hidden.weight"]
        rows = [hidden[start : start + units] for start in range(0, len(hidden), units)]
        self.hidden = [rows[place * vocab : (place + 1) * vocab] for place in range(context)]
        self.hidden_bias = weights["hidden.bias"][1]
        flat = weights["output.weight"][1]
        self.output = [flat[start : start + vocab] for start in range(0, len(flat), vocab)]
        self.output_bias = weights["output.bias"][1]

    def chances(self, context):
        """Gives the probability of every letter after these."""
        rows = [self.hidden[place][code] for place, code in enumerate(context)]
        return softmax(predict(activate(rows, self.hidden_bias), self.output, self.output_bias))


def mean_loss(weights, codes):
    """Measures the mean cross entropy over the training text, in nats a letter."""
    network = Network(weights)
    total = 0.0
    for context, target in windows(codes):
        total -= log(network.chances(context)[target])
    return total / len(codes)


def generate(prompt, length, seed):
    """Lets the stored model write."""
    vocab = json.loads((MODEL / "tokenizer" / "vocab.json").read_bytes())
    config = json.loads((MODEL / "config.json").read_bytes())
    network = Network(read_safetensors((MODEL / "model.safetensors").read_bytes()))
    letters = {code: letter for letter, code in vocab.items()}
    unknown = sorted(set(prompt) - set(vocab))
    if unknown:
        sys.exit(f"the model knows no {''.join(unknown)!r}; it knows {''.join(sorted(vocab))!r}")
    chance = random.Random(seed)
    text = prompt
    for _ in range(length):
        context = (START * config["context"] + text)[-config["context"] :]
        chances = network.chances([vocab[letter] for letter in context])
        # Squared, so that the likely letters get likelier.
        weighed = [probability * probability for probability in chances]
        point = chance.random() * sum(weighed)
        code = 0
        while code + 1 < len(weighed) and point >= weighed[code]:
            point -= weighed[code]
            code += 1
        text += letters[code]
    return text


# Safetensors: the header's length in 8 bytes little-endian, the header in JSON, the numbers. The header is filled up with
# spaces so that the numbers start at a multiple of 8.


def size(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def write_safetensors(weights):
    header = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (shape, numbers) in weights.items():
        assert size(shape) == len(numbers)
        start = len(data)
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def read_safetensors(content):
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    weights = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        start, end = tensor["data_offsets"]
        if tensor["dtype"] != "F32" or end - start != 4 * size(tensor["shape"]) or end > len(data):
            sys.exit(f"{name}: not a tensor of 32-bit numbers")
        weights[name] = (tuple(tensor["shape"]), list(struct.unpack_from(f"<{(end - start) // 4}f", data, start)))
    return weights


def model_card(parameters, letters, loss):
    return f"""---
license: apache-2.0
language: en
pipeline_tag: text-generation
tags:
- sample
---

# Next-letter sample model

A very small language model, here to be signed: it guesses the next letter from the {CONTEXT} letters before it. It knows
one text, some paragraphs about signing models that were written for it, and is good for nothing else.

| | |
| --- | --- |
| kind | perceptron, one hidden layer of {HIDDEN} rectified linear units, softmax over the letters |
| parameters | {parameters:,}, 32-bit floating point |
| training text | {letters:,} letters, in `examples/make-model.py` |
| training | stochastic gradient descent, {EPOCHS} passes, learning rate {LEARNING_RATES[0]} falling to {LEARNING_RATES[1]} |
| training loss | {loss:.4f} nats a letter, measured on the stored weights |

Made by `python3 examples/make-model.py`, which gives the same bytes on every run; `--check` compares. To see it work:

    python3 examples/make-model.py generate --prompt "the log "

Files: `model.safetensors` has the weights, `config.json` the sizes, `tokenizer/vocab.json` the number of each letter.
"""


if __name__ == "__main__":
    sys.exit(main())
