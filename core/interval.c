/*
 * Intervals: ticks at a steady distance, see <aio/time.h>.
 */
#include "core/core.h"

#include <limits.h>

static int64_t interval_after(int64_t at_ns, int64_t period_ns)
{
    return period_ns < AIO_FOREVER - at_ns ? at_ns + period_ns : AIO_FOREVER;
}

int aio_interval_start(struct aio_interval *interval, int64_t period_ns,
                       enum aio_interval_policy policy)
{
    if (period_ns <= 0 || (unsigned)policy > AIO_INTERVAL_SKIP)
        return -EINVAL;
    interval->period_ns = period_ns;
    interval->next_ns = interval_after(aio_time_now(), period_ns);
    interval->policy = policy;
    return 0;
}

/* Waits for the tick. One that is due costs a yield, or late ticks would keep the thread. */
static int interval_await(struct aio__core *core, int64_t at_ns)
{
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (at_ns <= aio_time_now()) {
        aio__reschedule(core);
        return 0;
    }
    struct aio__sleep sleep = {.wait = {.what = "interval"}};
    return aio__sleep_until(core, &sleep, at_ns);
}

int aio_interval_wait(struct aio_interval *interval)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int rc = interval_await(core, interval->next_ns);
    if (rc < 0)
        return rc;
    int64_t now_ns = aio_time_now();
    int64_t missed = (now_ns - interval->next_ns) / interval->period_ns;
    if (interval->policy == AIO_INTERVAL_DELAY)
        interval->next_ns = interval_after(now_ns, interval->period_ns);
    else if (interval->policy == AIO_INTERVAL_SKIP)
        interval->next_ns += (missed + 1) * interval->period_ns;
    else
        interval->next_ns += interval->period_ns;
    return missed < INT_MAX ? (int)missed : INT_MAX;
}
