/* Log-linear buckets: values below HISTOGRAM_SUB have a bucket each, then every power of two has
 * HISTOGRAM_SUB buckets, told apart by the bits after its leading one. */
#include "bench/lib/histogram.h"

#include <string.h>

static unsigned bucket_of(uint64_t value)
{
    unsigned shift, bucket;

    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    bucket = (shift + 1) * HISTOGRAM_SUB + (unsigned)(value >> shift) - HISTOGRAM_SUB;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static int64_t bucket_top(unsigned bucket)
{
    unsigned shift;

    if (bucket < HISTOGRAM_SUB)
        return bucket;
    shift = bucket / HISTOGRAM_SUB - 1;
    return ((int64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << shift) - 1;
}

void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

void histogram_add(struct histogram *h, int64_t value_ns)
{
    h->buckets[bucket_of(value_ns > 0 ? (uint64_t)value_ns : 0)]++;
    h->count++;
    if (value_ns > h->max)
        h->max = value_ns;
}

int64_t histogram_quantile(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)h->count + 0.5);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted && seen > 0)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max;
}
