/* Vectors at the edge of a matrix. */

/* A vector of the WIDTH floats at `from`. If `count` is less than WIDTH, only the first `count` are
 * read, and the others are 0. */
DEVICE vector load_some(GLOBAL const float *from, uint count) {
    if (count >= WIDTH)
        return LOAD_VECTOR(from);
    float lanes[WIDTH];
    for (uint l = 0; l < WIDTH; l++)
        lanes[l] = l < count ? from[l] : 0.0f;
    return LOAD_VECTOR(lanes);
}

/* Stores the WIDTH floats of a vector at `to`, or only the first `count` if that is less. */
DEVICE void store_some(vector value, GLOBAL float *to, uint count) {
    if (count >= WIDTH) {
        STORE_VECTOR(value, to);
        return;
    }
    float lanes[WIDTH];
    STORE_VECTOR(value, lanes);
    for (uint l = 0; l < count; l++)
        to[l] = lanes[l];
}
