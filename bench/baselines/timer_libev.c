/* libev: a timer armed and taken back while 10,000 others are pending, all due later. */
#include "bench/lib/measure.h"

#include <ev.h>
#include <stdlib.h>

enum { PENDING = 10000 };

static struct ev_loop *loop;

static void nothing(struct ev_loop *of, ev_timer *timer, int events)
{
    (void)of, (void)timer, (void)events;
}

static long arm_and_disarm(long loops)
{
    ev_timer timer;

    ev_timer_init(&timer, nothing, 60, 0);
    for (long i = 0; i < loops; i++) {
        ev_timer_set(&timer, 60, 0);
        ev_timer_start(loop, &timer);
        ev_timer_stop(loop, &timer);
    }
    return loops;
}

int main(int argc, char **argv)
{
    static ev_timer pending[PENDING];

    measure_begin(argc, argv);
    loop = ev_default_loop(EVFLAG_AUTO);
    if (!loop)
        return 1;
    for (int i = 0; i < PENDING; i++) {
        ev_timer_init(&pending[i], nothing, 3600, 0);
        ev_timer_start(loop, &pending[i]);
    }
    measure_print("timer_libev", arm_and_disarm);
    return 0;
}
