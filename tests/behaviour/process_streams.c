/*
 * Pipes to a child's standard streams.
 */
#define SUITE "process_streams"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Reads to the end and closes. */
static size_t read_all(struct aio_stream *stream, char *text, size_t size)
{
    size_t done = 0;
    ssize_t n = aio_stream_read_exact(stream, text, size - 1, &done);
    AIO_CHECK(n == 0 || n == -ENODATA);
    text[done] = '\0';
    aio_stream_close(stream);
    return done;
}

static struct aio_process *shell_piped(const char *script, int error)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.input = AIO_PROCESS_PIPE;
    options.output = AIO_PROCESS_PIPE;
    options.error = error;
    return shell_spawn(script, &options);
}

BEHAVIOUR(all_three)
{
    char text[64];
    struct aio_process *process =
        shell_piped("read word; echo out $word; echo err >&2", AIO_PROCESS_PIPE);
    REQUIRE(process != NULL);
    struct aio_stream *input = aio_process_take(process, 0);
    struct aio_stream *output = aio_process_take(process, 1);
    struct aio_stream *error = aio_process_take(process, 2);
    AIO_CHECK(aio_process_take(process, 0) == NULL); /* once */
    AIO_CHECK(aio_process_take(process, 3) == NULL && aio_process_take(process, -1) == NULL);
    AIO_CHECK_EQ(aio_stream_write_all(input, "hello\n", 6, NULL), 6);
    aio_stream_close(input);
    (void)read_all(output, text, sizeof text);
    AIO_CHECK_STR(text, "out hello\n");
    (void)read_all(error, text, sizeof text);
    AIO_CHECK_STR(text, "err\n");
    AIO_CHECK_EQ(process_end(process), 0);
}

BEHAVIOUR(error_in_the_output)
{
    char text[64];
    struct aio_process *process = shell_piped("echo a; echo b >&2; echo c", AIO_PROCESS_JOIN);
    REQUIRE(process != NULL);
    AIO_CHECK(aio_process_take(process, 2) == NULL);
    (void)read_all(aio_process_take(process, 1), text, sizeof text);
    AIO_CHECK_STR(text, "a\nb\nc\n");
    AIO_CHECK_EQ(process_end(process), 0);
}

enum { MUCH = 1 << 20 };

static int feed_much(void *arg)
{
    static char block[4096];
    struct aio_stream *input = arg;
    for (size_t done = 0; done < MUCH; done += sizeof block) {
        test_pattern_fill(block, sizeof block, done);
        if (!AIO_CHECK_EQ(aio_stream_write_all(input, block, sizeof block, NULL), sizeof block))
            break;
    }
    aio_stream_close(input);
    return 0;
}

/* More than pipes hold, both ways at once. */
BEHAVIOUR(much_through_cat)
{
    char block[4096];
    struct aio_task *feeder;
    struct aio_process *process = shell_piped("exec cat", AIO_PROCESS_INHERIT);
    REQUIRE(process != NULL);
    struct aio_stream *output = aio_process_take(process, 1);
    REQUIRE_OK(aio_task_spawn(&feeder, feed_much, aio_process_take(process, 0), NULL));
    size_t sum = 0;
    for (ssize_t n; (n = aio_stream_read(output, block, sizeof block)) > 0; sum += (size_t)n)
        if (!AIO_CHECK(test_pattern_check(block, (size_t)n, sum)))
            break;
    AIO_CHECK_EQ(sum, MUCH);
    AIO_CHECK_OK(aio_task_join(feeder, NULL));
    aio_stream_close(output);
    AIO_CHECK_EQ(process_end(process), 0);
}

/* The child's ends are ours no more: it sees the end of its input, and we that of its output. The
 * child's descriptors block, as programs expect. */
BEHAVIOUR(ends_and_blocking)
{
    char text[64];
    struct aio_process *process = shell_piped(
        "cat >/dev/null; grep -h flags /proc/$$/fdinfo/0 /proc/$$/fdinfo/1", AIO_PROCESS_INHERIT);
    REQUIRE(process != NULL);
    aio_stream_close(aio_process_take(process, 0));
    (void)read_all(aio_process_take(process, 1), text, sizeof text);
    for (const char *at = text; (at = strstr(at, "flags:\t")) != NULL; at++)
        AIO_CHECK_EQ(strtol(at + 7, NULL, 8) & 04000, 0);
    AIO_CHECK_EQ(process_end(process), 0);
}

/* A child that closes its output and lives on. */
BEHAVIOUR(closes_and_lives_on)
{
    char text[8];
    struct aio_process *process = shell_piped("exec >&- <&-; exec sleep 1000", AIO_PROCESS_INHERIT);
    REQUIRE(process != NULL);
    AIO_CHECK_EQ(read_all(aio_process_take(process, 1), text, sizeof text), 0);
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ETIMEDOUT);
    }
    AIO_CHECK_OK(aio_process_stop(process, AIO_SEC(5), NULL));
    struct aio_stream *input = aio_process_take(process, 0);
    AIO_CHECK_ERROR(aio_stream_write_all(input, "x", 1, NULL), -EPIPE);
    aio_stream_close(input);
    aio_process_close(process);
}

/* What is not taken is closed: by the close, and where nothing could be started. */
BEHAVIOUR(not_taken)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_process *process = shell_piped("exec cat", AIO_PROCESS_PIPE);
    REQUIRE(process != NULL);
    AIO_CHECK_EQ(task_stats().handles_open, 4);
    aio_process_close(process);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    options.input = options.output = options.error = AIO_PROCESS_PIPE;
    AIO_CHECK_ERROR(aio_process_spawn(&process, AIO_ARGV("/nowhere"), &options), -ENOENT);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    no_children();
}

static int leave_with_streams(void *unused)
{
    (void)unused;
    struct aio_process *process = shell_piped("exec cat", AIO_PROCESS_PIPE);
    struct aio_stream *taken = aio_process_take(process, 1);
    return taken != NULL ? 0 : 1;
}

/* So does the end of the runtime, whatever was taken. */
BEHAVIOUR_OUTSIDE(end_of_the_runtime)
{
    AIO_CHECK_EQ(test_run(leave_with_streams, NULL), 0);
    no_children();
}
