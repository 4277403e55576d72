#include "training/score.h"

#include "system/strict_math.h"

#include <math.h>

bool score_average(const float *scores, size_t samples, struct score *score, size_t *not_finite) {
    double loss = 0.0, correct = 0.0;
    for (size_t i = 0; i < samples; i++) {
        loss += scores[2 * i];
        correct += scores[2 * i + 1];
    }
    *score = (struct score){loss / (double)samples, correct / (double)samples};
    if (isfinite(loss))
        return true;
    for (*not_finite = 0; *not_finite + 1 < samples; ++*not_finite)
        if (!isfinite(scores[2 * *not_finite]))
            break;
    return false;
}

/* These are words of our own, because the C library may print "-nan". */
const char *score_not_finite(float loss) {
    return isnan(loss) ? "not a number" : "infinite";
}
