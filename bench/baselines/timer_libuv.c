/* libuv: a timer armed and taken back while 10,000 others are pending, all due later. */
#include "bench/lib/measure.h"

#include <uv.h>

enum { PENDING = 10000 };

static uv_loop_t loop;

static void nothing(uv_timer_t *timer)
{
    (void)timer;
}

static long arm_and_disarm(long loops)
{
    uv_timer_t timer;

    measure_check(uv_timer_init(&loop, &timer), "timer");
    for (long i = 0; i < loops; i++) {
        measure_check(uv_timer_start(&timer, nothing, 60000, 0), "start");
        measure_check(uv_timer_stop(&timer), "stop");
    }
    uv_close((uv_handle_t *)&timer, NULL);
    measure_check(uv_run(&loop, UV_RUN_NOWAIT), "close"); /* before its memory goes */
    return loops;
}

int main(int argc, char **argv)
{
    static uv_timer_t pending[PENDING];

    measure_begin(argc, argv);
    measure_check(uv_loop_init(&loop), "loop");
    for (int i = 0; i < PENDING; i++) {
        measure_check(uv_timer_init(&loop, &pending[i]), "timer");
        measure_check(uv_timer_start(&pending[i], nothing, 3600000, 0), "start");
    }
    measure_print("timer_libuv", arm_and_disarm);
    return 0;
}
