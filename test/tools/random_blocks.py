# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random blocks of the types that gguf's quantisers do not write.

Quants are uniform; scales and minima are chosen so that values have mean 0 and
about the standard deviation asked for.
"""

import numpy as np

IQ4_VALUES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38,
                       53, 69, 89, 113])


def halves(values):
    """f16 values as bytes, one pair a row."""
    return np.asarray(values, dtype="<f2").reshape(-1, 1).view(np.uint8)


def jitter(rng, count, value):
    """Block scales around `value`: no two blocks are alike."""
    return value * rng.uniform(0.8, 1.2, count)


def pack_six_bits(scales, mins):
    """Eight 6-bit scales and minima in the 12 bytes of Q4_K and Q5_K."""
    out = np.zeros((len(scales), 12), dtype=np.uint8)
    out[:, 0:4] = scales[:, 0:4] | (scales[:, 4:8] >> 4) << 6
    out[:, 4:8] = mins[:, 0:4] | (mins[:, 4:8] >> 4) << 6
    out[:, 8:12] = (scales[:, 4:8] & 15) | (mins[:, 4:8] & 15) << 4
    return out


def q45_k(rng, count, sigma, bits):
    """d, dmin, 8 scales and minima, [the fifth bits,] nibbles."""
    top = (1 << bits) - 1
    # The minimum that centres the quants is scale * top / 2.
    spread = np.sqrt(((top + 1) ** 2 - 1) / 12)
    d = jitter(rng, count, sigma / (spread * 42))
    scales = rng.integers(21, 64, (count, 8)).astype(np.uint8)
    mins = np.clip(scales + rng.integers(-1, 2, (count, 8)), 0, 63)
    parts = [halves(d), halves(d * top / 2),
             pack_six_bits(scales, mins.astype(np.uint8))]
    if bits == 5:
        parts.append(rng.integers(0, 256, (count, 32), dtype=np.uint8))
    parts.append(rng.integers(0, 256, (count, 128), dtype=np.uint8))
    return np.hstack(parts)


def q2_k(rng, count, sigma):
    d = jitter(rng, count, sigma / (np.sqrt(15 / 12) * 11))
    scales = rng.integers(7, 16, (count, 16), dtype=np.uint8)
    return np.hstack([scales | scales << 4,
                      rng.integers(0, 256, (count, 64), dtype=np.uint8),
                      halves(d), halves(d * 1.5)])


def q3_k(rng, count, sigma):
    # Quants -4 to 3, scales -32 to 31.
    d = jitter(rng, count, sigma / (2.3 * 18.5))
    return np.hstack([rng.integers(0, 256, (count, 108), dtype=np.uint8),
                      halves(d)])


def q6_k(rng, count, sigma):
    d = jitter(rng, count, sigma / (18.5 * 85))
    scales = rng.integers(43, 128, (count, 16)) * rng.choice([-1, 1],
                                                             (count, 16))
    return np.hstack([rng.integers(0, 256, (count, 192), dtype=np.uint8),
                      scales.astype(np.int8).view(np.uint8), halves(d)])


def iq4_nl(rng, count, sigma):
    d = jitter(rng, count, sigma / IQ4_VALUES.std())
    return np.hstack([halves(d),
                      rng.integers(0, 256, (count, 16), dtype=np.uint8)])


def iq4_xs(rng, count, sigma):
    # Scales -32 to 31 of random bits.
    d = jitter(rng, count, sigma / (IQ4_VALUES.std() * 18.5))
    return np.hstack([halves(d),
                      rng.integers(0, 256, (count, 134), dtype=np.uint8)])


# Type by name: block elements, and what makes `count` blocks.
MAKERS = {
    "q2_k": (256, q2_k),
    "q3_k": (256, q3_k),
    "q4_k": (256, lambda rng, count, sigma: q45_k(rng, count, sigma, 4)),
    "q5_k": (256, lambda rng, count, sigma: q45_k(rng, count, sigma, 5)),
    "q6_k": (256, q6_k),
    "iq4_nl": (32, iq4_nl),
    "iq4_xs": (256, iq4_xs),
}


def random_matrix(rng, name, rows, cols, sigma):
    """The bytes of a matrix [rows, cols] of the type `name`, a row a row."""
    elements, make = MAKERS[name]
    return make(rng, rows * cols // elements, sigma).reshape(rows, -1)
