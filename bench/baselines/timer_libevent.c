/* libevent: a timer armed and taken back while 10,000 others are pending, all due later. The loops
 * run inside a callback, where libevent has read its clock already. */
#include "bench/lib/measure.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum { PENDING = 10000 };

static struct event_base *base;
static const struct timeval hour = {3600, 0}, minute = {60, 0};

static void nothing(evutil_socket_t fd, short events, void *argument)
{
    (void)fd, (void)events, (void)argument;
}

static long arm_and_disarm(long loops)
{
    struct event timer;

    measure_check(evtimer_assign(&timer, base, nothing, NULL), "timer");
    for (long i = 0; i < loops; i++) {
        measure_check(evtimer_add(&timer, &minute), "add");
        measure_check(evtimer_del(&timer), "delete");
    }
    return loops;
}

static void measure(evutil_socket_t fd, short events, void *argument)
{
    (void)fd, (void)events, (void)argument;
    measure_print("timer_libevent", arm_and_disarm);
}

int main(int argc, char **argv)
{
    static struct event pending[PENDING];
    static const struct timeval at_once = {0, 0};

    measure_begin(argc, argv);
    base = event_base_new();
    if (!base)
        return 1;
    for (int i = 0; i < PENDING; i++) {
        measure_check(evtimer_assign(&pending[i], base, nothing, NULL), "timer");
        measure_check(evtimer_add(&pending[i], &hour), "add");
    }
    measure_check(event_base_once(base, -1, EV_TIMEOUT, measure, NULL, &at_once), "once");
    measure_check(event_base_loop(base, EVLOOP_ONCE), "loop");
    for (int i = 0; i < PENDING; i++)
        measure_check(evtimer_del(&pending[i]), "delete");
    event_base_free(base);
    return 0;
}
