/* The random numbers of trainer/random.h: Philox4x32-10. */

/* words[4] = a block of a stream. */
DEVICE void random_bits(uint words[4], uint seed_low, uint seed_high, uint stream, uint part,
    uint block_low, uint block_high) {
    uint c0 = block_low, c1 = block_high, c2 = part, c3 = stream;
    uint k0 = seed_low, k1 = seed_high;
    UNROLL
    for (uint round = 0; round < 10; round++) {
        const uint high0 = MULTIPLY_HIGH(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        const uint high1 = MULTIPLY_HIGH(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}
