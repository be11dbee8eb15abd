/*
 * Streams, counters and the state of tasks, see task_tools.h.
 */
#define SUITE "task"
#include "tests/behaviour/task_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool wire_listen(struct aio_listener **out, char text[AIO_ADDRESS_TEXT_BYTES])
{
    struct aio_address address;
    if (!AIO_CHECK_OK(aio_tcp_listen(out, "127.0.0.1:0", NULL)))
        return false;
    int rc = aio_listener_address(*out, &address);
    if (rc == 0)
        rc = aio_address_format(&address, text, AIO_ADDRESS_TEXT_BYTES);
    if (AIO_CHECK_OK(rc))
        return true;
    aio_listener_close(*out);
    return false;
}

bool wire_open(struct wire *wire)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    if (!wire_listen(&listener, text))
        return false;
    int rc = aio_tcp_connect(&wire->near, text);
    if (rc == 0 && (rc = aio_listener_accept(listener, &wire->far)) < 0)
        aio_stream_close(wire->near);
    aio_listener_close(listener);
    if (!AIO_CHECK_OK(rc))
        return false;
    AIO_CHECK_OK(aio_stream_option_set(wire->near, AIO_STREAM_SEND_BUFFER, 16 * 1024));
    AIO_CHECK_OK(aio_stream_option_set(wire->far, AIO_STREAM_RECEIVE_BUFFER, 16 * 1024));
    return true;
}

void wire_close(struct wire *wire)
{
    aio_stream_close(wire->near);
    aio_stream_close(wire->far);
}

struct aio_runtime_stats task_stats(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats;
}

struct aio_task *task_named(const char *name, int (*fn)(void *arg), void *arg)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_task *task = NULL;
    options.name = name;
    AIO_CHECK_OK(aio_task_spawn(&task, fn, arg, &options));
    return task;
}

int task_stop(struct aio_task *task)
{
    int result = 0;
    aio_task_cancel(task);
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_task_join(task, &result));
    }
    return result;
}

bool task_parked(const char *name)
{
    char wanted[64], text[16384];
    snprintf(wanted, sizeof wanted, "task '%s': parked", name);
    int fd = memfd_create("dump", MFD_CLOEXEC);
    if (!AIO_CHECK(fd >= 0))
        return true;
    aio_runtime_dump(fd);
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return strstr(text, wanted) != NULL;
}

static bool named_is_parked(void *arg)
{
    const char *const *name = arg;
    return task_parked(*name);
}

bool task_wait_parked(const char *name)
{
    return test_wait(named_is_parked, &name);
}

static bool flag_is_set(void *arg)
{
    return *(bool *)arg;
}

bool task_wait_flag(bool *flag)
{
    return test_wait(flag_is_set, flag);
}

int task_sleep_forever(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_FOREVER);
}

int task_count_turns(void *arg)
{
    int *turns = arg;
    while (aio_task_yield() == 0)
        ++*turns;
    return 0;
}

void task_burn(int64_t duration_ns)
{
    int64_t end_ns = aio_time_now() + duration_ns;
    while (aio_time_now() < end_ns)
        ;
}
