/*
 * fanout: connects to several servers at once and keeps whoever answers first.
 * Usage: fanout MILLISECONDS HOST:PORT...
 *
 * The race's losers are cancelled and awaited, so nothing goes on behind our back; a connection
 * that stood all the same is closed. Prints one line, who won and in how long. Exit codes: 0 there
 * is a winner, 1 nobody could be reached in time, 2 bad usage.
 */
#include <aio/aio.h>
#include <aio/scope.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVER_LIMIT 64
#define TIME_LIMIT_MS 3600000

struct attempt {
    const char *address;
    struct aio_stream *stream;
};

static int connect_to(void *arg)
{
    struct attempt *attempt = arg;
    return aio_tcp_connect(&attempt->stream, attempt->address);
}

static void hang_up(void *arg, int result)
{
    struct attempt *attempt = arg;
    (void)result;
    aio_stream_close(attempt->stream);
}

static int usage(void)
{
    fprintf(stderr, "usage: fanout MILLISECONDS HOST:PORT... (at most %d ms, %d servers)\n",
            TIME_LIMIT_MS, SERVER_LIMIT);
    return 2;
}

static long read_milliseconds(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && value <= TIME_LIMIT_MS ? value : 0;
}

/* Returns the winner's index; the error of the first that failed; -ETIMEDOUT. */
static int race(struct attempt *attempts, char **addresses, int count, long limit_ms)
{
    struct aio_branch branches[SERVER_LIMIT];
    struct aio_deadline deadline;
    for (int i = 0; i < count; i++) {
        attempts[i].address = addresses[i];
        branches[i] = (struct aio_branch){
            .fn = connect_to, .arg = &attempts[i], .undo = hang_up, .name = addresses[i]};
    }
    aio_deadline_set(&deadline, AIO_MS(limit_ms));
    int winner = aio_scope_race(branches, (size_t)count, 0);
    aio_deadline_clear(&deadline);
    for (int i = 0; winner < 0 && i < count; i++)
        fprintf(stderr, "fanout: %s: %s\n", addresses[i], aio_error_text(branches[i].result));
    return winner;
}

AIO_MAIN(argc, argv)
{
    struct attempt attempts[SERVER_LIMIT];
    struct aio_address parsed;
    long limit_ms = argc > 1 ? read_milliseconds(argv[1]) : 0;
    if (limit_ms <= 0 || argc < 3 || argc - 2 > SERVER_LIMIT)
        return usage();
    for (int i = 2; i < argc; i++) {
        if (aio_address_parse(&parsed, argv[i]) < 0) {
            fprintf(stderr, "fanout: '%s' is not a numeric HOST:PORT\n", argv[i]);
            return usage();
        }
    }
    int64_t begin_ns = aio_time_now();
    int winner = race(attempts, argv + 2, argc - 2, limit_ms);
    if (winner < 0)
        return 1;
    printf("%s answered first, after %.3f ms\n", attempts[winner].address,
           (double)(aio_time_now() - begin_ns) / 1e6);
    aio_stream_close(attempts[winner].stream);
    return 0;
}
