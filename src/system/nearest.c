#include "system/nearest.h"

#include "system/locale.h"

#include <string.h>

enum { LONGEST = 31 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The number of changes that turn one word into the other, where each letter is changed at most
 * once (optimal string alignment). Row i of the table has the distances of the first i letters of
 * `a` to each beginning of `b`. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t table[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= a_length; i++)
        for (size_t j = 0; j <= b_length; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            const char x = locale_lower(a[i - 1]), y = locale_lower(b[j - 1]);
            table[i][j] =
                least(table[i - 1][j - 1] + (x != y), 1 + least(table[i - 1][j], table[i][j - 1]));
            if (i > 1 && j > 1 && x == locale_lower(b[j - 2]) && y == locale_lower(a[i - 2]))
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    return table[a_length][b_length];
}

const char *nearest(const char *word, const char *const *words, size_t count) {
    const size_t length = strlen(word);
    const char *found = NULL;
    size_t shortest = length / 3 + 1; /* the first distance that is too far */
    for (size_t w = 0; w < count && length <= LONGEST; w++) {
        const size_t other = strlen(words[w]);
        const size_t far = other <= LONGEST ? distance(word, length, words[w], other) : shortest;
        if (far < shortest) {
            found = words[w];
            shortest = far;
        }
    }
    return found;
}
