#include "system/team.h"
#include "trainer/dataset.h"

#include <math.h>

/* The sums over pixels that means and deviations follow from: of the bytes of each channel, and of
 * the products of each two channels. They are whole numbers, so they are the same in any order. */
enum { CHANNELS = IMAGE_SCALED_CHANNELS };
struct sums {
    uint64_t single[CHANNELS], product[CHANNELS][CHANNELS];
};

/* Adds a plane's. 32 bits hold the sums of so many products of bytes as a plane has. */
static void add_image(struct sums *sums, const struct image_format *format, const uint8_t *image) {
    const size_t plane = image_plane(format);
    for (size_t a = 0; a < format->channels; a++) {
        const uint8_t *first = image + a * plane;
        uint32_t single = 0;
        for (size_t j = 0; j < plane; j++)
            single += first[j];
        sums->single[a] += single;
        for (size_t b = 0; b <= a; b++) {
            const uint8_t *second = image + b * plane;
            uint32_t product = 0;
            for (size_t j = 0; j < plane; j++)
                product += (uint32_t)first[j] * second[j];
            sums->product[a][b] += product;
        }
    }
}

static struct sums add_up(const struct images *images, int threads) {
    struct sums all = {{0}, {{0}}};
    const size_t bytes = image_bytes(images->format);
#pragma omp parallel num_threads(team_whole(threads))
    {
        struct sums own = {{0}, {{0}}};
#pragma omp for
        for (size_t i = 0; i < images->count; i++)
            add_image(&own, images->format, images->pixels + i * bytes);
#pragma omp critical
        for (size_t a = 0; a < CHANNELS; a++) {
            all.single[a] += own.single[a];
            for (size_t b = 0; b <= a; b++)
                all.product[a][b] += own.product[a][b];
        }
    }
    return all;
}

struct image_scaling images_scaling(const struct images *images, enum color color, int threads) {
    const struct image_format *format = images->format;
    const double pixels = (double)images->count * (double)image_plane(format) * 255.0;
    const struct sums sums = add_up(images, threads);
    struct image_scaling scaling = {.used = true};
    double mean[CHANNELS], covariance[CHANNELS][CHANNELS];
    for (size_t a = 0; a < format->channels; a++) {
        mean[a] = (double)sums.single[a] / pixels;
        for (size_t b = 0; b <= a; b++)
            covariance[a][b] = covariance[b][a] =
                (double)sums.product[a][b] / 255.0 / pixels - mean[a] * mean[b];
    }
    double grey = 0.0, variance = 0.0;
    for (size_t a = 0; a < format->channels; a++) {
        scaling.means[a] = mean[a];
        scaling.deviations[a] = sqrt(covariance[a][a]);
        grey += format->grey[a] * mean[a];
        for (size_t b = 0; b < format->channels; b++)
            variance += format->grey[a] * format->grey[b] * covariance[a][b];
    }
    if (color == COLOR_GREY) {
        scaling.means[0] = grey;
        scaling.deviations[0] = sqrt(variance);
    }
    /* Of images that are all alike only rounding is left, of about 1e-8. One pixel of CIFAR-10 that
     * is another by 1 comes to 5e-7. */
    for (size_t c = 0; c < CHANNELS; c++)
        scaling.deviations[c] = scaling.deviations[c] > 1e-7 ? scaling.deviations[c] : 1.0;
    return scaling;
}
