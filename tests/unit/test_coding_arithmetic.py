"""The range coder beside an exact twin of big integers, at its nasty places."""

import numpy as np
import pytest

from npuq.coding import arithmetic
from npuq.coding.arithmetic import (
    Decoder,
    Encoder,
    decode_band,
    decode_runs,
    encode_band,
    encode_runs,
)
from npuq.coding.tables import assemble_tables, symbol_intervals, table_bits
from npuq.errors import CorruptFileError
from npuq.runtime.compile import use_reference

SOFT = np.clip(20000 + 99 * np.arange(256), 128, 65408).astype(np.uint16)


def one_table(knots, first, log2_knots=0):
    units = (len(knots) - 1) >> log2_knots
    fields = (np.array([n]) for n in (first, first + units - 2, log2_knots))
    return assemble_tables(np.array(knots), *fields)


TABLES = one_table([1000, 3_000_000, 3_000_001, 9_123_456, 16_000_000, 16_777_000], -1)


def twin_encode(symbols, phase, tables):
    """The coder with `low` as one unbounded integer, where a carry needs no treatment.

    Returns the bytes, and the longest run of 0xFFFF words that a carry went through.
    """
    steps = []
    intervals = symbol_intervals(symbols, phase, tables)
    for lower, upper, distance in zip(*(a.ravel().tolist() for a in intervals), strict=True):
        steps.append((lower, upper))
        gamma = "0" * (distance.bit_length() - 1) + f"{distance:b}" if distance else ""
        steps += [(int(bit) << 23, int(bit) + 1 << 23) for bit in gamma]
    low, span, size, longest_run = 0, 1 << 62, 0, 0
    for lower, upper in steps:
        r = span >> 24
        before = low >> 62
        low += r * lower
        span = r * (upper - lower) if upper < 1 << 24 else span - r * lower
        if low >> 62 != before:
            ones = (~before & before + 1).bit_length() - 1  # trailing ones of `before`
            longest_run = max(longest_run, ones // 16)
        while span <= 1 << 46:
            low, span, size = low << 16, span << 16, size + 1
    for bits in (62, 54, 46):
        value = -(-low >> bits) << bits
        if value < low + span:
            break
    return (value >> 46).to_bytes(2 * size + 2, "big").rstrip(b"\0"), longest_run


def check_against_twin(symbols, tables=TABLES):
    dither = (np.arange(symbols.size) * 101 % 256).astype(np.uint8).reshape(symbols.shape)
    data = encode_band(symbols, dither, SOFT, tables)
    expected, longest_run = twin_encode(symbols, SOFT[dither], tables)
    assert data == expected
    assert np.array_equal(decode_band(data, dither, SOFT, tables), symbols)
    return longest_run


@pytest.mark.parametrize("seed", range(3))
def test_bytes_are_those_of_exact_arithmetic(seed):
    rng = np.random.default_rng(seed)
    check_against_twin(rng.integers(-5, 6, (1, 20, 20), dtype=np.int32))


@pytest.mark.parametrize("zeros", [2, 3, 40, 41])
def test_carry_goes_through_long_runs_of_ones(zeros):
    # Symbols decoded from 0.5 + a little: until the last ones their spans contain 0.5, so `low`
    # is 0x7FFF FFFF ...; then the span moves above 0.5, and a carry runs through all words.
    data = b"\x80" + bytes(2 * zeros) + b"\x37\x11\x99\x24\x01"
    dither = (np.arange(400) * 101 % 256).astype(np.uint8).reshape(1, 20, 20)
    symbols = decode_band(data, dither, SOFT, TABLES)
    assert check_against_twin(symbols) >= zeros - 2


@pytest.mark.parametrize("parts", [1, 3, 200])
def test_a_stream_is_the_same_in_whatever_parts_it_is_made_and_read(parts, monkeypatch):
    """Also of the dearest escapes, 87 bits each, which outgrow the room that there was at first."""
    monkeypatch.setattr(arithmetic, "GROUP", 16)
    rng = np.random.default_rng(0)
    symbols = rng.choice(np.int32([-(2**31), 2**31 - 1, 0, 1]), 200)
    dither = rng.integers(0, 256, 200, dtype=np.uint8)
    expected, _ = twin_encode(symbols[None], SOFT[dither[None]], TABLES)
    assert len(expected) > 2 * 6 * 16
    encoder, cuts = Encoder(SOFT), [200 * i // parts for i in range(parts + 1)]
    pieces = [slice(*pair) for pair in zip(cuts[:-1], cuts[1:], strict=True)]
    for piece in pieces:
        size = np.array([piece.stop - piece.start])
        encoder.add(symbols[piece], dither[piece], size, TABLES)
    assert encoder.finish() == expected
    decoder, states = Decoder(expected, SOFT), []
    for piece in pieces:
        states.append(decoder.state)
        found = decoder.read(dither[piece], np.array([piece.stop - piece.start]), TABLES)
        np.testing.assert_array_equal(found, symbols[piece])
    for piece, state in reversed(list(zip(pieces, states, strict=True))):
        decoder.state = state  # from any place, once it is known
        found = decoder.read(dither[piece], np.array([piece.stop - piece.start]), TABLES)
        np.testing.assert_array_equal(found, symbols[piece])


def test_room_is_taken_by_doubling(monkeypatch):
    """Or a long stream of many parts would be copied once for each part."""
    monkeypatch.setattr(arithmetic, "GROUP", 16)
    taken, space = [], arithmetic.space
    monkeypatch.setattr(arithmetic, "space", lambda *a: taken.append(a[0]) or space(*a))
    encoder, dither = Encoder(SOFT), np.zeros(16, np.uint8)
    for _ in range(100):
        encoder.add(np.full(16, 2**31 - 1, np.int32), dither, np.array([16]), TABLES)
    data = encoder.finish()
    assert len(data) > 100 * 16 * 8
    assert np.all(np.array(taken[1:]) >= 2 * np.array(taken[:-1])) and 2 * taken[-1] < 8 * len(data)


def test_all_of_the_likeliest_and_all_of_the_unlikeliest():
    certain = one_table([1, 1 + (1 << 23), (1 << 24) - 1], 0)
    sharp = one_table([1] * 128 + [(1 << 24) - 3] * 256 + [(1 << 24) - 2] * 129, 0, 8)
    narrow = one_table([1] * 256 + [(1 << 24) - 2] + [(1 << 24) - 1] * 256, 0, 8)
    for tables in (certain, sharp, narrow):
        for k in (0, -1, 1, -(2**31), 2**31 - 1):
            check_against_twin(np.full((1, 1, 50), k, np.int32), tables)


def test_likely_symbols_cost_next_to_nothing():
    sharp = one_table([1] * 256 + [(1 << 24) - 2] * 256 + [(1 << 24) - 1], 0, 8)
    dither = np.zeros((1, 100, 100), np.uint8)
    symbols = np.zeros((1, 100, 100), np.int32)
    phases = np.full(256, 32768, np.uint16)
    data = encode_band(symbols, dither, phases, sharp)
    assert len(data) <= 1  # 10,000 symbols of 1.7e-7 bits
    assert np.array_equal(decode_band(data, dither, phases, sharp), symbols)


def roomy(size, dtype):
    """Space of a size, with as much after it that compiled code may spoil; lists end for good."""
    return [0] * size if use_reference() else np.zeros(2 * size + 1, dtype)[:size]


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_there_is_room_for_the_dearest_symbols(monkeypatch, kernels):
    """Lists end where their room does, arrays too, though the compiled loop would not notice."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    rooms = []

    def space(size, dtype):
        rooms.append(size)
        return roomy(size, dtype)

    monkeypatch.setattr(arithmetic, "space", space)
    dear = one_table([1, 2, (1 << 24) - 2, (1 << 24) - 1], -1)  # at phase 1/512: -1 has 2^-24
    dither, first_phase = np.zeros((1, 1, 500), np.uint8), np.full(256, 128, np.uint16)
    for k in (-1, 0, -(2**31), 2**31 - 1):
        symbols = np.full(dither.shape, k, np.int32)
        rooms.clear()
        data = encode_band(symbols, dither, first_phase, dear)
        assert len(data) <= 2 * sum(rooms)
        assert np.array_equal(decode_band(data, dither, first_phase, dear), symbols)


def test_groups_of_channels_do_not_show(monkeypatch):
    """The coder goes on from one group to the next: the same bytes, however they are formed."""
    rng = np.random.default_rng(0)
    channels = 7
    tables = assemble_tables(
        np.tile(TABLES.values, channels),
        *(np.repeat(field, channels) for field in (TABLES.first, TABLES.last, TABLES.log2_knots)),
    )
    symbols = rng.integers(-6, 7, (channels, 3, 5), dtype=np.int32)
    dither = rng.integers(0, 256, symbols.shape, dtype=np.uint8)
    streams = set()
    for group in (1, 15, 31, 1000):
        monkeypatch.setattr(arithmetic, "GROUP", group)
        streams.add(encode_band(symbols, dither, SOFT, tables))
    assert len(streams) == 1
    assert np.array_equal(decode_band(streams.pop(), dither, SOFT, tables), symbols)


@pytest.mark.parametrize("shape", [(1, 0, 0), (1, 0, 7), (1, 1, 1)])
@pytest.mark.parametrize("k", [0, 77])
def test_none_and_one_symbol(shape, k):
    symbols = np.full(shape, k, np.int32)
    check_against_twin(symbols)
    if symbols.size == 0:
        assert encode_band(symbols, symbols.astype(np.uint8), SOFT, TABLES) == b""


def test_no_channels():
    tables = assemble_tables(*(np.zeros(0, np.int64) for _ in range(4)))
    nothing = np.zeros((0, 3, 3), np.int32)
    assert encode_band(nothing, nothing.astype(np.uint8), SOFT, tables) == b""
    assert decode_band(b"", nothing.astype(np.uint8), SOFT, tables).shape == (0, 3, 3)


def test_runs_of_any_length_follow_their_tables():
    tables = assemble_tables(
        np.concatenate([TABLES.values, TABLES.values, [1, 2, 3]]),
        np.array([-1, 5, 0]),
        np.array([2, 8, 0]),
        np.zeros(3, np.int64),
    )
    counts = np.array([7, 0, 4])
    symbols = np.arange(-5, 6)
    dither = np.arange(0, 220, 20, dtype=np.uint8)
    data = encode_runs(symbols, dither, counts, SOFT, tables)
    assert np.array_equal(decode_runs(data, dither, counts, SOFT, tables), symbols)


def test_an_endless_escape_is_refused():
    sure = one_table([1 << 23, (1 << 23) + 1, (1 << 23) + 2], 0)
    dither = np.zeros((1, 1, 1), np.uint8)
    with pytest.raises(CorruptFileError, match="damaged"):
        decode_band(b"", dither, SOFT, sure)  # zeros: an escape whose gamma code never ends
    with pytest.raises(CorruptFileError, match="damaged"):  # an escape by 2^32 - 1
        decode_band(b"\x00\x00\x00\x00" + b"\xff" * 12, dither, SOFT, sure)


def test_arguments_that_do_not_fit_are_refused():
    symbols, dither = np.zeros((1, 2, 3), np.int32), np.zeros((1, 2, 3), np.uint8)
    for arguments, message in [
        ((symbols[:, :1], dither, SOFT, TABLES), "one shape"),
        ((symbols[[0, 0]], dither[[0, 0]], SOFT, TABLES), "channels"),
        ((symbols, dither.astype(int), SOFT, TABLES), "uint8"),
        ((symbols, dither, SOFT[:5], TABLES), "phases"),
        ((symbols, dither, SOFT * 0, TABLES), "phases"),
        ((symbols + 0.5, dither, SOFT, TABLES), "integers"),
        ((symbols + np.int64(1 << 40), dither, SOFT, TABLES), "32 bits"),
    ]:
        with pytest.raises(ValueError, match=message):
            encode_band(*arguments)
    with pytest.raises(ValueError, match="channels"):
        decode_band(b"", dither[[0, 0]], SOFT, TABLES)
    with pytest.raises(ValueError, match="counts"):
        decode_runs(b"", dither.ravel(), np.array([3, 3]), SOFT, TABLES)
    with pytest.raises(ValueError, match="sum of counts"):
        decode_runs(b"", dither.ravel(), np.array([5]), SOFT, TABLES)


# --- escapes, to the bit ------------------------------------------------------------------------

# At phase 1/512, on a knot: the escape below owns [0, 1/4), the symbol 0 [1/4, 1/2), and the escape
# above [1/2, 1). Each is a dyadic interval, so that the message is a string of bits: 00, 01, 1.
DYADIC = one_table([1 << 22, 1 << 23, 3 << 22], 0)
FIRST_PHASE = np.full(256, 128, np.uint16)


def known_bits(symbols):
    """00, 01 or 1, and after the escapes Elias's gamma code of how far beyond 0 the symbol lies."""
    bits = ""
    for k in symbols.ravel().tolist():
        binary = f"{abs(k):b}"
        bits += "01" if k == 0 else ("1" if k > 0 else "00") + "0" * (len(binary) - 1) + binary
    return bits


def known_bytes(bits):
    """Bits to bytes, without zero bytes at the end."""
    size = -(-len(bits) // 8)
    return int(bits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big").rstrip(b"\0")


ESCAPES = [
    ([0], "01"),
    ([1], "1" + "1"),
    ([-1], "00" + "1"),
    ([2], "1" + "010"),
    ([-3], "00" + "011"),
    ([4, 0, -5], "1" + "00100" + "01" + "00" + "00101"),
    ([255], "1" + "0" * 7 + "1" * 8),
    ([-256], "00" + "0" * 8 + "1" + "0" * 8),
    ([2**31 - 1], "1" + "0" * 30 + "1" * 31),
    ([-(2**31)], "00" + "0" * 31 + "1" + "0" * 31),
]


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize(("symbols", "bits"), ESCAPES, ids=lambda x: str(x)[:24])
def test_escapes_are_these_bits(monkeypatch, kernels, symbols, bits):
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    band = np.array(symbols, np.int32).reshape(1, 1, -1)
    dither = np.zeros(band.shape, np.uint8)
    assert known_bits(band) == bits
    data = encode_band(band, dither, FIRST_PHASE, DYADIC)
    assert data == known_bytes(bits)
    assert np.array_equal(decode_band(data, dither, FIRST_PHASE, DYADIC), band)
    assert table_bits(band, np.full(band.shape, 128), DYADIC).sum() == len(bits)


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_long_streams_of_escapes_are_known_to_the_last_bit(monkeypatch, kernels):
    """Distances of every length from 1 to 32 bits, on either side, among coded symbols."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    rng = np.random.default_rng(0)
    lengths = np.arange(31).repeat(8)
    far = rng.integers(2**lengths, 2 ** (lengths + 1)) * rng.choice([-1, 0, 1], lengths.size)
    symbols = rng.permutation(np.r_[far, -(2**31), 2**31 - 1]).astype(np.int32).reshape(1, 10, 25)
    dither = rng.integers(0, 256, symbols.shape, dtype=np.uint8)
    data = encode_band(symbols, dither, FIRST_PHASE, DYADIC)
    assert data == known_bytes(known_bits(symbols))
    assert np.array_equal(decode_band(data, dither, FIRST_PHASE, DYADIC), symbols)


def test_distances_are_counted_from_the_ends_of_the_table():
    """The same bits for the same distance beyond tables that lie elsewhere."""
    for first, last in ((-5, 3), (1000, 1001), (-(2**20), -(2**20))):
        units = last - first + 2
        middle = (1 << 22) + np.arange(units - 1) * (1 << 22) // (units - 1)
        knots = np.r_[middle, 1 << 23, 3 << 22]  # the coded symbols share [1/4, 1/2)
        table = one_table(knots.tolist()[: units + 1], first)
        for distance in (1, 2, 3, 77, 2**20, 2**30):
            for k, sign in ((first - distance, -1), (last + distance, 1)):
                band, dither = np.full((1, 1, 1), k, np.int32), np.zeros((1, 1, 1), np.uint8)
                data = encode_band(band, dither, FIRST_PHASE, table)
                assert data == known_bytes(known_bits(np.array([sign * distance])))
                assert decode_band(data, dither, FIRST_PHASE, table) == k


# --- room ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize(
    ("order", "pieces"), [(1, [1, 200, 200, 80]), (-1, [77, 3, 200, 200, 1])], ids=["up", "down"]
)
def test_there_is_room_for_groups_of_unequal_size(monkeypatch, kernels, order, pieces):
    """Channels of 1, 400, 3 and 77 symbols, coded in pieces, and all as dear as can be.

    A symbol takes 64 intervals. Compiled code does not notice where an array ends, so what it is
    given is measured before it writes, and words after it has.
    """
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    monkeypatch.setattr(arithmetic, "GROUP", 200)
    fill, groups, promised = arithmetic.fill_intervals, [], []
    make_room = Encoder._make_room

    def measured(symbols, dither, counts, phases, tables, lower, upper):
        groups.append(symbols.size)
        assert min(lower.size, upper.size) >= 64 * symbols.size
        m = fill(symbols, dither, counts, phases, tables, lower, upper)
        assert m == 64 * symbols.size
        return m

    def made(encoder, more):
        if promised:  # what was written since is no more than was made room for
            assert encoder._size <= promised.pop()
        make_room(encoder, more)
        promised.append(encoder._size + more)
        assert len(encoder._words) >= promised[-1] + 1  # and one that ends the stream

    monkeypatch.setattr(arithmetic, "fill_intervals", measured)
    monkeypatch.setattr(arithmetic, "space", roomy)
    monkeypatch.setattr(Encoder, "_make_room", made)
    counts = np.array([1, 400, 3, 77])[::order]
    top = 1 << 20  # as far above -2^31 as a table can begin
    tables = assemble_tables(
        np.tile([1, 2, 3], 4), np.full(4, top), np.full(4, top), np.zeros(4, np.int64)
    )
    symbols = np.full(counts.sum(), -(2**31), np.int32)
    dither = np.zeros(symbols.size, np.uint8)
    data = encode_runs(symbols, dither, counts, FIRST_PHASE, tables)
    assert groups == pieces
    assert len(data) >= symbols.size * (24 + 63) // 8 - 3  # the last symbol ends in 20 zeros
    assert np.array_equal(decode_runs(data, dither, counts, FIRST_PHASE, tables), symbols)
