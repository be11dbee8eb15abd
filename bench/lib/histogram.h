/* A latency histogram of fixed size: log-linear buckets as HdrHistogram has them.
 *
 * Each power of two is cut into HISTOGRAM_SUB equal parts, so a value is kept to within 1/64 of
 * itself (1.6 %) from 1 ns to over 18 minutes; larger ones count as the largest. Adding is a shift,
 * an increment and no allocation. */
#ifndef BENCH_LIB_HISTOGRAM_H
#define BENCH_LIB_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 6,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_POWERS = 35,
    HISTOGRAM_BUCKETS = HISTOGRAM_POWERS * HISTOGRAM_SUB,
};

struct histogram {
    uint64_t count;
    int64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, int64_t value_ns);

/* The value that the given part (0.99 for p99) of all values does not exceed; 0 when empty. */
int64_t histogram_quantile(const struct histogram *h, double part);

#endif
