/*
 * Counting and bounding of storms, see soak.h.
 */
#define SUITE "soak"
#include "tests/soak/soak.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A storm may last longer than the watchdog gives a test. */
__attribute__((constructor)) static void soak_give_time(void)
{
    setenv("AIO_TEST_SLOW", "10", 0);
}

struct storm storm_begin(const char *what, uint64_t count)
{
    int64_t now = aio_time_now();
    return (struct storm){
        .what = what, .count = count, .start_ns = now, .limit_ns = now + AIO_SEC(12)};
}

static void storm_tell(const struct storm *storm)
{
    printf("\n    %s: %" PRIu64 " of %" PRIu64 ", %.1f s", storm->what, storm->done, storm->count,
           (double)(aio_time_now() - storm->start_ns) / 1e9);
}

bool storm_goes_on(struct storm *storm)
{
    bool late = storm->done % 64 == 0 && aio_time_now() > storm->limit_ns;
    bool over = late || storm->done == storm->count;
    if (over || storm->done * 4 / storm->count > storm->told) {
        storm->told = storm->done * 4 / storm->count;
        storm_tell(storm);
    }
    storm->done += !over;
    return !over;
}

bool wire_listen(struct aio_listener **out, char text[AIO_ADDRESS_TEXT_BYTES])
{
    struct aio_address address;
    return AIO_CHECK_OK(aio_tcp_listen(out, "127.0.0.1:0", NULL)) &&
           AIO_CHECK_OK(aio_listener_address(*out, &address)) &&
           AIO_CHECK_OK(aio_address_format(&address, text, AIO_ADDRESS_TEXT_BYTES));
}

bool wire_open(struct wire *wire)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    bool opened = wire_listen(&listener, text) &&
                  AIO_CHECK_OK(aio_tcp_connect(&wire->near, text)) &&
                  AIO_CHECK_OK(aio_listener_accept(listener, &wire->far));
    aio_listener_close(listener);
    /* Closing resets, or thousands of ports would wait for their time. */
    return opened && AIO_CHECK_OK(aio_stream_option_set(wire->near, AIO_STREAM_LINGER, 0));
}

void wire_close(struct wire *wire)
{
    aio_stream_close(wire->near);
    aio_stream_close(wire->far);
}

void storm_check_end(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    AIO_CHECK_EQ(stats.tasks_live, 1);
    AIO_CHECK_EQ(stats.ops_pending, 0);
    AIO_CHECK(stats.timers_armed <= 1); /* our own, which a deadline leaves armed for a while */
    AIO_CHECK_EQ(stats.handles_open, 0);
}
